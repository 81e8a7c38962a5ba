"""GAE: the critic's surprise at each token, passed back with factor gamma lambda. For long answers and PPO with a critic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.advantages._critic import critic_advantage, critic_target
from burnish.objectives.base import Advantage, AdvantageBatch
from burnish.objectives.credit import scored_mask
from burnish.objectives.masked import whiten


def _gae(batch: AdvantageBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    advantage = critic_advantage(batch, options, options["lambda"])
    return whiten(advantage, scored_mask(batch)) if options["whiten"] else advantage


def _target(batch: AdvantageBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    return critic_target(batch, critic_advantage(batch, options, options["lambda"]))


gae = Advantage(
    name="gae",
    function=_gae,
    returns=_target,
    needs=frozenset({"mask", "value"}),
    also_needs={"kl": frozenset({"old", "reference"})},
    formula="A_t = delta_t + gamma lambda A_(t+1), delta_t = rho_t + gamma V_(t+1) - V_t; whiten(A) if whiten; critic: A + V",
    source="objectives spec, 1.1 (GAE; arXiv 1506.02438), 2 (ReFT: kl and whitening)",
    defaults={"gamma": 1.0, "lambda": 0.95, "kl": 0.0, "whiten": 0.0},
)
