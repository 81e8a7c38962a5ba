"""LeDex: a reward at the end of each span (explanation, code); `cut` keeps the reward of a later span out of an earlier one.

With `cut` 0 it is the paper's formula: a later reward still reaches earlier spans, discounted per token. Without a critic
give values of 0. The returns that the critic learns are those of the same formula.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.advantages._critic import critic_advantage, critic_target
from burnish.objectives.base import Advantage, AdvantageBatch


def _span_gae(batch: AdvantageBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    assert batch.segment_end is not None
    return critic_advantage(batch, options, options["lambda"], batch.segment_end if options["cut"] else None)


def _target(batch: AdvantageBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    return critic_target(batch, _span_gae(batch, options))


span_gae = Advantage(
    name="span_gae",
    function=_span_gae,
    returns=_target,
    needs=frozenset({"mask", "value", "token_reward", "segment_end"}),
    also_needs={"kl": frozenset({"old", "reference"})},
    formula="gae with span rewards in token_reward; if cut, nothing is passed back over a segment_end",
    source="code and debugging spec, LeDex, segment modes literal and cut (arXiv 2405.18649)",
    defaults={"gamma": 0.99, "lambda": 1.0, "kl": 0.2, "cut": 1.0},
)
