"""Rows: one token sequence each, with the positions where the loss looks. Every stream delivers these.

Masks come from what was sampled or from the renderer's supervised range, never from token ids or chat roles.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from burnish.core.errors import InputError
from burnish.core.records import Example
from burnish.models.base import Renderer


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One sequence. `positions` are the indices in `ids` of the learned tokens, ascending, each at least 1.

    `rollout` holds the log-probabilities of those tokens under the policy that wrote them, None where it told none;
    `advantage` is one number for all of them, one for each, or None. `fields` are further `TokenBatch` fields, one value per learned token.
    """

    id: str
    ids: tuple[int, ...]
    positions: tuple[int, ...]
    weight: float = 1.0
    rollout: tuple[float | None, ...] | None = None
    advantage: float | tuple[float, ...] | None = None
    reward: float | None = None
    correct: bool = False
    group: int = 0
    fields: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.rollout is not None and len(self.rollout) != len(self.positions):
            raise ValueError(f"{self.id}: {len(self.positions)} learned tokens but {len(self.rollout)} log-probabilities of the sampler.")

    @property
    def length(self) -> int:
        """Tokens that must be read: everything before the last learned token."""
        return self.positions[-1] if self.positions else 0

    @property
    def dead(self) -> bool:
        """True if there are advantages and all are 0."""
        return self.advantage is not None and not any(self.advantage if isinstance(self.advantage, tuple) else (self.advantage,))


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
        positions = positions_of(name, example.tokens.sampled)
        ids, rollout = example.tokens.ids, example.tokens.logprobs or None
        return Row(id=example.id, ids=ids, positions=positions, weight=example.weight, rollout=rollout)
    if not example.messages or example.messages[-1].role != "assistant":
        raise InputError(f"{name} must end with an assistant turn, or bring its own tokens.")
    ids, supervised = renderer.supervised(example.messages)
    return Row(id=example.id, ids=tuple(ids), positions=positions_of(name, [supervised]), weight=example.weight)


def labelled_row(example: Example) -> Row:
    """The row of an example with judged steps: `meta["steps"]` lists `[last token of the step, label in 0 … 1]`.

    The head reads the hidden state of that last token, which is where the token after it would be predicted.
    """
    name, steps = f"Example {example.id!r}", example.meta.get("steps")
    if example.tokens is None or not steps:
        raise InputError(f"{name} has no labelled steps. Give it tokens and meta['steps'] = [[last token, label], …].")
    ends, labels = zip(*sorted((int(end), float(label)) for end, label in steps), strict=True)
    if not 0 <= ends[0] <= ends[-1] < len(example.tokens.ids) or not all(0 <= label <= 1 for label in labels):
        raise InputError(f"{name} has a step outside its {len(example.tokens.ids)} tokens, or a label outside 0 … 1.")
    ids, positions = (*example.tokens.ids, 0), tuple(end + 1 for end in ends)
    return Row(id=example.id, ids=ids, positions=positions, weight=example.weight, fields={"returns": labels})
