"""Pairs of answers as a stream's objective: the loss of each pair, over the pairs of the whole step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from burnish.core.errors import InputError
from burnish.core.records import Example
from burnish.objectives.base import TokenBatch

if TYPE_CHECKING:
    from burnish.objectives.preferences.base import PreferenceLoss
    from burnish.training._objective import Counts

Preference = tuple[Example, Example]
"""The better answer and the worse one, to the same prompt."""

OF_REFERENCE = frozenset({"reference_chosen", "reference_rejected"})


@dataclass(frozen=True)
class PairObjective:
    """A preference loss on rows that alternate: chosen, rejected, chosen, rejected …"""

    loss: PreferenceLoss
    options: Mapping[str, float]
    temperature: float = 1.0
    silent_at_zero_advantage: bool = False
    together: bool = True

    @property
    def needs(self) -> frozenset[str]:
        """The reference's log-probabilities, if the loss compares with it."""
        return frozenset({"reference"}) if self.loss.needs & OF_REFERENCE else frozenset()

    def reduce(self, batch: TokenBatch, counts: Counts) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """The sum over pairs, divided by the pairs of the step, and the plain sum."""
        from burnish.objectives.preferences.base import pairs_of

        total = self.loss.function(pairs_of(batch), self.options).sum()
        return total / (0.5 * counts["all"].sequences), total


def preference_objective(name: str, options: Mapping[str, float]) -> PairObjective:
    """The objective of a preference plug-in. Raises `UnknownName`, or `InputError` for one that does not compare pairs."""
    from burnish.objectives.preferences.base import PairBatch, PreferenceLoss
    from burnish.training._objective import plugin

    loss: PreferenceLoss = plugin("preference", name, PreferenceLoss)
    if loss.batch is not PairBatch or "strength" in loss.needs:
        raise InputError(f"The loss {name!r} does not compare pairs of answers by their probability. Choose dpo or ipo.")
    return PairObjective(loss, loss.options(options))
