"""PEAR: weights for offline tokens by how likely the policy is to visit what follows them.

The data's author must have left its log-probabilities (`rollout`). Per-decision log-ratios are clipped, summed over what
follows, discounted, clipped again, and never differentiated. Source: objectives spec, 2 (PEAR; arXiv 2602.01058).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from burnish.core.errors import InputError
from burnish.objectives.base import TokenBatch
from burnish.objectives.masked import sequence_mean

CLIP = {"delta_low": -0.08, "delta_high": 0.3, "center": 0.0}
"""Options of all forms: the clip of one log-ratio, and whether (1) to subtract its mean per sequence and scale weights to mean 1."""

LOWEST, HIGHEST = -10.0, 5.0
"""Clip of the logarithm of a weight."""


def sequence_weight(batch: TokenBatch, options: Mapping[str, float]) -> Float[Tensor, "batch time"]:
    """One weight per sequence: the product of all its ratios."""
    delta = _delta(batch, options)
    return _weight(delta.sum(dim=1, keepdim=True).expand_as(delta), batch.mask, options)


def block_weight(batch: TokenBatch, options: Mapping[str, float]) -> Float[Tensor, "batch time"]:
    """One weight per block of `block` tokens: the product of the ratios after the block, gamma per token.

    log G_t = (T - e) log gamma + sum of delta after e, with e the last token of t's block and T the response's length.
    Raises `InputError` for a block or a gamma that is not positive.
    """
    delta, block = _delta(batch, options), int(options["block"])
    if block < 1 or not options["gamma"] > 0:
        raise InputError(f"PEAR has block = {block} and gamma = {options['gamma']}: block must be at least 1, gamma greater than 0.")
    length, ordinal = batch.mask.sum(dim=1, keepdim=True), batch.mask.cumsum(dim=1)
    index = ((ordinal - 1).clamp(min=0) // block).long()
    sums = delta.new_zeros(len(delta), delta.shape[1] // block + 1).scatter_add(1, index, delta)
    later = sums.flip(1).cumsum(1).flip(1) - sums
    remaining = length - torch.minimum((index + 1) * block, length)
    return _weight(remaining * math.log(options["gamma"]) + later.gather(1, index), batch.mask, options)


def _delta(batch: TokenBatch, options: Mapping[str, float]) -> Float[Tensor, "batch time"]:
    assert batch.rollout is not None
    delta = (batch.logp.detach() - batch.rollout).clamp(options["delta_low"], options["delta_high"]) * batch.mask
    return (delta - sequence_mean(delta, batch.mask)) * batch.mask if options["center"] else delta


def _weight(log_weight: Tensor, mask: Tensor, options: Mapping[str, float]) -> Float[Tensor, "batch time"]:
    weight = log_weight.clamp(LOWEST, HIGHEST).exp()
    return weight / sequence_mean(weight, mask).clamp(min=math.exp(LOWEST)) if options["center"] else weight
