"""KL term |d|: the mean distance of log-probabilities, each token with the same pull."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch
from burnish.objectives.losses._kl import difference


def _kl_absolute(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    return difference(batch).abs()


kl_absolute = Loss(
    name="kl_absolute",
    function=_kl_absolute,
    needs=frozenset({"reference"}),
    formula="abs(d), d = reference - logp",
    source="objectives spec, 1.2 (KL terms)",
)
