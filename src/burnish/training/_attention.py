"""Attention over a packed sequence, segment by segment, with the scores computed again in the backward pass.

Only queries, keys and values are kept: no matrix of size time x time outlives its block. Registered with transformers under
`NAME`; a model runs through it while that implementation is set and a `layout` is passed along. Softmax is in float32.
Plain matrix products: on the CPU, torch's fused attention takes several times as long backward in bfloat16.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from burnish.core.errors import InputError
from burnish.training._layout import Block, Layout, Segment

NAME = "burnish_segments"


def segment_attention(
    module: nn.Module,
    query: Float[Tensor, "1 heads time width"],
    key: Float[Tensor, "1 key_heads time width"],
    value: Float[Tensor, "1 key_heads time width"],
    attention_mask: Tensor | None,
    *,
    layout: Layout | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    **options: Any,
) -> tuple[Float[Tensor, "1 time heads width"], None]:
    """The attention function that transformers calls in every layer; without a `layout` it is the ordinary one.

    Raises `InputError` for kinds that are not covered.
    """
    if layout is None:
        ordinary: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **options
        )
        return ordinary
    unknown = sorted(name for name in ("softcap", "s_aux", "position_bias") if options.get(name) is not None)
    if dropout or unknown:
        raise InputError(f"Packed attention has no {unknown[0] if unknown else 'dropout'}.")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    out: Tensor = _SegmentAttention.apply(query[0], key[0], value[0], layout, scale, sliding_window)  # type: ignore[no-untyped-call]
    return out.transpose(0, 1).unsqueeze(0), None


AttentionInterface.register(NAME, segment_attention)


class _SegmentAttention(torch.autograd.Function):
    """P = softmax(s Q K^T), O = P V;  dV = P^T dO,  dS = P (dP - sum dP P) with dP = dO V^T,  dQ = s dS K,  dK = s dS^T Q."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, layout: Layout, scale: float, window: int | None) -> Tensor:
        out = torch.empty_like(query, memory_format=torch.contiguous_format)
        for block in _blocks(layout, window, query.device):
            probability = _probability(_queries(query, key, block), _take(key, block), scale, block.hidden)
            part = probability.to(value.dtype) @ _take(value, block)
            out[:, block.queries] = part.view(len(query), -1, value.shape[-1])
        ctx.save_for_backward(query, key, value)
        ctx.layout, ctx.scale, ctx.window = layout, scale, window
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value = ctx.saved_tensors
        slopes = torch.empty_like(query, memory_format=torch.contiguous_format), torch.zeros_like(key), torch.zeros_like(value)
        for block in _blocks(ctx.layout, ctx.window, query.device):
            queries, keys, out = _queries(query, key, block), _take(key, block), _queries(grad, key, block)
            probability = _probability(queries, keys, ctx.scale, block.hidden)
            _give(slopes[2], block, probability.to(out.dtype).transpose(1, 2) @ out)
            change = (out @ _take(value, block).transpose(1, 2)).float()
            change.sub_((change * probability).sum(dim=2, keepdim=True)).mul_(probability).mul_(ctx.scale)
            change = change.to(query.dtype)
            slopes[0][:, block.queries] = (change @ keys).view(len(query), -1, query.shape[-1])
            _give(slopes[1], block, change.transpose(1, 2) @ queries)
        return *slopes, None, None, None


def _blocks(layout: Layout, window: int | None, device: torch.device) -> list[Block]:
    if window not in layout.blocks:
        positions = torch.tensor(layout.positions, device=device)
        layout.blocks[window] = [_block(segment, tile, positions, window) for segment in layout.segments for tile in segment.tiles()]
    return layout.blocks[window]


def _block(segment: Segment, tile: tuple[int, int], positions: Tensor, window: int | None) -> Block:
    queries, keys = slice(*tile), (slice(*segment.prefix), slice(segment.start, tile[1]))
    own, seen = positions[queries, None], torch.cat([positions[part] for part in keys])
    hidden = seen > own
    return Block(queries, keys, hidden if window is None else hidden | (seen <= own - window))


def _queries(tensor: Tensor, key: Tensor, block: Block) -> Float[Tensor, "key_heads queries width"]:
    """The queries of all heads that share a key head, one head after the other."""
    return tensor[:, block.queries].reshape(len(key), -1, tensor.shape[-1])


def _take(tensor: Tensor, block: Block) -> Float[Tensor, "key_heads keys width"]:
    return torch.cat([tensor[:, part] for part in block.keys], dim=1)


def _give(total: Tensor, block: Block, part: Tensor) -> None:
    prefix, own = block.keys
    split = prefix.stop - prefix.start
    total[:, prefix] += part[:, :split]
    total[:, own] += part[:, split:]


def _probability(queries: Tensor, keys: Tensor, scale: float, hidden: Tensor) -> Float[Tensor, "key_heads queries keys"]:
    scores = (queries @ keys.transpose(1, 2)).float().mul_(scale)
    scores.view(len(scores), -1, *hidden.shape).masked_fill_(hidden, -torch.inf)
    return scores.softmax(dim=2)
