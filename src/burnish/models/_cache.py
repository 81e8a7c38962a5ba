"""The key-value cache of a continuous batch: one slot per running row, each row at its own length.

Row r keeps position p at column p, so rows need no padding to start together. A forward pass writes a rectangle
(`place`) and attends to the columns up to the longest row; the mask hides what lies beyond each query's own position.
Stale columns are finite and hidden, so slots are reused without clearing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import Cache

LENGTH_STEP = 128
"""Columns are reserved in multiples of this, and slots in powers of two, so that growing is rare."""


class RowCache(Cache):  # type: ignore[misc]  # transformers is untyped here
    """Keys and values of all layers, `[slots, heads, columns, width]` each; allocated when a layer is first written."""

    def __init__(self) -> None:
        super().__init__(layers=[])
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []
        self.columns = self._slots = self._first = self._width = 0
        self._rows = self._positions = torch.zeros(0, 0, dtype=torch.long)

    def reserve(self, slots: int, columns: int) -> None:
        """Make room for `slots` rows of `columns` positions; contents are kept."""
        if slots <= self._slots and columns <= self.columns:
            return
        self._slots = max(1 << (slots - 1).bit_length(), self._slots)
        self.columns = max(-(-columns // LENGTH_STEP) * LENGTH_STEP, self.columns)
        self._keys = [self._grown(tensor) for tensor in self._keys]
        self._values = [self._grown(tensor) for tensor in self._values]

    def place(self, first: int, positions: Int[Tensor, "rows time"], width: int) -> None:
        """The next forward pass writes slots `first…` at `positions` and attends to the first `width` columns."""
        self._first, self._width, self._positions = first, width, positions
        self._rows = torch.arange(first, first + len(positions), device=positions.device)[:, None]

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Store `[rows, heads, time, width]` at the placed positions and return what the rows attend to. Called by the model."""
        while layer_idx >= len(self._keys):
            self._keys.append(self._zeros(key_states))
            self._values.append(self._zeros(value_states))
        keys, values = self._keys[layer_idx], self._values[layer_idx]
        keys[self._rows, :, self._positions] = key_states.transpose(1, 2)
        values[self._rows, :, self._positions] = value_states.transpose(1, 2)
        rows = slice(self._first, self._first + len(self._positions))
        return keys[rows, :, : self._width], values[rows, :, : self._width]

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` positions of one slot into another."""
        for tensor in (*self._keys, *self._values):
            tensor[target, :, :length] = tensor[source, :, :length]

    def clear(self) -> None:
        """Give the memory back."""
        self._keys, self._values, self._slots, self.columns = [], [], 0, 0

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Rows have lengths of their own; positions are always passed explicitly, so this is never used for them."""
        return 0

    def _zeros(self, like: Tensor) -> Tensor:
        return like.new_zeros(self._slots, like.shape[1], self.columns, like.shape[3])

    def _grown(self, tensor: Tensor) -> Tensor:
        grown = self._zeros(tensor)
        grown[: tensor.shape[0], :, : tensor.shape[2]] = tensor
        return grown


class MaskBuilder:
    """Attention masks for the kinds of layer a model has: full causal attention and sliding windows."""

    def __init__(self, kinds: Sequence[str], window: int | None) -> None:
        self.kinds, self.window = tuple(kinds), window

    def __call__(self, positions: Int[Tensor, "rows time"], width: int, dtype: torch.dtype) -> Any:
        """Additive masks `[rows, 1, time, width]`, as one tensor, or by kind of layer if the model mixes kinds."""
        masks = {kind: self._mask(kind, positions, width, dtype) for kind in self.kinds}
        return masks if len(masks) > 1 else masks[self.kinds[0]]

    def _mask(self, kind: str, positions: Int[Tensor, "rows time"], width: int, dtype: torch.dtype) -> Float[Tensor, "rows 1 time width"]:
        columns = torch.arange(width, device=positions.device)
        query = positions[:, None, :, None]
        hidden = columns > query
        if kind == "sliding_attention" and self.window is not None:
            hidden = hidden | (columns <= query - self.window)
        return torch.zeros(hidden.shape, dtype=dtype, device=positions.device).masked_fill_(hidden, torch.finfo(dtype).min)
