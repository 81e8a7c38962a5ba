"""What is read off a vocabulary, token by token, without ever holding it for all tokens at once.

The output matrix is multiplied in chunks of tokens that are computed again in the backward pass, so no tensor of size
batch x time x vocabulary exists, nor is one kept. All sums over the vocabulary are in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

CHUNK_ELEMENTS = 1 << 24
"""Largest tokens x vocabulary block of logits: 64 MiB in float32."""

Temperature = float | Tensor
"""What divides the logits: one number, or one per token."""


def token_scores(
    hidden: Float[Tensor, "tokens hidden"],
    weight: Float[Tensor, "vocabulary hidden"],
    targets: Int[Tensor, " tokens"],
    temperature: Temperature = 1.0,
    entropy: bool = False,
) -> tuple[Float[Tensor, " tokens"], Float[Tensor, " tokens"]]:
    """Float32 log-probability of each target under softmax(hidden weight^T / temperature), and the entropy (0 if not asked for)."""
    scores: tuple[Tensor, Tensor] = _TokenScores.apply(hidden, weight, targets, temperature, entropy)  # type: ignore[no-untyped-call]
    return scores


def divergences(
    hidden: Float[Tensor, "tokens hidden"],
    weight: Float[Tensor, "vocabulary hidden"],
    reference_hidden: Float[Tensor, "tokens other"],
    reference_weight: Float[Tensor, "vocabulary other"],
    temperature: Temperature = 1.0,
) -> tuple[Float[Tensor, " tokens"], Float[Tensor, " tokens"]]:
    """Float32 KL(q || p) (forward) and KL(p || q) (reverse) over the whole vocabulary, in nats.

    p = softmax(hidden weight^T / temperature) carries gradient; q, the reference, does not.
    """
    found: tuple[Tensor, Tensor] = _Divergences.apply(  # type: ignore[no-untyped-call]
        hidden, weight, reference_hidden.detach(), reference_weight.detach(), temperature
    )
    return found


class _TokenScores(torch.autograd.Function):
    """Chunked log-softmax with recomputation. With z = logits / T and p = softmax(z):

    d logp / dz = onehot - p,   d entropy / dz = -p (log p + entropy).
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, temperature: Temperature, with_entropy: bool
    ) -> tuple[Tensor, Tensor]:
        logp = hidden.new_zeros(len(hidden), dtype=torch.float32)
        entropy, normaliser = torch.zeros_like(logp), torch.zeros_like(logp)
        for rows in _chunks(len(hidden), len(weight)):
            logits = _logits(hidden, weight, temperature, rows)
            normaliser[rows] = logits.logsumexp(dim=1)
            logp[rows] = logits.gather(1, targets[rows, None]).squeeze(1) - normaliser[rows]
            if with_entropy:
                log_probability = logits.sub_(normaliser[rows, None])
                entropy[rows] = -(log_probability.exp() * log_probability).sum(dim=1)
        ctx.save_for_backward(hidden, weight, targets, normaliser, entropy)
        ctx.temperature, ctx.with_entropy = temperature, with_entropy
        return logp, entropy

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad_logp: Tensor, grad_entropy: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, targets, normaliser, entropy = ctx.saved_tensors
        gradient = _Gradient(ctx, hidden, weight)
        for rows in _chunks(len(hidden), len(weight)):
            log_probability = _logits(hidden, weight, ctx.temperature, rows).sub_(normaliser[rows, None])
            probability = log_probability.exp()
            slope = -grad_logp[rows, None] * probability
            if ctx.with_entropy:
                slope -= grad_entropy[rows, None] * probability * (log_probability + entropy[rows, None])
            slope.scatter_add_(1, targets[rows, None], grad_logp[rows, None])
            gradient.add(rows, slope)
        return (*gradient.both(), None, None, None)


class _Divergences(torch.autograd.Function):
    """Chunked KL with recomputation. With z = logits / T, p = softmax(z) and q the reference:

    d KL(q || p) / dz = p - q,   d KL(p || q) / dz = p (log p - log q - KL(p || q)).
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, other: Tensor, other_weight: Tensor, temperature: Temperature
    ) -> tuple[Tensor, Tensor]:
        forward = hidden.new_zeros(len(hidden), dtype=torch.float32)
        reverse = torch.zeros_like(forward)
        for rows in _chunks(len(hidden), len(weight)):
            p, q = (_logits(h, w, temperature, rows).log_softmax(dim=1) for h, w in ((hidden, weight), (other, other_weight)))
            difference = p - q
            forward[rows] = -(q.exp() * difference).sum(dim=1)
            reverse[rows] = (p.exp() * difference).sum(dim=1)
        ctx.save_for_backward(hidden, weight, other, other_weight, reverse)
        ctx.temperature = temperature
        return forward, reverse

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad_forward: Tensor, grad_reverse: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, other, other_weight, reverse = ctx.saved_tensors
        gradient = _Gradient(ctx, hidden, weight)
        for rows in _chunks(len(hidden), len(weight)):
            p, q = (_logits(h, w, ctx.temperature, rows).log_softmax(dim=1) for h, w in ((hidden, weight), (other, other_weight)))
            probability = p.exp()
            slope = grad_forward[rows, None] * (probability - q.exp())
            slope += grad_reverse[rows, None] * probability * (p - q - reverse[rows, None])
            gradient.add(rows, slope)
        return (*gradient.both(), None, None, None)


class _Gradient:
    """Gathers the gradients of hidden states and output matrix from slopes with respect to z = logits / T."""

    def __init__(self, ctx: Any, hidden: Tensor, weight: Tensor) -> None:
        self._hidden, self._weight, self._temperature = hidden, weight, ctx.temperature
        self._for_hidden = torch.zeros_like(hidden) if ctx.needs_input_grad[0] else None
        self._for_weight = torch.zeros_like(weight, dtype=torch.float32) if ctx.needs_input_grad[1] else None

    def add(self, rows: slice, slope: Float[Tensor, "chunk vocabulary"]) -> None:
        """Take in one chunk; `slope` is used up."""
        scaled = slope.div_(_of_rows(self._temperature, rows)).to(self._hidden.dtype)
        if self._for_hidden is not None:
            self._for_hidden[rows] = scaled @ self._weight
        if self._for_weight is not None:
            self._for_weight += scaled.T @ self._hidden[rows]

    def both(self) -> tuple[Tensor | None, Tensor | None]:
        """The gradients, None where none is needed."""
        return self._for_hidden, None if self._for_weight is None else self._for_weight.to(self._weight.dtype)


def _logits(hidden: Tensor, weight: Tensor, temperature: Temperature, rows: slice) -> Float[Tensor, "chunk vocabulary"]:
    logits = (hidden[rows] @ weight.T).float()
    plain = not isinstance(temperature, Tensor) and temperature == 1.0
    return logits if plain else logits.div_(_of_rows(temperature, rows))


def _of_rows(temperature: Temperature, rows: slice) -> Temperature:
    return temperature[rows, None] if isinstance(temperature, Tensor) else temperature


def _chunks(tokens: int, vocabulary: int) -> Iterator[slice]:
    size = max(1, CHUNK_ELEMENTS // vocabulary)
    return (slice(start, min(start + size, tokens)) for start in range(0, tokens, size))
