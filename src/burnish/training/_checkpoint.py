"""Checkpoints: one folder per saved step, complete or not there at all.

A checkpoint is written aside, flushed to disk and renamed. It loads in plain transformers (or PEFT, for an adapter); the
folder `trainer/` in it holds what a resumed run needs. Orders and seeds are derived from the step, so no random state is
stored. Only the newest checkpoint and the best one are kept.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from burnish.core.errors import InputError, StoreError
from burnish.core.records import Record
from burnish.training.config import TrainConfig

MAY_CHANGE = frozenset({"steps", "epochs", "save_every", "micro_tokens", "extendable", "checkpoint_layers", "shard", "stream_norms"})
"""Settings that may differ when a run is resumed: none of them changes what the finished steps have learned."""


class TrainerState(Record):
    """What a resumed run must agree with, and where it goes on."""

    step: int
    config: TrainConfig
    data: str
    """Fingerprint of the examples and tasks."""
    weights: str
    """Fingerprint of the weights that training started from. Checked where they still matter: adapters and references."""
    progress: dict[str, Any] = {}
    """Stage, controller and place in the data."""
    format: int = 2


def checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints of a run, oldest first."""
    found = [path for path in folder.glob("step-*") if re.fullmatch(r"step-\d+", path.name)]
    return sorted(found, key=lambda path: int(path.name.removeprefix("step-")))


def prepare(folder: Path) -> None:
    """Make the run's folder and check that it can be written; clear what an interrupted save left. Raises `InputError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _clear(folder)
        probe = folder / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise InputError(f"Checkpoints cannot be written to {folder}: {error.strerror}. Choose a folder that you may write to.") from error


def path_of(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return folder / f"step-{step:06d}"


def save(
    folder: Path, state: TrainerState, tensors: Mapping[str, Tensor], write_model: Callable[[str], None], *, keep: int | None = None
) -> Path:
    """Write a checkpoint and drop the older ones, except that of step `keep`. Raises `StoreError`, and then leaves nothing half-written."""
    target, aside = path_of(folder, state.step), folder / f".writing-step-{state.step:06d}"
    if target.is_dir():
        return target
    try:
        _clear(folder)
        (aside / "trainer").mkdir(parents=True)
        write_model(str(aside))
        save_file(dict(tensors), aside / "trainer" / "state.safetensors")
        (aside / "trainer" / "state.json").write_bytes(msgspec.json.encode(state))
        _flush(aside)
        aside.rename(target)
        _flush_folder(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise StoreError(f"The checkpoint of step {state.step} could not be written to {folder}: {error}. {_advice(folder)}") from error
    for old in checkpoints(folder):
        if old not in (target, None if keep is None else path_of(folder, keep)):
            shutil.rmtree(old)
    return target


def load(checkpoint: Path, expected: TrainerState, *, same_weights: bool) -> tuple[TrainerState, dict[str, Tensor]]:
    """State and tensors of a checkpoint. Raises `InputError` if it belongs to other data, settings or starting weights."""
    try:
        state = msgspec.json.decode((checkpoint / "trainer" / "state.json").read_bytes(), type=TrainerState)
        tensors = load_file(checkpoint / "trainer" / "state.safetensors")
    except (OSError, SafetensorError, msgspec.DecodeError) as error:
        raise StoreError(f"The checkpoint {checkpoint} cannot be read: {error}. Delete that folder to start anew.") from error
    _check(checkpoint, state, expected, same_weights)
    return state, tensors


def _check(checkpoint: Path, state: TrainerState, expected: TrainerState, same_weights: bool) -> None:
    for name in TrainConfig.__struct_fields__:
        saved, now = getattr(state.config, name), getattr(expected.config, name)
        if name not in MAY_CHANGE and saved != now:
            raise InputError(f"{checkpoint} was trained with {name} = {saved}, now it is {now}. Use the same, or start in another folder.")
    if state.data != expected.data:
        raise InputError(f"{checkpoint} was trained on other data. Resume with the same examples and tasks, or start in another folder.")
    if same_weights and state.weights != expected.weights:
        raise InputError(f"{checkpoint} started from other model weights. Load the model that the run began with.")


def _advice(folder: Path) -> str:
    free = shutil.disk_usage(folder).free / 2**20
    return f"{free:.0f} MiB are free there. Training state up to the last checkpoint is safe; make room and resume."


def _clear(folder: Path) -> None:
    for left in folder.glob(".writing-step-*"):
        shutil.rmtree(left)


def _flush(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            _flush_folder(path)
    _flush_folder(folder)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
