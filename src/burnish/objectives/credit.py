"""Where on the token axis a reward falls, and how it is passed back to earlier tokens.

The outcome falls on a sample's last token; steps, lines and spans have their own rewards at their own last tokens.
`generalised_advantage` passes them back, through a critic or without one. Source: objectives spec, 1.1; code-and-debug
spec, LeDex and PRLCoder.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from burnish.core.errors import InputError
from burnish.objectives.base import AdvantageBatch


def scored_mask(batch: AdvantageBatch) -> Float[Tensor, "batch time"]:
    """The batch's mask without the samples whose reward is unknown (NaN)."""
    assert batch.mask is not None
    return batch.mask * ~batch.reward.isnan()[:, None]


def at_ends(
    ends: Sequence[Sequence[int]], scores: Sequence[Sequence[float]], mask: Float[Tensor, "batch time"]
) -> tuple[Float[Tensor, "batch time"], Bool[Tensor, "batch time"]]:
    """`token_reward` and `segment_end` of an `AdvantageBatch`: each step's or span's score on its last token (a column of `mask`).

    Raises `InputError` if an end has no score or is no token of its sample.
    """
    reward, end = torch.zeros_like(mask), torch.zeros_like(mask, dtype=torch.bool)
    for row, (columns, values) in enumerate(zip(ends, scores, strict=True)):
        if len(columns) != len(values):
            raise InputError(f"Sample {row} has {len(columns)} segments and {len(values)} scores. Give one score per segment.")
        for column, value in zip(columns, values, strict=True):
            if not 0 <= column < mask.shape[1] or not mask[row, column]:
                raise InputError(f"Sample {row} has a segment that ends at token {column}, which is not one of its tokens.")
            reward[row, column], end[row, column] = value, True
    return reward, end


def token_rewards(batch: AdvantageBatch, kl: float) -> Float[Tensor, "batch time"]:
    """1[t = last] r + token_reward - kl (old - reference), 0 outside the mask; rows of unscored samples are 0.

    Raises `InputError` if `kl` is not 0 and there are no log-probabilities of the reference.
    """
    mask = scored_mask(batch)
    columns = torch.arange(mask.shape[1], device=mask.device)
    last = (mask * columns).argmax(dim=1)
    rewards = (columns == last[:, None]) * batch.reward.nan_to_num()[:, None]
    if batch.token_reward is not None:
        rewards = rewards + batch.token_reward
    if kl:
        rewards = rewards - kl * _log_ratio_to_reference(batch)
    return torch.where(mask > 0, rewards, 0.0).to(mask)


def kl_to_reference(batch: AdvantageBatch) -> Float[Tensor, " batch"]:
    """The k1 estimate of each sample's divergence from the reference: the sum of old - reference over its tokens."""
    assert batch.mask is not None
    return (_log_ratio_to_reference(batch) * batch.mask).sum(dim=1)


def generalised_advantage(
    rewards: Float[Tensor, "batch time"],
    values: Float[Tensor, "batch time"],
    mask: Float[Tensor, "batch time"],
    *,
    discount: float,
    trace: float | Float[Tensor, " batch"],
    cut: Bool[Tensor, "batch time"] | None = None,
) -> Float[Tensor, "batch time"]:
    """A_t = delta_t + discount trace A_(t+1), delta_t = reward_t + discount V_(t+1) - V_t; nothing follows a token in `cut`.

    Cells outside the mask are passed over: the token before a gap is followed by the one after it. `trace` is lambda, for
    all samples or for each.
    """
    following, next_value = values.new_zeros(len(values)), values.new_zeros(len(values))
    columns = []
    for column in reversed(range(values.shape[1])):
        inside, value = mask[:, column] > 0, values[:, column]
        if cut is not None:
            following, next_value = (torch.where(cut[:, column], 0.0, later) for later in (following, next_value))
        advantage = rewards[:, column] + discount * next_value - value + discount * trace * following
        following, next_value = torch.where(inside, advantage, following), torch.where(inside, value, next_value)
        columns.append(torch.where(inside, advantage, 0.0))
    return torch.stack(columns[::-1], dim=1) if columns else torch.zeros_like(values)


def returns_to_go(rewards: Float[Tensor, "batch time"], mask: Float[Tensor, "batch time"], discount: float) -> Float[Tensor, "batch time"]:
    """G_t = sum over s >= t of discount^(s - t) reward_s, counted in tokens inside the mask."""
    return generalised_advantage(rewards, torch.zeros_like(rewards), mask, discount=discount, trace=1.0)


def _log_ratio_to_reference(batch: AdvantageBatch) -> Float[Tensor, "batch time"]:
    if batch.old is None or batch.reference is None:
        raise InputError("A KL term in the reward needs the log-probabilities of the policy and of a reference. Or set kl = 0.")
    return batch.old - batch.reference
