"""Weights, gradients and optimiser state divided among the ranks (FSDP2), layer by layer.

Each rank keeps its part of every parameter in float32; a layer is put together just before it computes, in the model's own
dtype, and taken apart again. All ranks must therefore compute equally often. For sampling the model is put together as a whole.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

from burnish.core.errors import InputError

T = TypeVar("T")


class Shards:
    """A model that has been divided in place."""

    def __init__(self, model: Any, size: int) -> None:
        """`size` ranks; gradients come out as the mean over them. Raises `InputError` for a model whose layers are not a plain list."""
        layers = next((part for part in model.modules() if isinstance(part, nn.ModuleList) and len(part)), None)
        if layers is None:
            raise InputError(f"{type(model).__name__} has no list of layers to divide. Leave shard out.")
        self._dtype = next(model.parameters()).dtype
        mixed = MixedPrecisionPolicy(param_dtype=self._dtype, reduce_dtype=torch.float32)
        policy = MixedPrecisionPolicy() if self._dtype == torch.float32 else mixed
        mesh = init_device_mesh(next(model.parameters()).device.type, (size,))
        model.float()
        for part in (*layers, model):
            fully_shard(part, mesh=mesh, mp_policy=policy)
        self._model, self._parts = model, [part for part in model.modules() if isinstance(part, FSDPModule)]
        model.burnish_compute = types.MethodType(_compute, model)
        register_fsdp_forward_method(model, "burnish_compute")

    def compute(self, work: Callable[[], T]) -> T:
        """Run what uses the weights. Its tensors may be sent back through the model."""
        found: T = self._model.burnish_compute(work)
        return found

    @torch.no_grad()
    def weights(self) -> dict[str, Tensor]:
        """The model's state put together, in the model's own dtype. All ranks must ask."""
        state = self._model.state_dict(keep_vars=True)
        once = {id(tensor): self._together(tensor.detach()) for tensor in state.values()}  # tied weights stay one tensor, saved once
        return {name: once[id(tensor)] for name, tensor in state.items()}

    def _together(self, part: Tensor) -> Tensor:
        whole = gathered(part).cpu()
        return whole.to(self._dtype) if whole.is_floating_point() else whole

    @contextmanager
    def whole(self) -> Iterator[None]:
        """While open, every rank holds all weights and may compute as it likes, without gradients."""
        for part in self._parts:
            part.set_reshard_after_forward(False, recurse=False)
            part.unshard()
        try:
            yield
        finally:
            for part in self._parts:
                part.set_reshard_after_forward(part is not self._model, recurse=False)
                part.reshard()


def _compute(model: Any, work: Callable[[], T]) -> T:
    return work()


def gathered(tensor: Tensor) -> Tensor:
    """The whole of a tensor of which this rank may hold a part. All ranks must ask for it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def own_part(tensor: Tensor) -> Tensor:
    """The part of a tensor that this rank holds."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def divided(whole: Tensor, like: Tensor) -> Tensor:
    """A whole tensor, divided as `like` is."""
    return distribute_tensor(whole, like.device_mesh, like.placements) if isinstance(like, DTensor) else whole
