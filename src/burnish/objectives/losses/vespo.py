"""VESPO: the log-probability weighted by a detached, smooth function of the whole answer's ratio, greatest near 1."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from burnish.objectives.base import Loss, TokenBatch, log_ratio
from burnish.objectives.masked import sequence_sum

SMALLEST = math.log(1e-8)
"""Lower bound of log W, as in the method's own code: below it the weight is 0 for every purpose."""


def _vespo(batch: TokenBatch, options: Mapping[str, Any]) -> Float[Tensor, "batch time"]:
    assert batch.advantage is not None
    log_weight = sequence_sum(log_ratio(batch).detach(), batch.mask).clamp(SMALLEST, 20.0)
    good = batch.advantage >= 0
    k = torch.where(good, log_weight.new_tensor(options["k_positive"]), options["k_negative"])
    rate = torch.where(good, log_weight.new_tensor(options["lambda_positive"]), options["lambda_negative"])
    return -(rate + k * log_weight - rate * log_weight.exp()).exp() * batch.advantage * batch.logp


vespo = Loss(
    name="vespo",
    function=_vespo,
    needs=frozenset({"advantage", "old"}),
    formula="-sg(exp(lambda + k log W - lambda W)) A logp, W = exp(sum_t(logp - old)); k and lambda by the sign of A",
    source="objectives spec, 1.2 (VESPO); arXiv 2602.10693",
    defaults={"k_positive": 2.0, "lambda_positive": 3.0, "k_negative": 3.0, "lambda_negative": 2.0},
    silent_at_zero_advantage=True,
)
