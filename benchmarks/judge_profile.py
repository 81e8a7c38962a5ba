"""Where does a check spend its time? Page faults and CPU milliseconds per check, for each process that takes part.

    python -m benchmarks.judge_profile --programs 164 --rounds 3

The seats are the processes forked for a check; the nursery forks and reaps them; the compiler compiles for them; the warden
stands outside the PID namespace; the parent is the process that calls `verify`. Read from `/proc/<pid>/stat`, where reaped
children are counted apart from the process itself. CPU time comes in ticks of the kernel's clock, so it needs some hundred checks
to be exact."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import tyro

from benchmarks._judge_bare import BareSandbox, bare_verifier
from benchmarks._judge_programs import TASKS
from burnish.core.records import Task
from burnish.tasks import load
from burnish.verifiers.base import view
from burnish.verifiers.python import PythonVerifier

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
VERIFIERS: dict[str, Callable[[], PythonVerifier]] = {
    "one address space": lambda: PythonVerifier(workers=1, isolation="shared"),
    "two address spaces": lambda: PythonVerifier(workers=1, isolation="separate"),
    "no isolation": bare_verifier,
}


@dataclass
class Options:
    """How many of the HumanEval solutions to judge, and how often."""

    programs: int = TASKS
    rounds: int = 3


@dataclass(frozen=True)
class Usage:
    """Page faults, and seconds of CPU in user code and in the kernel."""

    faults: int
    user_s: float
    system_s: float

    def __sub__(self, other: Usage) -> Usage:
        return Usage(self.faults - other.faults, self.user_s - other.user_s, self.system_s - other.system_s)


def main(options: Options) -> None:
    """Print one table per kind of judge."""
    items = [(view(task, "hidden"), task.refs[0]) for task in load("humaneval")[: options.programs]]
    for name, make in VERIFIERS.items():
        verifier = make()
        try:
            _profile(name, verifier, items, options.rounds)
        finally:
            verifier.close()


def _profile(name: str, verifier: PythonVerifier, items: list[tuple[Task, str]], rounds: int) -> None:
    for task, source in items[:10]:
        verifier.verify(task, source)
    processes = _processes(isinstance(verifier.sandbox, BareSandbox))
    before, started = _usage(processes), time.perf_counter()
    for _ in range(rounds):
        for task, source in items:
            verifier.verify(task, source)
    seconds, after = time.perf_counter() - started, _usage(processes)
    count = rounds * len(items)
    print(f"\n{name}: {1000 * seconds / count:.2f} ms per check, {count} checks")
    print(f"{'':<12}{'page faults':>12}{'user ms':>10}{'system ms':>11}{'resident MB':>13}")
    for part, end in after.items():
        used = end - before[part]
        resident = f"{_resident_mb(processes[part]):.0f}" if part in processes else "–"
        columns = f"{used.faults / count:>12.1f}{1000 * used.user_s / count:>10.3f}{1000 * used.system_s / count:>11.3f}"
        print(f"{part:<12}{columns}{resident:>13}")


def _processes(bare: bool) -> dict[str, int]:
    """The process that calls the judge, and of its one server the compiler, the nursery and the warden; a bare server is one process."""
    (server,) = _children(os.getpid())
    if bare:
        return {"parent": os.getpid(), "nursery": server}
    compiler, nursery = _children(server)
    return {"parent": os.getpid(), "compiler": compiler, "nursery": nursery, "warden": server}


def _children(process: int) -> Iterator[int]:
    for thread in Path(f"/proc/{process}/task").iterdir():
        yield from map(int, (thread / "children").read_text().split())


def _usage(processes: dict[str, int]) -> dict[str, Usage]:
    own = {part: _read(process)[0] for part, process in processes.items()}
    return {"seats": _read(processes["nursery"])[1], **own}


def _read(process: int) -> tuple[Usage, Usage]:
    """What a process has used itself, and its reaped children with theirs. Fields as in proc(5), after the name in brackets."""
    fields = list(map(int, Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1:]))
    minor, minor_children, major, major_children, user, system, user_children, system_children = fields[6:14]
    own = Usage(minor + major, user * _TICK_S, system * _TICK_S)
    return own, Usage(minor_children + major_children, user_children * _TICK_S, system_children * _TICK_S)


def _resident_mb(process: int) -> float:
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE / 2**20


if __name__ == "__main__":
    main(tyro.cli(Options))
