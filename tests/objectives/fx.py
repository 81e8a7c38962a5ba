"""FX-RL, the example of the objectives spec (section 0): one prompt, a group of four answers of lengths 4, 2, 3 and 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from burnish.objectives.base import Advantage, AdvantageBatch, Aggregation, Denominators, Loss, TokenBatch, aggregate, counted

MODES: tuple[Aggregation, ...] = ("token-mean", "seq-mean-token-mean", "seq-mean-token-sum", "seq-mean-token-sum-norm")


def padded(*rows: Sequence[float]) -> Tensor:
    """Rows of different lengths as one tensor (float64), with 0 after their ends."""
    width = max(map(len, rows))
    return torch.tensor([[*row, *[0.0] * (width - len(row))] for row in rows], dtype=torch.float64)


MASK = padded([1] * 4, [1] * 2, [1] * 3, [1])
REWARD = torch.tensor([1, 0, 0, 0.5], dtype=torch.float64)
OLD = padded([-0.5, -1.2, -0.3, -2.0], [-0.7, -0.9], [-1.1, -0.4, -1.6], [-0.2])
LOG_RATIO = padded([0.40, -0.35, 0.05, -0.10], [0.30, -0.45], [-0.02, 0.22, -0.60], [0.28])
OLD_MINUS_ROLLOUT = padded([0.02, -0.05, 0.90, 0.01], [-0.10, 0.15], [0, -0.30, 0.20], [1.20])
REFERENCE_MINUS_OLD = padded([0.10, -0.20, 0, 0.30], [-0.10, 0.05], [0.20, 0, -0.15], [-0.05])
VALUE = padded([0.2, 0.4, 0.6, 0.7], [0.1, 0.3], [0.3, 0.2, 0.1], [0.5])

GRPO = (1.3055796924, -0.7833478154, -0.7833478154, 0.2611159385)
"""ddof 1, epsilon 1e-6."""
TRL = (1.3053097494, -0.7831858496, -0.7831858496, 0.2610619499)
"""ddof 1, epsilon 1e-4."""
DR_GRPO = (0.625, -0.375, -0.375, 0.125)
RLOO = (5 / 6, -0.5, -0.5, 1 / 6)


def fx_rl(advantage: Sequence[float] = GRPO) -> TokenBatch:
    """FX-RL as a loss sees it, in float64."""
    return TokenBatch(
        logp=OLD + LOG_RATIO,
        mask=MASK,
        old=OLD,
        rollout=OLD - OLD_MINUS_ROLLOUT,
        reference=OLD + REFERENCE_MINUS_OLD,
        advantage=torch.tensor(advantage, dtype=torch.float64)[:, None] * MASK,
        entropy=MASK * 0.5,
        value=VALUE + 0.1 * MASK,
        old_value=VALUE,
        returns=REWARD[:, None] * MASK,
        correct=REWARD == 1,
    )


ROWS, COLUMNS = 6, 7


def random_batch(seed: int, *, per_token: bool = False) -> TokenBatch:
    """Ragged random answers of a policy that has moved away from `old`, and `old` from the sampler.

    The advantage is not 0 outside the mask, and some answers are correct.
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(scale: float) -> Tensor:
        return scale * torch.randn(ROWS, COLUMNS, generator=generator, dtype=torch.float64)

    lengths = torch.randint(1, COLUMNS + 1, (ROWS,), generator=generator)
    mask = (torch.arange(COLUMNS) < lengths[:, None]).double()
    old = -normal(1.0).abs() * mask
    return TokenBatch(
        logp=old + normal(0.4) * mask,
        mask=mask,
        old=old,
        rollout=old + normal(0.3) * mask,
        reference=old + normal(0.3) * mask,
        advantage=normal(1.0) if per_token else normal(1.0)[:, :1].expand(ROWS, COLUMNS).clone(),
        entropy=normal(1.0).abs() * mask,
        value=normal(0.5) * mask,
        old_value=normal(0.5) * mask,
        returns=normal(0.5) * mask,
        correct=torch.arange(ROWS) % 2 == 0,
    )


def fx_advantage(**changes: Tensor) -> AdvantageBatch:
    """FX-RL as an estimator sees it, in float64."""
    batch = AdvantageBatch(
        reward=REWARD, group=torch.zeros(4, dtype=torch.int64), mask=MASK, old=OLD, reference=OLD + REFERENCE_MINUS_OLD, value=VALUE
    )
    return replace(batch, **changes)


def estimate(estimator: Advantage, batch: AdvantageBatch, **options: float) -> Tensor:
    """The estimator's advantages with its defaults and `options`."""
    return estimator.function(batch, estimator.options(options))


def converted(batch: TokenBatch, change) -> TokenBatch:
    """The batch with `change` applied to every tensor of it."""
    tensors = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return replace(batch, **{name: change(tensor) for name, tensor in tensors.items() if tensor is not None})


def in_single_precision(batch: TokenBatch) -> TokenBatch:
    return converted(batch, lambda tensor: tensor.float() if tensor.is_floating_point() else tensor)


def rows(batch: TokenBatch, part: slice | Tensor) -> TokenBatch:
    """Some of the batch's sequences."""
    return converted(batch, lambda tensor: tensor[part])


@dataclass(frozen=True)
class Outcome:
    """A reduced loss and its gradient with respect to every log-probability (or to `value`, `entropy`)."""

    loss: float
    gradient: Tensor


def run(
    loss: Loss,
    batch: TokenBatch,
    aggregation: Aggregation | None = None,
    denominators: Denominators | None = None,
    *,
    by: str = "logp",
    **options: float,
) -> Outcome:
    """Evaluate and differentiate a loss; the denominators default to those of the batch itself."""
    mask = counted(loss, batch)
    leaf = getattr(batch, by).detach().requires_grad_()
    unreduced = loss.function(replace(batch, **{by: leaf}), loss.options(options))
    weighted = unreduced if batch.weight is None else unreduced * batch.weight
    value = aggregate(weighted, mask, aggregation or loss.aggregation, denominators or Denominators.of(mask, horizon=8))
    (gradient,) = torch.autograd.grad(value, leaf, materialize_grads=True) if value.requires_grad else (torch.zeros_like(leaf),)
    return Outcome(value.item(), gradient)


def coefficient(loss: Loss, batch: TokenBatch, **options: float) -> Tensor:
    """c_t of spec 3.3: dL/dl_t = -c_t m_t / tokens."""
    return -run(loss, batch, "token-mean", **options).gradient * batch.mask.sum()
