"""Steps to TensorBoard and every other tracker that accelerate knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from burnish.core.errors import InputError
from burnish.training.config import TrainConfig
from burnish.training.stats import StepStats, numbers


@contextmanager
def tracked(names: Sequence[str], folder: str, config: TrainConfig) -> Iterator[Callable[[StepStats], None]]:
    """A function that logs a step's numbers to the named trackers, under `folder` where they write files.

    Raises `InputError` for a tracker that accelerate does not know or that is not installed.
    """
    if not names:
        yield lambda stats: None
        return
    from accelerate import Accelerator

    try:
        accelerator = Accelerator(log_with=list(names), project_dir=folder)
    except (ValueError, ImportError) as error:
        raise InputError(f"Cannot log to {', '.join(names)}: {error}. Install the tracker, or leave it out of `trackers`.") from error
    missing = sorted(set(names) - {getattr(tracker, "value", tracker) for tracker in accelerator.log_with})
    if missing:
        raise InputError(f"The tracker {missing[0]!r} is not installed. Run: pip install {missing[0]}")
    flat = {name: value for name, value in msgspec.to_builtins(config).items() if isinstance(value, int | float | str)}
    accelerator.init_trackers("burnish", config=flat)
    try:
        yield lambda stats: accelerator.log(numbers(stats), step=stats.step)
    finally:
        accelerator.end_training()
