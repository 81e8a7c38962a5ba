"""Scalar heads: one number from a hidden state of the policy's own backbone, for rewards, step rewards and values.

`RewardModel` judges a whole sequence at its last token, `ProcessRewardModel` each step at its last token, `ValueModel` the
state before each token. Outputs carry gradient for the head, and for the backbone unless it is frozen. The losses are elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from burnish.core.errors import InputError
from burnish.models._backbone import Backbone, Ids

HEAD_FILE = "scalar_head.safetensors"


class ScalarHead(nn.Module):
    """weight · hidden + bias, in float32. A fresh one says 0 of everything, so that it disturbs nothing before it has learned."""

    def __init__(self, width: int) -> None:
        """`width` is the size of the backbone's hidden states."""
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width))
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, hidden: Float[Tensor, "picked hidden"]) -> Float[Tensor, " picked"]:
        """One number per state."""
        return hidden.float() @ self.weight + self.bias


def write_head(head: ScalarHead, kind: str, folder: str | Path) -> None:
    """Write a head as `load` of the model of its `kind` (`reward`, `process`, `value`) reads it."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in head.state_dict().items()}
    save_file(tensors, Path(folder) / HEAD_FILE, metadata={"kind": kind})


class _Headed:
    """A head on a backbone; `parameters` are the head's. Train the backbone through its own model."""

    kind = ""

    def __init__(self, model: Any, head: ScalarHead | None = None) -> None:
        """`model` is a causal language model, shared with the policy if you like. Raises `InputError` if the head does not fit."""
        self.backbone = Backbone(model)
        width, device = self.backbone.head.in_features, self.backbone.head.weight.device
        self.head = (ScalarHead(width) if head is None else head).to(device)
        if len(self.head.weight) != width:
            raise InputError(f"The head reads hidden states of size {len(self.head.weight)}, but the model's have {width}.")

    def save(self, folder: str | Path) -> None:
        """Write the head beside a checkpoint. The backbone is saved by its own `save_pretrained`."""
        write_head(self.head, self.kind, folder)

    @classmethod
    def load(cls, model: Any, folder: str | Path) -> Self:
        """The head that `save` wrote, on `model`. Raises `InputError` if there is none, or one of another kind."""
        path = Path(folder) / HEAD_FILE
        try:
            with safe_open(path, "pt") as file:
                kind, tensors = (file.metadata() or {}).get("kind"), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise InputError(f"{path} is not a scalar head: {error}. Write one with save(folder).") from error
        if kind != cls.kind:
            raise InputError(f"{path} is a {kind} head, not a {cls.kind} head.")
        head = ScalarHead(len(tensors["weight"]))
        head.load_state_dict(tensors)
        return cls(model, head)

    def _at(self, ids: Ids, positions: Sequence[Sequence[int]]) -> list[Float[Tensor, " picked"]]:
        for number, (sequence, places) in enumerate(zip(ids, positions, strict=True)):
            if any(not 0 <= place < len(sequence) for place in places) or list(places) != sorted(set(places)):
                raise InputError(f"The positions {list(places)} of sequence {number} must ascend within its {len(sequence)} tokens.")
        lengths = [len(places) for places in positions]
        return list(torch.split(self.head(torch.cat(self.backbone.gather(ids, positions))), lengths)) if lengths else []


class RewardModel(_Headed):
    """One logit per sequence. Pairs are compared by the difference of their logits (Bradley-Terry)."""

    kind = "reward"

    def __call__(self, ids: Ids) -> Float[Tensor, " batch"]:
        """The reward of each whole sequence, read at its last token."""
        if not all(len(sequence) for sequence in ids):
            raise InputError("An empty sequence has no reward.")
        return torch.cat(self._at(ids, [[len(sequence) - 1] for sequence in ids])) if ids else torch.zeros(0)


class ProcessRewardModel(_Headed):
    """One logit per step. Its sigmoid is the probability that the step is right."""

    kind = "process"

    def __call__(self, ids: Ids, ends: Sequence[Sequence[int]]) -> list[Float[Tensor, " steps"]]:
        """The logit of each step. `ends` has the position of each step's last token, ascending."""
        return self._at(ids, ends)


class ValueModel(_Headed):
    """The expected return of the state in which a token is chosen."""

    kind = "value"

    def __call__(self, ids: Ids, positions: Sequence[Sequence[int]]) -> list[Float[Tensor, " tokens"]]:
        """V(ids[:t]) for each position t of a token that is to be valued (at least 1): what is known before it is there."""
        if any(place < 1 for places in positions for place in places):
            raise InputError("The first token has no state before it. Give positions from 1 on.")
        return self._at(ids, [[place - 1 for place in places] for places in positions])
