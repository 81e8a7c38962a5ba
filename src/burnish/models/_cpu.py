"""Faster matrix products on CPUs, without touching the model: a mode that reroutes `linear` while sampling.

oneDNN multiplies by a weight in its own blocked layout. In bfloat16, laying it out anew in every call costs 20 % at 64 rows and
half the time at 8 or fewer; in float32, the blocked layout is faster than MKL's plain one for few rows and for wide outputs.
Inside `PackedLinear` each weight is laid out once and kept beside the model (as much memory again). Results in bfloat16 are
bitwise those of `torch.nn.functional.linear`, in float32 equal up to rounding. Only for sampling: it knows no gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.overrides import TorchFunctionMode


class PackedLinear(TorchFunctionMode):
    """While active in a thread, `linear` with a weight on the CPU uses a packed copy of it: float32, or bfloat16 if that is fast here.

    Copies are made when first needed, and anew when a weight was written in place; `clear` after any other change.
    """

    def __init__(self) -> None:
        super().__init__()
        self._packed: dict[int, tuple[Tensor, int, Tensor]] = {}

    def clear(self) -> None:
        """Forget the copies; for weights that may have changed, and to give the memory back."""
        self._packed.clear()

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Called by torch for every function while the mode is active."""
        if func is F.linear and not kwargs and _packable(args[0], args[1]):
            bias = args[2] if len(args) > 2 else None
            return torch.ops.mkldnn._linear_pointwise(args[0], self._pack(args[1]), bias, "none", [], "")
        return func(*args, **(kwargs or {}))

    def _pack(self, weight: Tensor) -> Tensor:
        known = self._packed.get(id(weight))
        if known is None or known[0] is not weight or known[1] != weight._version:
            known = (weight, weight._version, torch.ops.mkldnn._reorder_linear_weight(weight.detach(), 64))
            self._packed[id(weight)] = known
        return known[2]


def multiplies_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware; elsewhere it is slower than fp32, and there is nothing to pack for."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def can_pack() -> bool:
    """Whether this build of torch has oneDNN's products with packed weights."""
    return hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _packable(data: Tensor, weight: Tensor) -> bool:
    """Only lasting weights: packing a tensor made for one call would cost more than it saves."""
    lasting = isinstance(weight, torch.nn.Parameter) and not weight.is_inference()
    fast = weight.dtype is torch.float32 or (weight.dtype is torch.bfloat16 and multiplies_bfloat16())
    return lasting and fast and weight.dtype is data.dtype and weight.device.type == "cpu"
