"""Faster products on CPUs, without changing the model: its linear layers use packed weights during a pass that samples.

oneDNN multiplies by a weight in its own blocked layout. In bfloat16, laying it out anew in every call costs much of the time of
few rows; in float32, MKL's plain product with a weight that is not in the processor's cache takes longer than oneDNN's, most of
all with the vocabulary's matrix. So each weight is laid out once and kept beside the model (as much memory again). In bfloat16
results are bitwise those of `torch.nn.functional.linear`; in float32 they differ by rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

FLOAT32_ROWS = 512
"""A float32 weight with fewer rows than this is multiplied faster by MKL."""


class PackedWeights:
    """Packed copies of weights: made when first needed, and anew when a weight was written in place; `clear` after any other change."""

    def __init__(self) -> None:
        self._packed: dict[int, tuple[Tensor, int, Tensor]] = {}

    def clear(self) -> None:
        """Forget the copies; for weights that may have changed, and to give the memory back."""
        self._packed.clear()

    @contextmanager
    def used_by(self, model: nn.Module) -> Iterator[None]:
        """Inside, plain linear layers of `model` multiply by packed weights wherever no gradient is wanted.

        Layers are given a `forward` of their own for as long: a mode of torch would see, and delay, every other function too.
        """
        layers = [module for module in model.modules() if type(module) is nn.Linear and _packable(module)]
        for layer in layers:
            layer.__dict__["forward"] = self._forward(layer)
        try:
            yield
        finally:
            for layer in layers:
                layer.__dict__.pop("forward", None)

    def _forward(self, layer: nn.Linear) -> Callable[[Tensor], Tensor]:
        weight, bias, packed = layer.weight, layer.bias, self._pack(layer.weight)
        multiply: Any = torch.ops.mkldnn._linear_pointwise.default

        def forward(data: Tensor) -> Tensor:
            if torch.is_grad_enabled() or data.dtype is not weight.dtype:  # another thread, or a layer's own precision
                return F.linear(data, weight, bias)
            product: Tensor = multiply(data, packed, bias, "none", [], "")
            return product

        return forward

    def _pack(self, weight: Tensor) -> Tensor:
        known = self._packed.get(id(weight))
        if known is None or known[0] is not weight or known[1] != weight._version:
            known = (weight, weight._version, torch.ops.mkldnn._reorder_linear_weight(weight.detach(), 64))
            self._packed[id(weight)] = known
        return known[2]


def multiplies_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware; elsewhere it is slower than float32."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def packs(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether products of this type are faster here with packed weights."""
    fast = dtype is torch.float32 or (dtype is torch.bfloat16 and multiplies_bfloat16())
    return device.type == "cpu" and fast and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _packable(layer: nn.Linear) -> bool:
    """A layer whose `forward` nobody else has replaced and whose weight counts its changes."""
    weight = layer.weight
    wide = weight.dtype is torch.bfloat16 or (weight.dtype is torch.float32 and len(weight) >= FLOAT32_ROWS)
    return wide and weight.device.type == "cpu" and not weight.is_inference() and "forward" not in layer.__dict__
