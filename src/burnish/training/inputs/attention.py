"""Four-dimensional attention masks for models of transformers: who may look at whom.

True means that the query (third axis) sees the key (last axis). A token always sees itself, so that no row is empty: even
a hidden or a padded one stays finite. Fused kernels for packed sequences cannot take such masks.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def causal_attention(lengths: Sequence[int], hidden: Sequence[Collection[int]]) -> Bool[Tensor, "batch 1 query key"] | None:
    """Causal attention over right-padded rows in which the `hidden` positions of each row are invisible to all later tokens.

    None if nothing is hidden: then the model's own causal attention is the same, and padding on the right is seen by no token.
    """
    if not any(hidden):
        return None
    width = max(lengths)
    allowed = torch.ones(len(lengths), 1, width, width, dtype=torch.bool).tril()
    for row, (length, positions) in enumerate(zip(lengths, hidden, strict=True)):
        allowed[row, :, :, length:] = False
        allowed[row, :, :, list(positions)] = False
    return allowed | torch.eye(width, dtype=torch.bool)


def additive(allowed: Bool[Tensor, "batch 1 query key"], dtype: torch.dtype = torch.float32) -> Float[Tensor, "batch 1 query key"]:
    """The mask as numbers to add to attention scores: 0 where allowed, else the lowest finite number of `dtype`."""
    return torch.zeros(allowed.shape, dtype=dtype, device=allowed.device).masked_fill(~allowed, torch.finfo(dtype).min)
