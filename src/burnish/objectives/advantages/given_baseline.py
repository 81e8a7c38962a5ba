"""The reward minus what another answer to the same start earned: a forced stop (MRT's minimal recipe), a greedy answer (ReMax)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Advantage, AdvantageBatch


def _given_baseline(batch: AdvantageBatch, options: Mapping[str, Any]) -> Float[Tensor, " batch"]:
    assert batch.baseline is not None
    return (batch.reward - batch.baseline).nan_to_num(nan=0.0)


given_baseline = Advantage(
    name="given_baseline",
    function=_given_baseline,
    needs=frozenset({"baseline"}),
    formula="r - baseline",
    source="objectives spec, 2 (MRT, termination baseline; arXiv 2503.07572), 1.1 (remax; arXiv 2310.10505)",
)
