"""Weight updates: from the model that is trained to the engine that samples.

    sync(trained, engine, version="step-20")

An engine that holds the trained module itself has nothing to load: it is only told that its weights have changed. Any other
is given whole weights under their plain names, LoRA adapters merged in. Every completion is stamped with the version that
wrote it; rows that are running when the weights come finish with the old ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from burnish.core.errors import InputError
from burnish.models._backbone import unwrapped

Weights = Iterable[tuple[str, Tensor]]
"""Tensors by the names of a plain transformers checkpoint."""


@runtime_checkable
class Updatable(Protocol):
    """An engine that takes new weights while it lives."""

    name: str

    def load_weights(self, weights: Weights, *, version: str) -> None:
        """Sample with these from now on, and stamp completions with `version`. Raises `InputError` if they do not fit."""
        ...


class Local(Protocol):
    """A policy whose module is in this process."""

    model: Any

    def exclusive(self) -> AbstractContextManager[None]:
        """While open, nothing is generated."""
        ...

    def bump_version(self, version: str | None = None) -> str:
        """Say that the weights have changed."""
        ...


def sync(trained: nn.Module, engine: Any, *, version: str) -> None:
    """Make `engine` sample with the weights of `trained`, and stamp what it writes with `version`.

    Raises `InputError` for an engine that cannot take weights, or weights that do not fit it.
    """
    if getattr(engine, "model", None) is not None and unwrapped(engine.model) is unwrapped(trained):
        engine.bump_version(version)
    elif isinstance(engine, Updatable):
        engine.load_weights(merged(trained), version=version)
    else:
        raise InputError(f"{type(engine).__name__} cannot take new weights. Sample with an engine that has load_weights.")


@torch.no_grad()
def merged(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """All weights by their plain names, with the active LoRA adapters added in: W + scale B A, rounded once to W's dtype.

    One matrix at a time; the model itself is not touched. Raises `InputError` for adapters that are more than such a sum.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    plain = unwrapped(model)
    layers = {name: module for name, module in plain.named_modules() if isinstance(module, BaseTunerLayer)}
    for name, layer in layers.items():
        if not hasattr(layer, "get_delta_weight") or getattr(layer, "lora_variant", None):
            raise InputError(f"The adapter at {name} is no plain LoRA and cannot be merged here. Use PEFT's own merge_and_unload.")
    for name, tensor in plain.state_dict().items():
        owner = next((owner for owner in layers if name.startswith(f"{owner}.")), None)
        if owner is None:
            yield name, tensor
        elif name.startswith(f"{owner}.base_layer."):
            rest = name.removeprefix(f"{owner}.base_layer.")
            yield f"{owner}.{rest}", _with_adapters(layers[owner], tensor) if rest == "weight" else tensor


def _with_adapters(layer: Any, weight: Tensor) -> Tensor:
    active = [] if layer.disable_adapters or layer.merged else [name for name in layer.active_adapters if name in layer.scaling]
    if not active:
        return weight
    deltas: list[Tensor] = [layer.get_delta_weight(name).float() for name in active]
    return torch.stack([weight.float(), *deltas]).sum(dim=0).to(weight.dtype)


@torch.no_grad()
def load(policy: Local, weights: Weights, *, version: str) -> None:
    """Copy weights into the module of a policy: `load_weights` of engines that have theirs in this process.

    Nothing is written unless all fits. Raises `InputError` otherwise.
    """
    target, given = unwrapped(policy.model).state_dict(), dict(weights)
    if any(".base_layer." in name for name in target):
        raise InputError("This engine's model carries a LoRA adapter, so whole weights do not fit it. Load the engine without one.")
    _check(target, given)
    with policy.exclusive():
        for name, tensor in given.items():
            target[name].copy_(tensor)
        policy.bump_version(version)


def _check(target: dict[str, Tensor], given: dict[str, Tensor]) -> None:
    """A weight that is tied to one that is given need not be given itself."""
    unknown = sorted(given.keys() - target.keys())
    covered = {target[name].data_ptr() for name in given.keys() & target.keys()}
    missing = sorted(name for name, tensor in target.items() if name not in given and tensor.data_ptr() not in covered)
    sizes = [name for name in given.keys() & target.keys() if given[name].shape != target[name].shape]
    for what, names in (("does not have", unknown), ("misses", missing), ("has in another size", sorted(sizes))):
        if names:
            raise InputError(f"These weights are of another model: the engine {what} {names[0]} ({len(names)} in all).")
