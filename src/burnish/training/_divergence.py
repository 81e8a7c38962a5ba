"""Exact KL divergences between two output distributions, token by token, without keeping any logits.

With p the policy's and q the reference's softmax over the same vocabulary, for logits z of the policy:

    forward KL(q || p) = sum q (log q - log p),  d / dz = p - q
    reverse KL(p || q) = sum p (log p - log q),  d / dz = p (log p - log q - reverse)
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from burnish.training._forward import chunks, logits_of


def divergences(
    hidden: Float[Tensor, "tokens hidden"],
    weight: Float[Tensor, "vocabulary hidden"],
    reference_hidden: Float[Tensor, "tokens hidden"],
    reference_weight: Float[Tensor, "vocabulary hidden"],
    temperature: float = 1.0,
) -> tuple[Float[Tensor, " tokens"], Float[Tensor, " tokens"]]:
    """Float32 KL(reference || policy) and KL(policy || reference) of softmax(hidden weight^T / temperature) at each place."""
    found: tuple[Tensor, Tensor] = _Divergences.apply(hidden, weight, reference_hidden, reference_weight, temperature)  # type: ignore[no-untyped-call]
    return found


class _Divergences(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, other: Tensor, other_weight: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        forward = hidden.new_zeros(len(hidden), dtype=torch.float32)
        reverse = torch.zeros_like(forward)
        for rows in chunks(len(hidden), len(weight)):
            ours, theirs = _log_softmax(hidden[rows], weight, temperature), _log_softmax(other[rows], other_weight, temperature)
            difference = ours - theirs
            forward[rows] = -(theirs.exp() * difference).sum(dim=1)
            reverse[rows] = (ours.exp() * difference).sum(dim=1)
        ctx.save_for_backward(hidden, weight, other, other_weight, reverse)
        ctx.temperature = temperature
        return forward, reverse

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad_forward: Tensor, grad_reverse: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, other, other_weight, reverse = ctx.saved_tensors
        grad_hidden = torch.zeros_like(hidden) if ctx.needs_input_grad[0] else None
        grad_weight = torch.zeros_like(weight, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        for rows in chunks(len(hidden), len(weight)):
            ours, theirs = _log_softmax(hidden[rows], weight, ctx.temperature), _log_softmax(other[rows], other_weight, ctx.temperature)
            probability = ours.exp()
            slope = grad_forward[rows, None] * (probability - theirs.exp())
            slope += grad_reverse[rows, None] * probability * (ours - theirs - reverse[rows, None])
            slope = slope.div_(ctx.temperature).to(hidden.dtype)
            if grad_hidden is not None:
                grad_hidden[rows] = slope @ weight
            if grad_weight is not None:
                grad_weight += slope.T @ hidden[rows]
        return grad_hidden, None if grad_weight is None else grad_weight.to(weight.dtype), None, None, None


def _log_softmax(hidden: Tensor, weight: Tensor, temperature: float) -> Tensor:
    return logits_of(hidden, weight, temperature).log_softmax(dim=1)
