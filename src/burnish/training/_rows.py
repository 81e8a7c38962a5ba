"""Rows: one token sequence each, with the positions where the loss looks. Every stream delivers these.

Masks come from what was sampled or from the renderer's supervised range, never from token ids or chat roles.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from burnish.core.errors import InputError
from burnish.core.records import Example
from burnish.models.base import Renderer


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One sequence. `positions` are the indices in `ids` of the learned tokens, ascending, each at least 1.

    `rollout` holds the sampler's log-probabilities of those tokens, None where it gave none; `advantage` None means that
    there is none.
    """

    id: str
    ids: tuple[int, ...]
    positions: tuple[int, ...]
    weight: float = 1.0
    rollout: tuple[float | None, ...] | None = None
    advantage: float | None = None
    reward: float | None = None
    group: int = 0

    def __post_init__(self) -> None:
        if self.rollout is not None and len(self.rollout) != len(self.positions):
            raise ValueError(f"{self.id}: {len(self.positions)} learned tokens but {len(self.rollout)} log-probabilities of the sampler.")

    @property
    def length(self) -> int:
        """Tokens that must be read: everything before the last learned token."""
        return self.positions[-1] if self.positions else 0


def positions_of(name: str, ranges: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    """Indices in half-open ranges. Raises `InputError` if there are none or if the first token is among them."""
    positions = tuple(index for start, end in ranges for index in range(start, end))
    if not positions:
        raise InputError(f"{name} has no token to learn from. Leave it out, or give it a sampled range or an assistant turn.")
    if positions[0] == 0:
        raise InputError(f"{name} learns its very first token, which nothing predicts. Put a prompt before the sampled range.")
    return positions


def supervised_row(example: Example, renderer: Renderer) -> Row:
    """The row of an example: its exact tokens where sampled, or its rendered messages in the last assistant turn."""
    name = f"Example {example.id!r}"
    if example.tokens is not None:
        return Row(id=example.id, ids=example.tokens.ids, positions=positions_of(name, example.tokens.sampled), weight=example.weight)
    if not example.messages or example.messages[-1].role != "assistant":
        raise InputError(f"{name} must end with an assistant turn, or bring its own tokens.")
    ids, supervised = renderer.supervised(example.messages)
    return Row(id=example.id, ids=tuple(ids), positions=positions_of(name, [supervised]), weight=example.weight)
