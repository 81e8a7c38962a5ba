"""A mixture of two Weibull distributions, fitted to path probabilities by maximum likelihood (RPC, arXiv 2510.15444)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

LOWEST = math.log(1e-300)
"""Densities are clipped here: the logarithm of 0 would end the search."""
MOST_K = 100.0
"""Largest shape. Without a bound the likelihood grows for ever around a single path."""
LEAST = 0.01
"""Smallest shape and scale."""
MOST_SCALE = 1e6
"""Largest scale. One step of the search may go far: at an infinite scale the likelihood has no value any more."""
LEAST_SHARE, MOST_SHARE = 0.2, 0.8
STEPS = 60
"""Steps of the search, about a millisecond each; ten clear-cut paths need fewer than 40."""


class Mixture(NamedTuple):
    """`share` is that of the first component; shapes k and scales λ; `nll` is the negative log-likelihood of the fit."""

    share: float
    shapes: tuple[float, float]
    scales: tuple[float, float]
    nll: float

    def p_high(self, x: float) -> float:
        """Posterior probability that x belongs to the component with the larger mean λ·Γ(1 + 1/k)."""
        means = [scale * math.gamma(1 + 1 / shape) for shape, scale in zip(self.shapes, self.scales, strict=True)]
        logs = [
            math.log(part) + _log_weibull(math.log(x), shape, scale)
            for part, shape, scale in zip((self.share, 1 - self.share), self.shapes, self.scales, strict=True)
        ]
        high = 0 if means[0] > means[1] else 1
        difference = logs[1 - high] - logs[high]
        return 1 / (1 + math.exp(min(difference, 700.0)))


def fit(values: Sequence[float]) -> Mixture:
    """Maximise Σ log f with f = w·W(k1, λ1) + (1−w)·W(k2, λ2) from w, k1, λ1, k2, λ2 = 0.5, 1, 1, 1.5, 2; values in (0, 1]."""
    x = torch.tensor(values, dtype=torch.float64).log()
    shapes = torch.tensor([_logit((k - LEAST) / (MOST_K - LEAST)) for k in (1.0, 1.5)], dtype=torch.float64)
    free = torch.cat([torch.zeros(1, dtype=torch.float64), shapes, torch.tensor([1.0, 2.0], dtype=torch.float64).log()]).requires_grad_()
    search = torch.optim.LBFGS([free], max_iter=STEPS, tolerance_grad=1e-9, tolerance_change=1e-12, line_search_fn="strong_wolfe")

    def closure() -> Float[Tensor, ""]:
        search.zero_grad()
        loss = _nll(x, *_bounded(free))
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    with torch.enable_grad():
        search.step(closure)  # type: ignore[no-untyped-call]
    share, shapes, scales = _bounded(free.detach())
    nll = float(_nll(x, share, shapes, scales))
    (k1, k2), (scale1, scale2) = shapes.tolist(), scales.tolist()
    return Mixture(float(share), (k1, k2), (scale1, scale2), nll)


def _bounded(free: Float[Tensor, "5"]) -> tuple[Float[Tensor, ""], Float[Tensor, "2"], Float[Tensor, "2"]]:
    share = LEAST_SHARE + (MOST_SHARE - LEAST_SHARE) * torch.sigmoid(free[0])
    return share, LEAST + (MOST_K - LEAST) * torch.sigmoid(free[1:3]), LEAST + free[3:5].clamp(max=math.log(MOST_SCALE)).exp()


def _nll(
    log_x: Float[Tensor, " paths"], share: Float[Tensor, ""], shapes: Float[Tensor, "2"], scales: Float[Tensor, "2"]
) -> Float[Tensor, ""]:
    z = log_x[:, None] - scales.log()
    density = shapes.log() - scales.log() + (shapes - 1) * z - (shapes * z).clamp(max=50.0).exp()
    parts = torch.stack([share, 1 - share]).log() + density
    return -parts.logsumexp(1).clamp(min=LOWEST).sum()


def _log_weibull(log_x: float, shape: float, scale: float) -> float:
    z = log_x - math.log(scale)
    return math.log(shape / scale) + (shape - 1) * z - math.exp(min(shape * z, 50.0))


def _logit(p: float) -> float:
    return math.log(p / (1 - p))
