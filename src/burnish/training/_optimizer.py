"""AdamW on float32 master weights, with clipping and a learning-rate schedule.

Parameters that are not float32 get a master copy: gradients of all micro-batches are summed in float32, the update is made in
float32, and the result is rounded back. So small updates are not lost and a micro-batch split changes nothing but rounding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from burnish.training._crew import Crew
from burnish.training._shards import divided, gathered, own_part
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
        """`parameters`: every trainable parameter by name. Weight decay is for matrices, not for biases and norms."""
        self._parameters = dict(parameters)
        self._masters = {name: _master(parameter) for name, parameter in self._parameters.items()}
        self._sums: dict[str, Tensor] = {}
        self._hooks = [
            parameter.register_post_accumulate_grad_hook(partial(self._add, name))  # type: ignore[no-untyped-call]
            for name, parameter in self._parameters.items()
            if self._masters[name] is not parameter
        ]
        groups: dict[tuple[bool, float], list[Tensor]] = {}
        for master in self._masters.values():  # one update cannot take whole and divided tensors
            kind = isinstance(master, DTensor), weight_decay if master.ndim >= 2 else 0.0
            groups.setdefault(kind, []).append(master)
        parameters_of = [{"params": masters, "weight_decay": decay} for (_, decay), masters in groups.items()]
        self._adamw = torch.optim.AdamW(parameters_of, lr=0.0, betas=(0.9, 0.999), fused=True)

    def backward(self, outputs: Sequence[Tensor], slopes: Sequence[Tensor]) -> None:
        """Send the slopes of `outputs` back through the model and add to the gradients."""
        torch.autograd.backward(outputs, slopes)

    def _add(self, name: str, parameter: Tensor) -> None:
        """Move a finished low-precision gradient into the float32 sum. The sum's memory is kept from step to step."""
        gradient, parameter.grad, master = parameter.grad, None, self._masters[name]
        assert gradient is not None
        if master.grad is not None:
            master.grad.add_(gradient)
            return
        master.grad = self._sums.setdefault(name, torch.empty_like(master))
        master.grad.copy_(gradient)

    @property
    def has_gradients(self) -> bool:
        """True if some backward pass has reached a parameter since the last update."""
        return any(master.grad is not None for master in self._masters.values())

    @torch.no_grad()
    def gradient_norm(self, crew: Crew = Crew()) -> float:
        """Global L2 norm of the summed gradients; parts that other ranks hold are counted."""
        norms = [torch.linalg.vector_norm(gradient) for gradient in self.gradients().values() if not isinstance(gradient, DTensor)]
        parts = [own_part(gradient) for gradient in self.gradients().values() if isinstance(gradient, DTensor)]
        if parts:
            square = torch.stack([torch.linalg.vector_norm(part) for part in parts]).square().sum().reshape(1)
            crew.add_up([square])
            norms.append(square.sqrt().squeeze())
        return float(torch.linalg.vector_norm(torch.stack(norms))) if norms else 0.0

    @torch.no_grad()
    def update(self, learning_rate: float, scale: float = 1.0) -> None:
        """One AdamW update with all gradients multiplied by `scale`; then the gradients are forgotten."""
        for master in self._masters.values():
            if scale != 1.0 and master.grad is not None:
                master.grad.mul_(scale)
        for group in self._adamw.param_groups:
            group["lr"] = learning_rate
        self._adamw.step()
        self._round_back()
        self.forget()

    def add_up(self, crew: Crew) -> None:
        """Sum the gradients of all ranks. A rank that had nothing to do brings zeros."""
        if crew.size == 1:
            return
        own = {name: master for name, master in self._masters.items() if not isinstance(master, DTensor)}  # others are summed already
        have = crew.exchange([name for name, master in own.items() if master.grad is not None])
        names = sorted(set[str]().union(*have))
        for name in names:
            master = own[name]
            if master.grad is None:
                master.grad = self._sums.setdefault(name, torch.empty_like(master)).zero_()
        gradients = [gradient for name, gradient in self.gradients().items() if name in names]
        crew.add_up(gradients)
        if gradients and len(own) < len(self._masters):
            torch._foreach_div_(gradients, float(crew.size))  # a divided model's losses are scaled up, for the mean over the ranks

    def gradients(self) -> dict[str, Tensor]:
        """The gradients so far, by parameter."""
        return {name: master.grad for name, master in self._masters.items() if master.grad is not None}

    def take(self) -> dict[str, Tensor]:
        """Copies of the gradients so far; the optimiser forgets them."""
        taken = {name: gradient.clone() for name, gradient in self.gradients().items()}
        self.forget()
        return taken

    @torch.no_grad()
    def put(self, gradients: Mapping[str, Tensor]) -> None:
        """Add gradients that were taken."""
        for name, gradient in gradients.items():
            master = self._masters[name]
            master.grad = gradient.clone() if master.grad is None else master.grad.add_(gradient)

    def reset(self) -> None:
        """Begin with fresh moments."""
        self._adamw.state.clear()

    def forget(self) -> None:
        """Drop all gradients."""
        for name, parameter in self._parameters.items():
            parameter.grad = None
            self._masters[name].grad = None

    def close(self) -> None:
        """Take the hooks off the parameters."""
        self.forget()
        for hook in self._hooks:
            hook.remove()

    def state(self) -> dict[str, Tensor]:
        """Everything that is trained, by `<parameter>|<field>`: float32 master weights, moments and step counts."""
        tensors = {f"{name}|master": gathered(master.detach()) for name, master in self._masters.items()}
        for name, master in self._masters.items():
            tensors.update({f"{name}|{field}": gathered(value) for field, value in self._adamw.state.get(master, {}).items()})
        return tensors

    def weights(self) -> dict[str, Tensor]:
        """The part of a `state` that a finished run needs: the weights as they are used."""
        return {f"{name}|weight": gathered(parameter.detach()) for name, parameter in self._parameters.items()}

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over a `state`. The parameters become their rounded masters."""
        for key, value in tensors.items():
            name, _, field = key.rpartition("|")
            master = self._masters[name]
            if field in ("master", "weight"):
                master.copy_(divided(value.to(master), master))
            elif value.shape == master.shape:
                self._adamw.state[master][field] = divided(value.to(master.device, copy=True), master)
            else:  # the step count
                self._adamw.state[master][field] = value.to(master.device, copy=True)
        self._round_back()

    def _round_back(self) -> None:
        for name, parameter in self._parameters.items():
            if self._masters[name] is not parameter:
                parameter.copy_(self._masters[name])


def _master(parameter: nn.Parameter) -> Tensor:
    return parameter if parameter.dtype == torch.float32 else parameter.detach().float().clone()
