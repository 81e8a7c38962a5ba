"""P12-P15: experiments that train a copy: accumulation, one-step overfit, checkpoints, determinism."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import torch

from burnish.core.errors import InputError
from burnish.training._checkpoint import checkpoints
from burnish.training.config import TrainConfig
from burnish.training.preflight.base import TRIED, Apprentice, Setup, Skipped
from burnish.training.stats import StepStats
from burnish.training.trainer import train

STEPS = 20
COPIES = 3
"""Checkpoints that must fit on the disk."""


def p12_accumulation(setup: Setup) -> str:
    """Many small micro-batches give the gradient of one large one (relative difference at most 1e-4)."""
    whole, parts = (_try(setup, steps=1, micro_tokens=tokens)[0] for tokens in (10**9, 1))
    difference = abs(whole[0].gradient_norm - parts[0].gradient_norm) / max(whole[0].gradient_norm, 1e-12)
    if difference > 1e-4 or abs(whole[0].loss - parts[0].loss) > 1e-4 * max(1.0, abs(whole[0].loss)):
        raise InputError(
            f"Loss {whole[0].loss:.6f} and gradient norm {whole[0].gradient_norm:.6f} in one batch become {parts[0].loss:.6f} and "
            f"{parts[0].gradient_norm:.6f} in parts. A loss must not reduce by itself: return [batch, time]."
        )
    return f"gradient norm {whole[0].gradient_norm:.4f} either way"


def p13_overfit(setup: Setup) -> str:
    """Twenty steps on one batch lower its loss by a fifth; every loss and gradient is finite."""
    rate = max(setup.settings.learning_rate, 1e-3)
    stats, _ = _try(setup, steps=STEPS, learning_rate=rate, warmup=0, schedule="constant", batch_size=TRIED)
    losses, norms = [step.loss for step in stats], [step.gradient_norm for step in stats]
    if not 0 < norms[0] < 1e4:
        raise InputError(f"The first gradient norm is {norms[0]}: nothing is learned, or all at once. Check the mask and the loss.")
    if losses[-1] > losses[0] - 0.2 * abs(losses[0]):
        raise InputError(
            f"{STEPS} steps on one batch bring the loss from {losses[0]:.4f} to {losses[-1]:.4f} only. Check the loss and the data."
        )
    return f"loss {losses[0]:.3f} to {losses[-1]:.3f}"


def p14_checkpoint(setup: Setup) -> str:
    """Saved, loaded and gone on, a run ends where an uninterrupted one does, to the last bit; three checkpoints fit on the disk."""
    _, whole = _try(setup, steps=2)
    with tempfile.TemporaryDirectory() as place:
        folder, asked = Path(place), list[int]()
        _try(setup, folder=folder, steps=2, should_stop=lambda: asked.append(0) or True)  # type: ignore[func-returns-value]
        if len(checkpoints(folder)) != 1 or any(folder.glob(".*")):
            raise InputError("A save leaves more than the finished checkpoint behind.")
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        free = shutil.disk_usage(folder).free
        if free < COPIES * size:
            raise InputError(f"{COPIES} checkpoints need {COPIES * size / 2**20:.0f} MiB, {free / 2**20:.0f} MiB are free. Make room.")
        _, resumed = _try(setup, folder=folder, steps=2, resume=True)
    moved = [name for name, tensor in whole.items() if not torch.equal(tensor, resumed[name])]
    if moved:
        raise InputError(f"A resumed run ends with other weights than an uninterrupted one, first in {moved[0]}. Something is not saved.")
    return f"resumed bit by bit, {size / 2**20:.1f} MiB"


def p15_determinism(setup: Setup) -> str:
    """The same seed gives the same first three losses."""
    first, second = ([step.loss for step in _try(setup, steps=3, batch_size=2)[0]] for _ in range(2))
    if first != second:
        raise InputError(f"The same seed gives the losses {first}, then {second}. Something draws random numbers without the seed.")
    return f"losses {', '.join(f'{loss:.4f}' for loss in first)}, twice"


def _try(
    setup: Setup, *, folder: Path | None = None, resume: bool = False, should_stop: Callable[[], bool] | None = None, **changes: Any
) -> tuple[list[StepStats], dict[str, torch.Tensor]]:
    """Train a copy on the first examples. Returns what each step reported and the final weights."""
    if not setup.examples:
        raise Skipped("There are no examples to try learning on.")
    settings = msgspec.structs.replace(_plain(setup.settings), **changes)
    apprentice: Any = Apprentice(setup.copy().model, setup.policy.renderer)
    stats: list[StepStats] = []
    with tempfile.TemporaryDirectory() as place:
        train(
            apprentice,
            folder or place,
            settings,
            examples=setup.examples[:TRIED],
            resume=resume,
            on_step=stats.append,
            should_stop=should_stop,
        )
    return stats, {name: tensor.detach() for name, tensor in apprentice.model.state_dict().items()}


def _plain(settings: TrainConfig) -> TrainConfig:
    """The settings for a short run on examples alone."""
    return msgspec.structs.replace(settings, controller=None, stages=(), mix={}, patience=None, validate_every=0, epochs=1)
