"""Judged answers as a stream's objective: the loss of each pair or of each answer, over those of the whole step.

What is compared is an answer's log-probability, or (`PreferenceLoss.scores`) the score that a reward model gives it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from burnish.core.errors import InputError
from burnish.core.records import Example
from burnish.models.base import Renderer
from burnish.objectives.base import TokenBatch
from burnish.objectives.preferences.base import PairBatch, PreferenceLoss, judged_of, pairs_of
from burnish.training._objective import Counts, plugin
from burnish.training._rows import Row, scored_row, supervised_row

Preference = tuple[Example, Example]
"""The better answer and the worse one, to the same prompt."""

OF_REFERENCE = frozenset({"reference_chosen", "reference_rejected"})


@dataclass(frozen=True)
class AnswerObjective:
    """A preference loss on rows that alternate (chosen, rejected, chosen …) or, if it judges one by one, on rows in any order.

    The weight of a row (of a pair: of its chosen one) multiplies its loss; reward models take it as the pair's strength.
    """

    loss: PreferenceLoss
    options: Mapping[str, float]
    temperature: float = 1.0
    silent_at_zero_advantage: bool = False
    head_only: bool = False

    @property
    def paired(self) -> bool:
        """True if two answers are compared."""
        return self.loss.batch is PairBatch

    @property
    def together(self) -> bool:
        """Pairs are never divided."""
        return self.paired

    @property
    def needs(self) -> frozenset[str]:
        """The head's values of a reward model, or the reference's log-probabilities if the loss compares with them."""
        if self.loss.scores:
            return frozenset({"value"})
        return frozenset({"reference"}) if not self.paired or self.loss.needs & OF_REFERENCE else frozenset()

    def reduce(self, batch: TokenBatch, counts: Counts) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """The sum over pairs (or answers), divided by those of the step, and the plain sum."""
        weight = torch.ones_like(batch.mask[:, 0]) if batch.weight is None else batch.weight.amax(dim=1)
        if not self.paired:
            assert batch.divergence is not None
            total = (self.loss.function(judged_of(batch, batch.divergence[0, 0]), self.options) * weight).sum()
            return total / counts["all"].sequences, total
        if self.loss.scores:
            assert batch.value is not None
            total = self.loss.function(pairs_of(replace(batch, logp=batch.value), weight[0::2]), self.options).sum()
        else:
            total = (self.loss.function(pairs_of(batch), self.options) * weight[0::2]).sum()
        return total / (0.5 * counts["all"].sequences), total


def answer_objective(name: str, options: Mapping[str, float]) -> AnswerObjective:
    """The objective of a preference plug-in. Raises `UnknownName`, or `InputError` for something else."""
    loss: PreferenceLoss = plugin("preference", name, PreferenceLoss)
    return AnswerObjective(loss, loss.options(options))


def answer_rows(
    objective: AnswerObjective, pairs: Sequence[Preference], judged: Sequence[Example], renderer: Renderer
) -> list[tuple[Row, ...]]:
    """What is drawn together: the two rows of a pair, or one answer (a pair then gives two of them).

    Raises `InputError` for answers judged one by one under a loss that compares, or without `meta["desirable"]`.
    """
    make = scored_row if objective.loss.scores else supervised_row
    better = [tuple(replace(make(e, renderer), group=n, correct=e is pair[0]) for e in pair) for n, pair in enumerate(pairs)]
    if objective.paired:
        if judged:
            raise InputError(f"The loss {objective.loss.name!r} compares pairs of answers. Give preferences, or choose kto.")
        return better
    alone = [replace(supervised_row(example, renderer), correct=_desirable(example)) for example in judged]
    return [(row,) for row in (*(row for pair in better for row in pair), *alone)]


def _desirable(example: Example) -> bool:
    found = example.meta.get("desirable")
    if not isinstance(found, bool):
        raise InputError(f"Example {example.id!r} is judged by itself: its meta['desirable'] must be true or false, not {found!r}.")
    return found


def mismatched(rows: Sequence[Row]) -> list[Row]:
    """Each row's prompt with the answer of the next row that has another prompt; rows for which there is none are left out."""
    found = []
    for index, row in enumerate(rows):
        prompt = row.ids[: row.positions[0]]
        others = (other for other in (*rows[index + 1 :], *rows[:index]) if other.ids[: other.positions[0]] != prompt)
        if (other := next(others, None)) is not None:
            ids = (*prompt, *other.ids[other.positions[0] :])
            found.append(Row(id=f"{index} (mismatched)", ids=ids, positions=tuple(range(len(prompt), len(ids)))))
    return found
