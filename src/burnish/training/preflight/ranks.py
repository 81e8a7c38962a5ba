"""P16 and P17: processes reach each other, agree on what they train, and do not wait for one that has nothing to do."""

from __future__ import annotations

import msgspec
import torch

from burnish.core.errors import InputError
from burnish.core.seeds import content_hash
from burnish.training._shards import gathered
from burnish.training.preflight.base import Setup, Skipped


def p16_collectives(setup: Setup) -> str:
    """Ranks hear each other, have the same settings and hold the same weights."""
    crew = setup.crew
    if crew.size == 1:
        raise Skipped("One process. Start with torchrun to check several.")
    total = torch.tensor([float(crew.rank)])
    crew.add_up([total])
    if total.item() != sum(range(crew.size)):
        raise InputError(f"The sum of all ranks came out as {total.item()}. The ranks do not talk to the same group.")
    settings = content_hash(msgspec.json.encode(setup.settings))
    weights = content_hash(*(str(float(gathered(p.detach()).double().sum())) for p in setup.policy.model.parameters()))
    for what, own in (("settings", settings), ("weights", weights)):
        if len(set(crew.exchange(own))) > 1:
            raise InputError(f"The ranks have different {what}. Start all of them with the same file and the same model.")
    return f"{crew.size} ranks agree"


def p17_uneven_ranks(setup: Setup) -> str:
    """A rank without data takes part with nothing, and nobody hangs."""
    crew = setup.crew
    if crew.size == 1:
        raise Skipped("One process. Start with torchrun to check several.")
    work = crew.mine(range(crew.size - 1))  # the last rank has none
    total = torch.tensor([float(len(work))])
    crew.add_up([total])
    if total.item() != crew.size - 1:
        raise InputError(f"{crew.size - 1} pieces of work were counted as {total.item()}.")
    return "a rank without data takes part"
