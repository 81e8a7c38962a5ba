"""Draw one token per row by inverse CDF, with the uniform numbers given, and say how probable it was.

The same logits and the same uniform number give the same token, whatever else is in the batch. Sums are taken per block of
the vocabulary and then inside the one block hit, so that the cost is a few passes over `[batch, vocabulary]` in fp32.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int
from torch import Tensor

BLOCK = 256
INSIDE = 1.0 - 1e-12
"""Keeps a uniform number next to 1 inside the last cell with mass (float64)."""


def draw(
    logits: Float[Tensor, "batch vocabulary"],
    temperature: Float[Tensor, " batch"],
    top_p: Float[Tensor, " batch"],
    uniform: Float[Tensor, " batch"],
) -> tuple[Int[Tensor, " batch"], Float[Tensor, " batch"]]:
    """Tokens and their natural log-probabilities under softmax(logits / temperature), cut to the `top_p` nucleus if < 1.

    Temperature 0 is greedy; its log-probability is that of temperature 1. `uniform` is float64 in [0, 1).
    The settings lie on the CPU, so that looking at them costs no transfer; `logits` may lie anywhere.
    """
    greedy = temperature == 0
    probabilities = _softmax(logits, torch.where(greedy, 1.0, temperature))
    if bool((top_p < 1).any()):
        probabilities = _nucleus(probabilities, top_p.to(logits.device))
    best = probabilities.argmax(-1) if bool(greedy.any()) else None
    tokens = _invert(probabilities, uniform.to(logits.device)) if best is None or not bool(greedy.all()) else best
    if best is not None:
        tokens = torch.where(greedy.to(logits.device), best, tokens)
    return tokens, probabilities.gather(-1, tokens[:, None])[:, 0].log()


def _softmax(logits: Float[Tensor, "batch vocabulary"], temperature: Float[Tensor, " batch"]) -> Float[Tensor, "batch vocabulary"]:
    if bool((temperature == 1).all()):
        return torch.softmax(logits, -1, dtype=torch.float32)
    return torch.softmax(logits.float() / temperature[:, None].to(logits.device, torch.float32), -1)


def _nucleus(probabilities: Float[Tensor, "batch vocabulary"], top_p: Float[Tensor, " batch"]) -> Float[Tensor, "batch vocabulary"]:
    """Keep the smallest set of most probable tokens whose mass reaches `top_p`, renormalised."""
    ordered, order = probabilities.sort(dim=-1, descending=True, stable=True)
    beyond = ordered.cumsum(-1) - ordered >= top_p[:, None]
    beyond[:, 0] = False
    kept = torch.zeros_like(probabilities).scatter_(-1, order, ordered.masked_fill(beyond & (top_p < 1)[:, None], 0.0))
    return kept / kept.sum(-1, keepdim=True)


def _invert(probabilities: Float[Tensor, "batch vocabulary"], uniform: Float[Tensor, " batch"]) -> Int[Tensor, " batch"]:
    """First token at which the cumulative probability exceeds the uniform number; it always has mass."""
    spare = -probabilities.shape[-1] % BLOCK
    blocks = F.pad(probabilities, (0, spare)).view(len(probabilities), -1, BLOCK)
    block, rest = _pick(blocks.sum(-1).double(), uniform)
    inside, _ = _pick(blocks[torch.arange(len(block), device=block.device), block].double(), rest)
    return block * BLOCK + inside


def _pick(mass: Float[Tensor, "batch cells"], uniform: Float[Tensor, " batch"]) -> tuple[Int[Tensor, " batch"], Float[Tensor, " batch"]]:
    """The cell in which `uniform` falls, and where in that cell, as a fraction of it in [0, 1)."""
    cumulative = mass.cumsum(-1)
    target = uniform.clamp(max=INSIDE)[:, None] * cumulative[:, -1:]
    cell = torch.searchsorted(cumulative, target, right=True).clamp(max=mass.shape[-1] - 1)
    size = mass.gather(-1, cell)
    return cell[:, 0], ((target - cumulative.gather(-1, cell) + size) / size).clamp(0.0, INSIDE)[:, 0]
