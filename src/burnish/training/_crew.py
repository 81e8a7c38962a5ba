"""The processes that train together. Each holds the whole step's rows; only the computing is divided.

Ranks meet at two kinds of place: `exchange` (plain objects) and `add_up` (tensors, announced by an exchange). A rank that
fails says so at its next meeting, so that the others stop at once with its message; one that dies or hangs is noticed by
the time limit of the collective. Started by `torchrun` or `accelerate launch`; alone, nothing here communicates.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from burnish.core.errors import PolicyError
from burnish.training._launch import told, zero_stage

T = TypeVar("T")

PATIENCE = timedelta(hours=6)
"""How long a rank waits for another that samples, judges or writes."""

LIMIT = timedelta(seconds=45)
"""How long adding up tensors may take: all ranks have just met."""


class RankFailed(PolicyError):
    """Another rank failed; the message is its."""


@dataclass(frozen=True)
class Crew:
    """This process among `size`. Rank 0 writes checkpoints and reports."""

    rank: int = 0
    size: int = 1
    talk: Any = None
    """Process group for objects, patient."""
    work: Any = None
    """Process group for tensors, strict."""
    shards: bool = False
    """Whether the configuration file of `accelerate launch` asks for weights to be divided (FSDP)."""
    zero: int = 0
    """Stage of ZeRO that this file asks DeepSpeed for: 1 divides the optimiser's state, 2 the gradients too. 0: no DeepSpeed."""

    @classmethod
    def here(cls) -> Crew:
        """The crew that this process was started in, through accelerate. Errors are those of `zero_stage`."""
        zero = zero_stage()
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls()
        from accelerate import PartialState

        state = PartialState(cpu=not torch.cuda.is_available())
        atexit.register(_leave)
        talk = dist.new_group(timeout=PATIENCE, backend="gloo")
        return cls(state.process_index, state.num_processes, talk, dist.new_group(timeout=LIMIT), shards=told("FSDP"), zero=zero)

    @property
    def leads(self) -> bool:
        """True on rank 0."""
        return self.rank == 0

    def mine(self, items: Sequence[T]) -> list[T]:
        """This rank's part of a list that all ranks have."""
        return list(items[self.rank :: self.size])

    def exchange(self, value: T) -> list[T]:
        """What every rank gives, by rank. Raises `RankFailed` if one has failed or cannot be reached."""
        return self._meet(value, None)

    def failed(self, error: BaseException) -> None:
        """Tell the others, at their next meeting, that this rank stops."""
        if self.size > 1 and not isinstance(error, RankFailed):
            try:
                self._meet(None, f"{type(error).__name__}: {error}")
            except RankFailed:
                return

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Sum tensors over all ranks, in place. Every rank must come with the same shapes."""
        if self.size == 1:
            return
        try:
            waits = [dist.all_reduce(tensor, group=self.work, async_op=True) for tensor in tensors]
            for wait in waits:
                wait.wait()
        except RuntimeError as error:
            raise RankFailed(f"Rank {self.rank} could not add up its gradients with the others: {error}") from error

    def _meet(self, value: T, failure: str | None) -> list[T]:
        if self.size == 1:
            return [value]
        met: list[Any] = [None] * self.size
        try:
            dist.all_gather_object(met, (failure, value), group=self.talk)
        except RuntimeError as error:
            raise RankFailed(f"Rank {self.rank} lost another rank, which has probably died: {error}") from error
        failures = [f"rank {rank}: {message}" for rank, (message, _) in enumerate(met) if message is not None]
        if failures:
            raise RankFailed(f"Training stopped on all ranks because one failed. {'; '.join(failures)}")
        return [theirs for _, theirs in met]


def _leave() -> None:
    """End the process groups; a thread of theirs that still runs when the interpreter ends would abort the process."""
    if dist.is_initialized():
        dist.destroy_process_group()
