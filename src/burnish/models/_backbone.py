"""A causal language model taken apart: the backbone that makes hidden states, and the matrix that turns them into logits.

Sequences are packed one behind the other into rows, each with its own positions and sight, so no padding is computed. What
is after the last position that somebody asks for is not read at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from burnish.core.errors import InputError

PACK_TOKENS = {"cpu": 256, "cuda": 2048}
"""Most tokens of a packed row, unless one sequence alone is longer. A packed token is also compared with those of its neighbours,
by 4 x tokens x width x layers operations: for the embedded model a quarter of all at 1024 tokens, a thirteenth at 256.
"""

Ids = Sequence[Sequence[int]]
"""Token sequences."""

Positions = Sequence[Sequence[int]]
"""For each sequence the ascending positions that somebody asks for."""


class Backbone:
    """Hidden states of a causal language model of transformers, one with LoRA adapters included."""

    def __init__(self, model: nn.Module, *, pack_tokens: int | None = None) -> None:
        """`pack_tokens` None: by the kind of device, see `PACK_TOKENS`.

        Raises `InputError` if `model` is no causal language model, or does more than one matrix after its backbone.
        """
        self.model = unwrapped(model)
        self.trunk, self.head = split(self.model)
        check_head(self.model, self.trunk, self.head)
        self._pack_tokens = pack_tokens or PACK_TOKENS.get(self.head.weight.device.type, 256)
        self._packable = True
        self._packable = self._keeps_apart()

    def packs(self, positions: Positions) -> list[list[int]]:
        """Indices of the sequences that go through the model together: longest first, first fit. Empty ones are left out."""
        lengths = [_length(places) for places in positions]
        rows: list[list[int]] = []
        free: list[int] = []
        for index in sorted(filter(lengths.__getitem__, range(len(lengths))), key=lambda index: -lengths[index]):
            slot = next((slot for slot, room in enumerate(free) if room >= lengths[index]), len(rows))
            if slot == len(rows):
                rows.append([])
                free.append(self._pack_tokens if self._packable else 0)
            rows[slot].append(index)
            free[slot] -= lengths[index]
        return rows

    def read(self, ids: Ids, positions: Positions) -> Float[Tensor, "picked hidden"]:
        """Last hidden states of one pack at the (ascending) positions of each sequence, one after the other.

        Carries gradient if the caller allows it.
        """
        sequences = [sequence[: _length(places)] for sequence, places in zip(ids, positions, strict=True)]
        if not self._packable and len(sequences) > 1:
            return torch.cat([self.read([one], [places]) for one, places in zip(sequences, positions, strict=True)])
        device = self.head.weight.device
        row = torch.tensor([[token for sequence in sequences for token in sequence]], device=device)
        count = torch.tensor([[place for sequence in sequences for place in range(len(sequence))]], device=device)
        states = self.trunk(input_ids=row, position_ids=count, use_cache=False).last_hidden_state[0]
        starts = accumulate(map(len, sequences), initial=0)
        picked = [start + place for start, places in zip(starts, positions, strict=False) for place in places]
        return cast(Tensor, states[torch.tensor(picked, device=device)])

    def gather(self, ids: Ids, positions: Positions) -> list[Float[Tensor, "picked hidden"]]:
        """`read` for any number of sequences: the states of each at its own positions. Carries gradient if the caller allows it."""
        found: list[Tensor] = [self.head.weight.new_zeros(0, self.head.in_features)] * len(ids)
        for pack in self.packs(positions):
            states = self.read([ids[index] for index in pack], [positions[index] for index in pack])
            for index, state in zip(pack, torch.split(states, [len(positions[index]) for index in pack]), strict=True):
                found[index] = state
        return found

    @torch.no_grad()
    def _keeps_apart(self) -> bool:
        """Does this model keep packed sequences apart? Tried on two; one that does not reads them one by one."""
        with evaluation(self.model):
            together, apart = self.read([[1, 2, 3, 4], [4, 3, 2]], [[0], [2]])[1], self.read([[4, 3, 2]], [[2]])[0]
        return torch.allclose(together.float(), apart.float(), rtol=2e-2, atol=2e-2 * float(apart.float().abs().max()))


def _length(places: Sequence[int]) -> int:
    return places[-1] + 1 if places else 0


@contextmanager
def evaluation(model: nn.Module) -> Iterator[None]:
    """Without dropout, then as before."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def unwrapped(model: Any) -> Any:
    """The model inside a PeftModel (its adapters stay at work), or the model itself."""
    return model.get_base_model() if hasattr(model, "peft_config") and hasattr(model, "get_base_model") else model


def split(model: Any) -> tuple[Any, nn.Linear]:
    """Backbone and output matrix of a causal language model. Raises `InputError` for anything else."""
    trunk: Any = getattr(model, "base_model", None)
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    if trunk is None or trunk is model or not isinstance(head, nn.Linear):
        raise InputError(
            f"{type(model).__name__} is not a causal language model with a linear output head; load it with AutoModelForCausalLM."
        )
    return trunk, head


@torch.no_grad()
def check_head(model: Any, trunk: Any, head: nn.Linear) -> None:
    """Raise `InputError` if the logits are not the last hidden states times the output matrix; tried on four tokens."""
    probe = torch.arange(1, 5, device=head.weight.device).unsqueeze(0)
    with evaluation(model):
        whole = model(input_ids=probe).logits.float()
        ours = (trunk(input_ids=probe, use_cache=False).last_hidden_state @ head.weight.T).float()
    capped = getattr(model.config, "final_logit_softcapping", None)  # a cap is nearly invisible on small logits
    if capped or not torch.allclose(whole, ours, rtol=2e-2, atol=2e-2 * float(whole.abs().max())):
        kind = type(model).__name__
        raise InputError(
            f"{kind} changes its logits after the output matrix (a bias, a scale, a cap). Such models cannot be trained here yet."
        )


@contextmanager
def adapters_off(model: nn.Module) -> Iterator[None]:
    """The model as it was before its LoRA adapters were put on. Raises `InputError` if it has none."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
    if not layers:
        raise InputError("The model has no adapter that could be off. Give a reference model of its own: reference=Scorer(model).")
    before = [layer.disable_adapters for layer in layers]
    trained = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer, off in zip(layers, before, strict=True):
            layer.enable_adapters(not off)
        for parameter, moves in trained:  # switching an adapter also changes what is trained
            parameter.requires_grad_(moves)
