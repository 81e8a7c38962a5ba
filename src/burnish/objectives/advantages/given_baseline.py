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
    source="objectives spec, MRT (termination baseline); 1.1 (remax)",
)
