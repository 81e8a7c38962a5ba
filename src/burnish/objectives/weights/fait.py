"""FAIT: lean on the tokens where a right program differs from its wrong variant.

The weight of those tokens grows with how much likelier the policy finds the wrong ones. The published formula is not known;
this one and that of `fait_ratio` are reconstructions. Without a difference the weight is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import TokenBatch, Weight


def _fait(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    return fault_weight(batch, lambda right, wrong: (wrong - right).exp(), options["maximum"])


def fault_weight(batch: TokenBatch, compare: Callable[[Tensor, Tensor], Tensor], maximum: float) -> Float[Tensor, "batch time"]:
    """clip(compare(q_right, q_wrong), 1, maximum) where the programs differ, else 1; detached.

    q is the mean log-probability of the differing tokens. Where either program has none, or `compare` is not a number, the
    weight is 1.
    """
    assert batch.fault_mask is not None
    assert batch.fault_logp is not None
    differs = batch.fault_mask * batch.mask
    right = mean_where(batch.logp.detach(), differs)
    weight = compare(right, batch.fault_logp.detach()).clamp(1.0, maximum).nan_to_num(nan=1.0)
    return torch.where(differs > 0, weight[:, None], 1.0)


def mean_where(logp: Float[Tensor, "batch time"], differs: Float[Tensor, "batch time"]) -> Float[Tensor, " batch"]:
    """Mean log-probability of each program's differing tokens; NaN if it has none. Of the wrong program it is `fault_logp`."""
    return (logp * differs).sum(dim=1) / differs.sum(dim=1)


fait = Weight(
    name="fait",
    function=_fait,
    needs=frozenset({"fault_mask", "fault_logp"}),
    formula="clip(exp(q_wrong - q_right), 1, maximum) on differing tokens, else 1",
    source="objectives spec, 2 (FAIT, exp_gap, reconstructed; arXiv 2503.16913)",
    defaults={"maximum": 3.0},
)
