"""VAPO's GAE: lambda grows with the length of the answer, and the critic learns from undiscounted returns (lambda = 1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.advantages._critic import critic_advantage, critic_target
from burnish.objectives.base import Advantage, AdvantageBatch


def adaptive_lambda(lengths: Float[Tensor, " batch"], alpha: float) -> Float[Tensor, " batch"]:
    """max(0, 1 - 1 / (alpha length)): 0.98 at 1,000 tokens and 0 up to 20 with the paper's alpha of 0.05."""
    return (1.0 - 1.0 / (alpha * lengths.clamp(min=1))).clamp(min=0.0)


def _length_adaptive_gae(batch: AdvantageBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    assert batch.mask is not None
    return critic_advantage(batch, options, adaptive_lambda(batch.mask.sum(dim=1), options["alpha"]))


def _target(batch: AdvantageBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    return critic_target(batch, critic_advantage(batch, options, 1.0))


length_adaptive_gae = Advantage(
    name="length_adaptive_gae",
    function=_length_adaptive_gae,
    returns=_target,
    needs=frozenset({"mask", "value"}),
    also_needs={"kl": frozenset({"old", "reference"})},
    formula="gae with lambda = max(0, 1 - 1 / (alpha length)); critic: gae with lambda = 1, plus V",
    source="objectives spec, 1.1 (length-adaptive GAE, VAPO; arXiv 2504.05118)",
    defaults={"gamma": 1.0, "alpha": 0.05, "kl": 0.0},
)
