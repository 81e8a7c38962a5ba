"""Progress of reasoning: how much each episode of a trace raised the chance of success (MRT).

The chance after an episode is the share of right answers when the model is forced to stop and answer there.
Source: objectives spec, 2 (MRT; arXiv 2503.07572).
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def progress(success: Float[Tensor, " prefixes"]) -> Float[Tensor, " episodes"]:
    """Rise in the chance of success by each episode. `success` begins with the chance before the first one."""
    return success[1:] - success[:-1]


def regret(success: Float[Tensor, " prefixes"], best: Float[Tensor, " prefixes"], *, mean: bool = False) -> Float[Tensor, ""]:
    """Cumulative regret: the sum (or mean) over prefixes of the best possible chance minus the policy's."""
    difference = best - success
    return difference.mean() if mean else difference.sum()


def with_progress(
    outcome: Float[Tensor, " batch"], before: Float[Tensor, " batch"], after: Float[Tensor, " batch"], weight: float
) -> Float[Tensor, " batch"]:
    """Reward of a continuation: outcome + weight (chance after its first episode - chance at the prefix).

    `weight` is alpha; its published value is not known, 0.2 to 1 is a sensible range. NaN outcomes stay NaN (unscored).
    """
    return outcome + weight * (after - before)
