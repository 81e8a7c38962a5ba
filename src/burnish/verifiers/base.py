"""The verifier protocol. A verifier reports facts; it never returns a reward and never sees a prompt.

A verifier module is named after its `Task.kind` and defines an object of that name with these methods. Which checks
are judged is the caller's choice: pass `task.public()` for visible checks only, `view(task, "hidden")` for hidden ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from burnish.core.records import Cost, Diagnostic, Record, Task, Verdict, View
from burnish.core.traces import Trace


class Limits(Record):
    """What one artefact may use while it is judged: seconds of wall clock and CPU per check, MiB, processes, bytes, MiB per file.

    `total_wall_s` bounds all checks together; 0 is no such limit, and a single check always has its own `wall_s`. The check at
    which it runs out is a time-out, those after it are skipped. Raises `ValueError` for a limit that is not above 0.
    """

    wall_s: float = 5.0
    cpu_s: float = 3.0
    memory_mb: int = 512
    processes: int = 16
    output_bytes: int = 1 << 20
    file_mb: int = 16
    total_wall_s: float = 30.0

    def __post_init__(self) -> None:
        for name, value in msgspec.structs.asdict(self).items():
            largest = 1_000_000 if name.endswith("_s") else (1 << 31) - 1
            if not (0 < value <= largest or (name == "total_wall_s" and value == 0)):
                raise ValueError(f"the limit {name} is {value}; write a number above 0, at most {largest:,}")


class ToolReport(Record):
    """One line of `burnish doctor`: is the tool here, which version, and if not, how to get it. Not all are needed by all."""

    name: str
    found: bool
    optional: bool = False
    version: str = ""
    detail: str = ""
    install: str = ""


NOTHING_TO_CHECK = Verdict.of((), invalid=[Diagnostic(code="no-artefact", message="The answer holds nothing that can be checked.")])
"""The verdict on a reply in which no artefact was found."""


@runtime_checkable
class Verifier(Protocol):
    """What every verifier offers. Infrastructure faults come back as status `error`, they are not raised."""

    id: str
    version: str

    def doctor(self) -> Sequence[ToolReport]:
        """The tools it needs and whether they are usable here."""
        ...

    def configuration(self) -> Mapping[str, str]:
        """Whatever else its verdicts depend on: its options (except how many workers) and the versions of its tools.

        Together with a task's kind, context, checks and references, the artefact, the limits and the mode, this decides the
        verdict; a cache relies on it.
        """
        ...

    def verify(self, task: Task, artefact: str, *, limits: Limits = Limits(), first_fail: bool = False) -> Verdict:
        """Judge `artefact` by every check in `task.checks`. `first_fail` skips the checks after the first failure."""
        ...

    async def averify(self, task: Task, artefact: str, *, limits: Limits = Limits(), first_fail: bool = False) -> Verdict:
        """As `verify`, without blocking the event loop; many may run at once."""
        ...

    def verify_batch(
        self, items: Sequence[tuple[Task, str]], *, limits: Limits = Limits(), first_fail: bool = False, workers: int | None = None
    ) -> Iterator[Verdict]:
        """The verdicts on many artefacts, in input order, each as soon as it and all before it are there."""
        ...

    def close(self) -> None:
        """Let go of processes and files. A later call starts afresh."""
        ...


class Observed(Record):
    """What one artefact did: an outcome for each input, as text to be compared. None at all: it could not be run."""

    outcomes: tuple[str, ...] = ()
    cost: Cost = Cost()


@runtime_checkable
class Observer(Protocol):
    """What a verifier also offers whose artefacts can be run on inputs that no check knows the answer to."""

    async def aobserve(self, task: Task, artefacts: Sequence[str], *, seed: int = 0, limits: Limits = Limits()) -> list[Observed]:
        """What each artefact does on the same generated inputs. The inputs follow from task, artefacts and seed."""
        ...


async def observe(verifier: Verifier, task: Task, artefacts: Sequence[str], *, seed: int = 0, limits: Limits = Limits()) -> list[Observed]:
    """What each artefact does on the same inputs; where that says nothing (no `Observer`, no inputs) its own text stands for it."""
    found = await verifier.aobserve(task, artefacts, seed=seed, limits=limits) if isinstance(verifier, Observer) else []
    if any(observed.outcomes for observed in found):
        return found
    return [Observed(outcomes=tuple(filter(None, [artefact.strip()]))) for artefact in artefacts]


@runtime_checkable
class Tracer(Protocol):
    """What a verifier may offer beside its verdicts: how an artefact runs on the input of one check."""

    async def atrace(self, task: Task, artefact: str, check_id: str, *, limits: Limits = Limits()) -> Trace | None:
        """The trace of the check's first wrong answer (or its last); None if this cannot be traced. Raises `SandboxError`."""
        ...


def view(task: Task, which: View) -> Task:
    """The task with only the checks of one view; references are dropped."""
    checks = {"visible": task.visible(), "hidden": task.hidden(), "all": task.checks}[which]
    return msgspec.structs.replace(task, checks=checks, refs=())
