"""Attention over the banks of a `RowCache`: rows of different lengths in one pass, prefixes read once for all that share them.

Plugged into transformers as the attention `burnish_rows`, used while sampling only. In a step of one token per row the query heads
of one key head are attended to together; longer passes take torch's attention as it is. The part over a shared prefix and the part
over a row's own tokens are merged by their normalisers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from burnish.core.errors import InputError
from burnish.models._cache import RowCache, Shared

NAME = "burnish_rows"

LAYER_KINDS = {"full_attention", "sliding_attention"}


def can_attend(model: Any) -> bool:
    """Whether the model lets its attention be replaced, and its own is the ordinary one (no cap, no sinks)."""
    return bool(getattr(model, "_supports_attention_backend", False)) and model.config._attn_implementation == "sdpa"


@contextmanager
def row_attention(model: Any) -> Iterator[None]:
    """Inside, the model's layers attend through `attend`. Only for models that `can_attend`, one thread at a time."""
    config = model.config.get_text_config()
    used = config._attn_implementation
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = used


def _forward(module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **settings: Any) -> tuple[Tensor, None]:
    """What transformers calls for each layer; passes that are not ours (another thread scoring) take the ordinary way."""
    rows: RowCache | None = settings.pop("rows", None)
    if rows is None:
        ordinary: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, mask, **settings)
        return ordinary
    scaling = settings.get("scaling")
    assert mask is not None
    return attend(rows, module.layer_idx, query, mask, query.shape[-1] ** -0.5 if scaling is None else scaling).transpose(1, 2), None


AttentionInterface.register(NAME, _forward)
AttentionMaskInterface.register(NAME, sdpa_mask)


def attend(
    cache: RowCache, layer: int, query: Float[Tensor, "rows heads time width"], mask: Float[Tensor, "rows 1 time columns"], scaling: float
) -> Float[Tensor, "rows heads time width"]:
    """The attention of all rows placed in `cache`; `mask` is additive, over each row's own columns."""
    single = query.shape[2] == 1
    parts, norms, row = [], [], 0
    for piece in cache.pieces:
        rows = slice(row, row := row + piece.count)
        keys, values = cache.read(piece, layer)
        if single:
            part, norm = _one_token(query[rows, :, 0], keys, values, mask[rows, :, 0, : piece.width], scaling)
            parts.append(part)
            norms.append(norm)
        else:
            seen = mask[rows, :, :, : piece.width]
            parts.append(F.scaled_dot_product_attention(query[rows], keys, values, seen, scale=scaling, enable_gqa=True))
    if not single:
        return _joined(parts)
    own, norm = _joined(parts), _joined(norms)
    for shared in cache.shared:
        _merge(own, norm, query, shared, layer, scaling)
    return own[:, :, None]


def _one_token(
    query: Float[Tensor, "rows heads width"],
    keys: Float[Tensor, "rows kv columns width"],
    values: Float[Tensor, "rows kv columns width"],
    mask: Float[Tensor, "rows 1 columns"],
    scaling: float,
) -> tuple[Float[Tensor, "rows heads width"], Float[Tensor, "rows heads"]]:
    """Attention of one query per row, and the log of its normaliser."""
    rows, heads, width = query.shape
    output, norm = _grouped(query.view(rows, keys.shape[1], -1, width), keys, values, mask[:, None], scaling)
    return output.reshape(rows, heads, width), norm.reshape(rows, heads)


def _merge(own: Tensor, norm: Tensor, query: Tensor, shared: Shared, layer: int, scaling: float) -> None:
    """Add to `own` what the rows of `shared` see in their prefixes, in place: one product for all of them."""
    (count, most), width = shared.rows.shape, shared.hidden.shape[-1]
    slots = slice(shared.first, shared.first + count)
    keys, values = (tensors[layer][slots, :, :width] for tensors in (shared.bank.keys, shared.bank.values))
    heads, size = own.shape[1:]
    kv = keys.shape[1]
    grouped = query[shared.rows, :, 0].view(count, most, kv, -1, size).transpose(1, 2).reshape(count, kv, -1, size)
    part, other = _grouped(grouped, keys, values, shared.hidden[:, None].to(query.dtype), scaling)
    part = part.reshape(count, kv, most, -1, size).transpose(1, 2).reshape(-1, heads, size)[shared.taken]
    other = other.reshape(count, kv, most, -1).transpose(1, 2).reshape(-1, heads)[shared.taken]
    rows = shared.rows.flatten()[shared.taken]
    own[rows] = torch.lerp(own[rows], part, torch.sigmoid(other - norm[rows])[..., None].to(part.dtype))


def _grouped(
    query: Float[Tensor, "batch kv queries width"],
    keys: Float[Tensor, "batch kv columns width"],
    values: Float[Tensor, "batch kv columns width"],
    mask: Float[Tensor, "batch 1 1 columns"],
    scaling: float,
) -> tuple[Float[Tensor, "batch kv queries width"], Float[Tensor, "batch kv queries"]]:
    """Attention of queries that share their keys, and the log of its normaliser in float32.

    On a CPU by the kernel behind `scaled_dot_product_attention`, which itself does not give the normaliser: it reads a part of a
    bank where it lies, while products of matrices copy it first.
    """
    if query.device.type == "cpu":
        output, norm = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(query, keys, values, attn_mask=mask, scale=scaling)
        return output, norm
    return _by_products(query, keys, values, mask, scaling)


def _by_products(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor, scaling: float) -> tuple[Tensor, Tensor]:
    """The same on any device."""
    scores = torch.matmul(query * scaling, keys.transpose(2, 3)).float() + mask
    norm = scores.logsumexp(-1)
    return torch.matmul((scores - norm[..., None]).exp().to(values.dtype), values), norm


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))


class MaskBuilder:
    """Attention masks for the kinds of layer a model has: full causal attention and sliding windows."""

    def __init__(self, kinds: Sequence[str], window: int | None) -> None:
        self.kinds, self.window = tuple(kinds), window

    @classmethod
    def of(cls, model: Any) -> MaskBuilder:
        """For a model of transformers. Raises `InputError` for layers that keep another state than keys and values."""
        config = model.config.get_text_config()
        window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
        kinds = sorted(set(getattr(config, "layer_types", None) or ["sliding_attention" if window else "full_attention"]))
        if unknown := sorted(set(kinds) - LAYER_KINDS):
            raise InputError(f"The engine 'transformers' cannot batch layers of kind {', '.join(unknown)}. Serve this model elsewhere.")
        return cls(kinds, window)

    @property
    def slides(self) -> bool:
        """Whether some layer sees only the last tokens; then prefixes are not shared."""
        return self.window is not None and "sliding_attention" in self.kinds

    def __call__(
        self, columns: Int[Tensor, "rows time"], width: int, dtype: torch.dtype, barred: Bool[Tensor, "rows time width"] | None = None
    ) -> Any:
        """Additive masks `[rows, 1, time, width]` for queries at `columns`, as one tensor, or by kind if the model mixes kinds.

        `barred` hides more: what a query must not see although it lies before it.
        """
        masks = {kind: self._mask(kind, columns, width, dtype, barred) for kind in self.kinds}
        return masks if len(masks) > 1 else masks[self.kinds[0]]

    def _mask(
        self, kind: str, columns: Int[Tensor, "rows time"], width: int, dtype: torch.dtype, barred: Bool[Tensor, "rows time width"] | None
    ) -> Float[Tensor, "rows 1 time width"]:
        keys = torch.arange(width, device=columns.device)
        query = columns[:, None, :, None]
        hidden = keys > query
        if kind == "sliding_attention" and self.window is not None:
            hidden = hidden | (keys <= query - self.window)
        if barred is not None:
            hidden = hidden | barred[:, None]
        return torch.zeros(hidden.shape, dtype=dtype, device=columns.device).masked_fill_(hidden, torch.finfo(dtype).min)
