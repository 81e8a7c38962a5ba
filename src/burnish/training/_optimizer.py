"""AdamW on float32 master weights, with clipping and a learning-rate schedule.

Parameters that are not float32 get a master copy: gradients of all micro-batches are summed in float32, the update is made in
float32, and the result is rounded back. So small updates are not lost and a micro-batch split changes nothing but rounding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from burnish.training.config import TrainConfig


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """Learning rate of step number `step` (from 0) of `steps`: linear warm-up, then constant or a half cosine to zero."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / (config.warmup + 1)
    if config.schedule == "constant":
        return config.learning_rate
    done = (step - config.warmup) / max(1, steps - config.warmup)
    return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * done))


class MasterAdamW:
    """The optimiser of the trainer. Call `update` after the backward passes of one optimiser step."""

    def __init__(self, parameters: Mapping[str, nn.Parameter], weight_decay: float) -> None:
        """`parameters`: every trainable parameter by name."""
        self._parameters = dict(parameters)
        self._masters = {name: _master(parameter) for name, parameter in self._parameters.items()}
        self._summed: set[str] = set()
        self._hooks = [
            parameter.register_post_accumulate_grad_hook(self._summing(name))
            for name, parameter in self._parameters.items()
            if self._masters[name] is not parameter
        ]
        matrices = [master for master in self._masters.values() if master.ndim >= 2]
        vectors = [master for master in self._masters.values() if master.ndim < 2]
        groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
        self._adamw = torch.optim.AdamW([group for group in groups if group["params"]], lr=0.0, betas=(0.9, 0.999), fused=True)

    def _summing(self, name: str):  # type: ignore[no-untyped-def]  # noqa: ANN202
        master = self._masters[name]

        def add(parameter: Tensor) -> None:
            assert parameter.grad is not None
            if master.grad is None:
                master.grad = torch.empty_like(master)
            if name in self._summed:
                master.grad.add_(parameter.grad)
            else:
                master.grad.copy_(parameter.grad)
            self._summed.add(name)
            parameter.grad = None

        return add

    @torch.no_grad()
    def gradient_norm(self) -> float:
        """Global L2 norm of the summed gradients."""
        norms = [torch.linalg.vector_norm(master.grad) for master in self._live()]
        return float(torch.linalg.vector_norm(torch.stack(norms))) if norms else 0.0

    @torch.no_grad()
    def update(self, learning_rate: float, scale: float = 1.0) -> None:
        """One AdamW update with all gradients multiplied by `scale`; then the gradients are forgotten."""
        for master in self._live():
            if scale != 1.0:
                assert master.grad is not None
                master.grad.mul_(scale)
        for group in self._adamw.param_groups:
            group["lr"] = learning_rate
        self._adamw.step()
        for name, parameter in self._parameters.items():
            if self._masters[name] is not parameter:
                parameter.copy_(self._masters[name])
        self.forget()
