"""AdamW under DeepSpeed: each rank keeps a part of the optimiser's state (ZeRO stage 1), and of the gradients (stage 2).

The same interface as `MasterAdamW`, and checkpoints in the same layout, so that a run can go on with either. DeepSpeed holds
all trained parameters of one kind in one row of numbers and updates all of it at once: every backward pass must reach every
parameter, and gradients of one stream cannot be told apart. ZeRO: Rajbhandari et al., arXiv 1910.02054, section 5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from burnish.core.errors import InputError
from burnish.training._adapters import Trainable
from burnish.training._crew import Crew
from burnish.training._launch import FSDP_INSTEAD, deepspeed
from burnish.training._optimizer import MasterAdamW
from burnish.training.config import TrainConfig

BUCKET = 200_000_000
"""Most numbers that are added up over the ranks at once."""

MOMENTS = ("exp_avg", "exp_avg_sq")
"""AdamW's state of a parameter, but for the step count."""

_APART = (
    "DeepSpeed adds up the gradients of all streams as they come, so none can be measured by itself. Leave out stream_norms, and "
    f"controllers that compare gradients; or {FSDP_INSTEAD}."
)


def optimizer_of(trainable: Trainable, config: TrainConfig, crew: Crew, *, apart: bool = False) -> MasterAdamW | ZeroAdamW:
    """The optimiser for this crew. `apart`: the gradient of a single stream will be asked for.

    Raises `InputError` for what cannot be had together with DeepSpeed.
    """
    if not crew.zero:
        return MasterAdamW(trainable.parameters, config.weight_decay)
    if config.shard:
        raise InputError("shard = true divides by FSDP2, and this accelerate configuration asks for DeepSpeed. Choose one of the two.")
    if apart:
        raise InputError(_APART)
    if trainable.head is not None:
        raise InputError(f"DeepSpeed trains the weights of the language model alone. For a critic or a reward model, {FSDP_INSTEAD}.")
    return ZeroAdamW(trainable.model, trainable.parameters, config.weight_decay, crew.zero)


class ZeroAdamW:
    """The optimiser of the trainer, divided by DeepSpeed. All ranks call every method alike."""

    def __init__(self, model: nn.Module, parameters: Mapping[str, nn.Parameter], weight_decay: float, stage: int) -> None:
        """`parameters`: every trainable parameter of `model` by name. Weight decay is for matrices, not for biases and norms.

        Gradients come out as the mean over the ranks. Raises `InputError` for a model that DeepSpeed cannot train.
        """
        low = _low_precision(model, stage)
        self._parameters, self._stage = dict(parameters), stage
        self._names = [names for matrices in (True, False) if (names := [n for n, p in parameters.items() if (p.ndim >= 2) == matrices])]
        groups = [
            {"params": [parameters[name] for name in names], "weight_decay": weight_decay if parameters[names[0]].ndim >= 2 else 0.0}
            for names in self._names
        ]
        self._adamw = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.999), fused=True)
        size = sum(parameter.numel() for parameter in parameters.values())
        self._engine, self._zero, _, _ = deepspeed().initialize(model=model, optimizer=self._adamw, config=_settings(stage, low, size))
        self._engine.set_gradient_accumulation_boundary(False)
        self.has_gradients = False
        """True if some backward pass has reached the parameters since the last update; after `add_up`, on any rank."""

    def backward(self, outputs: Sequence[Tensor], slopes: Sequence[Tensor]) -> None:
        """Send the slopes of `outputs` back through the model. At stage 2 every rank must do so equally often."""
        products = [(output * slope).sum() for output, slope in zip(outputs, slopes, strict=True)]
        self._engine.backward(torch.stack(products).sum())  # its gradient by each output is the slope
        self.has_gradients = True
        for sums in self._zero.all_grad_tensors.values():
            if sums is not None:  # what follows is added to these: low precision would lose small gradients
                sums[:] = [gradient.float() for gradient in sums]

    def add_up(self, crew: Crew) -> None:
        """Take the mean of the gradients of all ranks. A rank that had nothing to do brings zeros."""
        self.has_gradients = any(crew.exchange(self.has_gradients))
        if self.has_gradients:
            self._collect()

    def _collect(self) -> None:
        if self._stage == 1:
            for parameter in self._parameters.values():
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
        self._engine.set_gradient_accumulation_boundary(True)
        self._zero.setup_buckets()  # a rank without a backward pass has none yet
        self._engine.allreduce_gradients()
        self._engine.set_gradient_accumulation_boundary(False)

    def _sums(self) -> list[Tensor]:
        """The parts of the summed gradients that this rank holds."""
        return [part for parts in self._zero.averaged_gradients.values() for part in parts or ()]

    @torch.no_grad()
    def gradient_norm(self, crew: Crew = Crew()) -> float:
        """Global L2 norm of the summed gradients; parts that other ranks hold are counted."""
        if not self.has_gradients:
            return 0.0
        square = torch.stack([torch.linalg.vector_norm(part) for part in self._sums()]).square().sum().reshape(1)
        crew.add_up([square])
        return float(square.sqrt())

    @torch.no_grad()
    def update(self, learning_rate: float, scale: float = 1.0) -> None:
        """One AdamW update with all gradients multiplied by `scale`; then the gradients are forgotten."""
        for part in self._sums():
            part.mul_(scale)
        for group in self._adamw.param_groups:
            group["lr"] = learning_rate
        self._zero.step()
        self.forget()

    def gradients(self) -> dict[str, Tensor]:
        """Not under DeepSpeed: raises `InputError`."""
        raise InputError(_APART)

    def take(self) -> dict[str, Tensor]:
        """Not under DeepSpeed: raises `InputError`."""
        raise InputError(_APART)

    def put(self, gradients: Mapping[str, Tensor]) -> None:
        """Not under DeepSpeed: raises `InputError`."""
        raise InputError(_APART)

    def reset(self) -> None:
        """Begin with fresh moments."""
        for state in self._adamw.state.values():
            for value in state.values():
                value.zero_()

    def forget(self) -> None:
        """Drop all gradients."""
        self.has_gradients = False
        self._zero.zero_grad()
        for sums in (self._zero.all_grad_tensors, self._zero.averaged_gradients):
            sums.update(dict.fromkeys(sums))

    def close(self) -> None:
        """Take DeepSpeed off the model, which stays as it is."""
        self.forget()
        for hook in (self._engine.module_forward_pre_hook, self._engine.module_forward_post_hook):
            hook.remove()
        self._engine.destroy()

    def state(self) -> dict[str, Tensor]:
        """Everything that is trained, whole and in the layout of `MasterAdamW.state`."""
        tensors: dict[str, Tensor] = {}
        for names, master in self._rows():
            for field, value in {"master": master.detach(), **self._adamw.state.get(master, {})}.items():
                whole = self._whole(names, value) if value.shape == master.shape else [value.clone() for _ in names]  # the step count
                tensors.update({f"{name}|{field}": part for name, part in zip(names, whole, strict=True)})
        return tensors

    def weights(self) -> dict[str, Tensor]:
        """The part of a `state` that a finished run needs: the weights as they are used."""
        return {f"{name}|weight": parameter.detach().clone() for name, parameter in self._parameters.items()}

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over a `state`. Raises `InputError` if some of its parameters were updated more often than others."""
        for names, master in self._rows():
            steps = {int(tensors.get(f"{name}|step", torch.zeros(()))) for name in names}
            if len(steps) > 1:
                raise InputError(
                    f"The parameters of this checkpoint were updated {', '.join(map(str, sorted(steps)))} times, and DeepSpeed counts "
                    f"once for all: {FSDP_INSTEAD}."
                )
            field = "master" if f"{names[0]}|master" in tensors else "weight"
            master.copy_(self._own([tensors[f"{name}|{field}"] for name in names], master))
            if steps != {0}:
                moments = {field: self._own([tensors[f"{name}|{field}"] for name in names], master) for field in MOMENTS}
                self._adamw.state[master] = {"step": tensors[f"{names[0]}|step"].to(master.device, copy=True), **moments}
        self._zero.update_lp_params()

    def _rows(self) -> Iterator[tuple[list[str], Tensor]]:
        """Names of parameters that stand in one row, one after the other, and this rank's part of the row in float32.

        Ranks have parts of equal length; the last is filled up with zeros.
        """
        yield from zip(self._names, (group["params"][0] for group in self._adamw.param_groups), strict=True)

    def _whole(self, names: Sequence[str], part: Tensor) -> list[Tensor]:
        """The parts of all ranks put together, as values of the parameters."""
        parts = [torch.empty_like(part) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, part)
        sizes = [self._parameters[name].numel() for name in names]
        values = torch.split(torch.cat(parts)[: sum(sizes)], sizes)
        return [value.reshape(self._parameters[name].shape).clone() for name, value in zip(names, values, strict=True)]

    def _own(self, whole: Sequence[Tensor], master: Tensor) -> Tensor:
        """This rank's part of a row of values."""
        row = master.new_zeros(master.numel() * dist.get_world_size())
        torch.cat([value.flatten().to(row) for value in whole], out=row[: sum(value.numel() for value in whole)])
        return row.chunk(dist.get_world_size())[dist.get_rank()].clone()


def _low_precision(model: nn.Module, stage: int) -> bool:
    """True for bfloat16, False for float32. Raises `InputError` for anything else, and at stage 1 for bfloat16."""
    kinds = {parameter.dtype for parameter in model.parameters() if parameter.is_floating_point()}
    if kinds == {torch.float32}:
        return False
    if kinds != {torch.bfloat16}:
        found = ", ".join(sorted(str(kind).removeprefix("torch.") for kind in kinds))
        raise InputError(f"DeepSpeed trains weights in float32 or in bfloat16, these are in {found}. Load the model in one of the two.")
    if stage == 1:
        raise InputError("Weights in bfloat16 are trained at ZeRO stage 2: write zero_stage: 2 into deepspeed_config.")
    return True


def _settings(stage: int, low: bool, size: int) -> dict[str, Any]:
    return {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "zero_optimization": {"stage": stage, "reduce_bucket_size": min(BUCKET, size)},
        "bf16": {"enabled": low},
        "data_types": {"grad_accum_dtype": "fp32"},
        "communication_data_type": "fp32",
    }
