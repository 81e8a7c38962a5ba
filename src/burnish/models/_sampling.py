"""Draw one token per row by inverse CDF, with the uniform numbers given, and say how probable it was.

The same logits and the same uniform number give the same token, whatever else is in the batch. Sums are taken per block of
the vocabulary and then inside the one block hit, so that the cost is a few passes over `[batch, vocabulary]` in fp32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float, Int
from torch import Tensor

BLOCK = 256
INSIDE = 1.0 - 1e-12
"""Keeps a uniform number next to 1 inside the last cell with mass (float64)."""


class Setting(NamedTuple):
    """How one row is drawn: see `records.Sampling`. `allowed` are the tokens of a constraint, None for all."""

    temperature: float
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    allowed: Bool[Tensor, " vocabulary"] | None = None

    @property
    def cuts(self) -> bool:
        """Whether the distribution after temperature is truncated."""
        return self.top_p < 1 or self.top_k > 0 or self.min_p > 0


class Drawn(NamedTuple):
    """The tokens, their natural log-probabilities as drawn, the same at temperature 1 without truncation, and the mass kept."""

    tokens: Int[Tensor, " batch"]
    logprobs: Float[Tensor, " batch"]
    raw: Float[Tensor, " batch"]
    kept: Float[Tensor, " batch"]


def draw(logits: Float[Tensor, "batch vocabulary"], settings: Sequence[Setting], uniform: Float[Tensor, " batch"]) -> Drawn:
    """One token per row under softmax(logits / temperature), truncated as its setting says.

    Temperature 0 is greedy; its log-probability is that of temperature 1. `uniform` is float64 in [0, 1) and lies on the CPU;
    `logits` may lie anywhere. A row whose constraint allows nothing gets NaN.
    """
    device = logits.device
    temperature = torch.tensor([setting.temperature or 1.0 for setting in settings])
    probabilities = _softmax(logits, temperature)
    kept = torch.ones(len(settings), device=device)
    odd = [row for row, setting in enumerate(settings) if setting.cuts or setting.allowed is not None]
    if odd:
        index = torch.tensor(odd, device=device)
        probabilities[index], kept[index] = _truncated(probabilities[index], [settings[row] for row in odd])
    tokens = _invert(probabilities, uniform.to(device))
    greedy = [row for row, setting in enumerate(settings) if setting.temperature == 0]
    if greedy:
        index = torch.tensor(greedy, device=device)
        tokens[index] = probabilities[index].argmax(-1)
    logprobs = probabilities.gather(-1, tokens[:, None])[:, 0].log()
    return Drawn(tokens, logprobs, _raw(logits, tokens, logprobs, temperature, odd), kept)


def _softmax(logits: Float[Tensor, "batch vocabulary"], temperature: Float[Tensor, " batch"]) -> Float[Tensor, "batch vocabulary"]:
    if bool((temperature == 1).all()):
        return torch.softmax(logits, -1, dtype=torch.float32)
    return torch.softmax(logits.float() / temperature[:, None].to(logits.device, torch.float32), -1)


def _truncated(
    probabilities: Float[Tensor, "rows vocabulary"], settings: Sequence[Setting]
) -> tuple[Float[Tensor, "rows vocabulary"], Float[Tensor, " rows"]]:
    """What constraint, top-k, top-p and min-p all leave, renormalised, and its mass."""
    left = probabilities.clone()
    for row, setting in enumerate(settings):
        if setting.allowed is not None:
            left[row].masked_fill_(~setting.allowed.to(left.device), 0.0)
    mass = left.sum(-1, keepdim=True)
    cutting = torch.tensor([row for row, setting in enumerate(settings) if setting.cuts], device=left.device, dtype=torch.long)
    if len(cutting):
        left[cutting] = _cut(left[cutting] / mass[cutting], [settings[row] for row in cutting.tolist()]) * mass[cutting]
    kept = left.sum(-1, keepdim=True)
    return left / kept, kept[:, 0]


def _cut(probabilities: Float[Tensor, "rows vocabulary"], settings: Sequence[Setting]) -> Float[Tensor, "rows vocabulary"]:
    """Drop all but the `top_k` best, the smallest set whose mass reaches `top_p`, and what has `min_p` of the best; not renormalised."""
    ordered, order = probabilities.sort(dim=-1, descending=True, stable=True)
    size, device = probabilities.shape[-1], probabilities.device
    top_p = torch.tensor([setting.top_p if setting.top_p < 1 else 2.0 for setting in settings], device=device)[:, None]
    top_k = torch.tensor([setting.top_k or size for setting in settings], device=device)[:, None]
    min_p = torch.tensor([setting.min_p for setting in settings], device=device)[:, None]
    beyond = (ordered.cumsum(-1) - ordered >= top_p) | (torch.arange(size, device=device) >= top_k) | (ordered < min_p * ordered[:, :1])
    beyond[:, 0] = False
    return torch.zeros_like(probabilities).scatter_(-1, order, ordered.masked_fill(beyond, 0.0))


def _raw(logits: Tensor, tokens: Tensor, logprobs: Tensor, temperature: Tensor, odd: Sequence[int]) -> Float[Tensor, " batch"]:
    """Log-probabilities at temperature 1 over the whole vocabulary: computed only where they differ from `logprobs`."""
    rows = sorted({*odd, *(temperature != 1).nonzero()[:, 0].tolist()})
    if not rows:
        return logprobs
    index = torch.tensor(rows, device=logits.device)
    whole = logits[index].float()
    raw = logprobs.clone()
    raw[index] = whole.gather(-1, tokens[index, None])[:, 0] - whole.logsumexp(-1)
    return raw


def _invert(probabilities: Float[Tensor, "batch vocabulary"], uniform: Float[Tensor, " batch"]) -> Int[Tensor, " batch"]:
    """First token at which the cumulative probability exceeds the uniform number; it always has mass."""
    spare = -probabilities.shape[-1] % BLOCK
    blocks = (
        F.pad(probabilities, (0, spare)).view(len(probabilities), -1, BLOCK) if spare else probabilities.view(len(probabilities), -1, BLOCK)
    )
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
