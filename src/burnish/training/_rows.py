"""Rows: one token sequence each, with the positions where the loss looks. Every stream delivers these.

Masks come from what was sampled or from the renderer's supervised range, never from token ids or chat roles.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from burnish.core.errors import InputError
from burnish.core.records import Example
from burnish.models.base import Renderer
from burnish.signals.span_ends import placed
from burnish.training.inputs._step_ends import line_ends, paragraph_ends
from burnish.training.inputs._texts import pieces


@dataclass(frozen=True, slots=True)
class View:
    """How a row is read where that is not simply its tokens one after another; see `training._views`."""

    hidden: tuple[int, ...] = ()
    """Positions that no later token sees."""
    blocks: tuple[tuple[tuple[int, int], ...], ...] = ()
    """Blocks of parallel paths, as in `models.Request.parallel`."""
    blend: float = 0.0
    """Share of the model's own guess in what is read at the learned positions."""


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
    credit: tuple[tuple[int, float], ...] | None = None
    """Rewards inside of the answer: index among the learned tokens, and reward. None: there are none such."""
    group: int = 0
    fields: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    view: View | None = None
    rival: Row | None = None
    """A wrong variant to compare with, its differing tokens as positions."""

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


def recorded_row(example: Example, renderer: Renderer) -> Row:
    """The row of an answer that was sampled and rewarded before: `meta["reward"]` for all of it, `meta["credit"]` for its spans.

    `credit` lists `[characters, reward]`: where in the answer's text a span ends (0: with the answer), and its reward.
    Raises `InputError` for an example without either, or a reward that is no number.
    """
    row, meta = supervised_row(example, renderer), example.meta
    if "reward" not in meta and "credit" not in meta:
        raise InputError(f"Example {example.id!r} has no reward. Give it meta['reward'], or meta['credit'] = [[characters, reward], …].")
    try:
        reward, spans = float(meta.get("reward", 0.0)), [(int(end), float(value)) for end, value in meta.get("credit", ())]
    except (TypeError, ValueError) as error:
        raise InputError(f"Example {example.id!r}: its reward or credit is not made of numbers ({error}).") from None
    ends, scores = placed(spans, [row.ids[position] for position in row.positions], renderer.decode)
    return replace(row, reward=reward, credit=tuple(zip(ends, scores, strict=True)) if "credit" in meta else None)


def scored_row(example: Example, renderer: Renderer) -> Row:
    """The row of an answer that a reward model scores: the head reads the hidden state of its last token."""
    row = supervised_row(example, renderer)
    return replace(row, ids=(*row.ids, 0), positions=(len(row.ids),), rollout=None)


def labelled_row(example: Example, renderer: Renderer) -> Row:
    """The row of an example with judged steps, labels in 0 … 1.

    `meta["steps"]` lists `[last token of the step, label]`; or `meta["lines"]` (`meta["paragraphs"]`) lists the labels of the
    first lines (paragraphs) of the answer, None where one was not judged. The head reads the hidden state of the step's last
    token, which is where the token after it would be predicted.
    """
    name = f"Example {example.id!r}"
    ids, steps = _steps(example, renderer)
    if not steps:
        raise InputError(
            f"{name} has no labelled steps. Give it tokens and meta['steps'] = [[last token, label], …], or meta['lines'] = [label, …]."
        )
    ends, labels = zip(*sorted((int(end), float(label)) for end, label in steps), strict=True)
    if not 0 <= ends[0] <= ends[-1] < len(ids) or not all(0 <= label <= 1 for label in labels):
        raise InputError(f"{name} has a step outside its {len(ids)} tokens, or a label outside 0 … 1.")
    return Row(id=example.id, ids=(*ids, 0), positions=tuple(end + 1 for end in ends), weight=example.weight, fields={"returns": labels})


def _steps(example: Example, renderer: Renderer) -> tuple[tuple[int, ...], list[tuple[int, float]]]:
    """Ids, and the last token of each labelled step with its label."""
    if "steps" in example.meta:
        return (() if example.tokens is None else example.tokens.ids), [(end, label) for end, label in example.meta["steps"]]
    row = supervised_row(example, renderer)
    first, texts = row.positions[0], pieces(renderer, row.ids[row.positions[0] :])
    labels = [(name, values) for name in ("lines", "paragraphs") if (values := example.meta.get(name))]
    if not labels:
        return row.ids, []
    ends = (line_ends if labels[0][0] == "lines" else paragraph_ends)(texts)
    if len(labels[0][1]) > len(ends):
        raise InputError(f"Example {example.id!r} has {len(labels[0][1])} labels for {len(ends)} {labels[0][0]} of its answer.")
    return row.ids, [(first + end, label) for end, label in zip(ends, labels[0][1], strict=False) if label is not None]
