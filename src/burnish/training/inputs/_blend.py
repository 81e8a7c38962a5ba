"""The blend of a gold token and the model's guess, as the input `residual` has it read.

First a pass without gradient over the gold tokens gives the guesses, then `blended_embeddings` go in as `inputs_embeds`.
Source: objectives spec, 2 (IFT; arXiv 2405.11870).
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def guesses(greedy: Int[Tensor, "batch time"], ids: Int[Tensor, "batch time"]) -> Int[Tensor, "batch time"]:
    """What the model would have put at each position. `greedy` is the likeliest *next* token, so it moves right by one.

    Nothing predicts the first position: it keeps its own id.
    """
    return torch.cat([ids[:, :1], greedy[:, :-1]], dim=1)


def blended_embeddings(
    embedding: Float[Tensor, "vocabulary hidden"],
    ids: Int[Tensor, "batch time"],
    guess: Int[Tensor, "batch time"],
    learned: Bool[Tensor, "batch time"],
    share: float,
) -> Float[Tensor, "batch time hidden"]:
    """(1 - share) E[id] + share E[guess] at learned positions, E[id] elsewhere. No gradient reaches E.

    `embedding` is a frozen copy of the model's initial input embeddings. With `share` 0 the result is exactly E[id].
    """
    table = embedding.detach()
    gold = table[ids]
    return torch.where(learned[..., None] & (share > 0), (1.0 - share) * gold + share * table[guess], gold)
