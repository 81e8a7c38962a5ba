"""Does the judge stay the same over 200,000 checks, and is a verdict lost, doubled or wrong when its processes are killed?

    python -m benchmarks.endurance --checks 200000
    python -m benchmarks.endurance --checks 200000 --kill-every 1 --json endurance.json

Every program is different and its right verdict is known. Between rounds, with the pool at rest, everything that could
grow is measured: at 5 %, 50 % and 100 % of the run. The exit code is 1 if a verdict is lost, doubled or wrong, if more is
left undecided (`error`) than `ERRORS_PER_KILL` allows, or if something has grown by more than its bound in `BOUNDS`.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import platform
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import tyro

from burnish.core.records import CheckSpec, Status, Task, Verdict
from burnish.core.seeds import content_hash
from burnish.verifiers.base import Limits
from burnish.verifiers.python import PythonVerifier

WORKERS, ROUND, TIMEOUTS_PER_ROUND = 2, 500, 2
LIMITS = Limits(wall_s=30.0, cpu_s=20.0, memory_mb=128, output_bytes=1 << 19)
SHORT = Limits(wall_s=0.2, cpu_s=20.0)
ERRORS_PER_KILL = 0.001
"""A check is tried three times; that three kills in a row hit the same one is rare, and an `error` then is the truth."""
BOUNDS = {
    "parent_mb": 24.0,  # caches of parsed tests fill up, arenas of the allocator fragment
    "descriptors": 12,  # two servers that were just being replaced when the first sample was taken
    "threads": 0,
    "children": 2,
    "temporary_files": 0,
    "mounts": 0,
    "warden_mb": 4.0,
    "nursery_mb": 4.0,
    "server_mounts": 0,
}
"""Largest growth from the sample at 5 % to the one at 100 %, in MiB or in number."""
SHOWN = 10


@dataclass
class Options:
    """How many checks; seconds between two kills (none: nobody is killed); where the figures go."""

    checks: int = 200_000
    kill_every: float | None = None
    json: Path | None = None
    seed: int = 0


@dataclass(frozen=True)
class Kind:
    """A sort of program. `N` in it stands for a number of its own; the function `f(x)` is due to return `x + N`."""

    share: int
    label: Status
    source: str
    form: str = "call"


KINDS = {
    "right": Kind(30, "pass", "def f(x):\n    return x + N\n"),
    "right, test code": Kind(12, "pass", "def f(x):\n    return x + N\n", "check"),
    "right, whole program": Kind(6, "pass", "print(int(input()) + N)\n", "stdio"),
    "wrong": Kind(12, "fail", "def f(x):\n    return x - N - 1\n"),
    "wrong, test code": Kind(6, "fail", "def f(x):\n    return x - N - 1\n", "check"),
    "raises": Kind(6, "fail", "def f(x):\n    raise ValueError(N)\n"),
    "does not parse": Kind(3, "invalid", "def f(x):\n    return x + N +\n"),
    "exits with success": Kind(3, "tampered", "import os\ndef f(x):\n    os._exit(0)  # N\n"),
    "exits": Kind(3, "fail", "import sys\ndef f(x):\n    sys.exit(3)  # N\n", "check"),
    "kills itself": Kind(1, "fail", "import os\ndef f(x):\n    os.kill(os.getpid(), 9)  # N\n"),
    "forks a daemon": Kind(
        5,
        "pass",
        "import os, time\ndef f(x):\n    if os.fork() == 0:\n        time.sleep(1000)\n    return x + N\n",
    ),
    "writes files": Kind(
        5, "pass", "def f(x):\n    for n in range(20):\n        open(str(n), 'wb').write(b'N' * 10_000)\n    return x + N\n"
    ),
    "starts a thread": Kind(
        2, "pass", "import threading, time\ndef f(x):\n    threading.Thread(target=time.sleep, args=(99,)).start()\n    return x + N\n"
    ),
    "big answer": Kind(2, "fail", "def f(x):\n    return 'N' * 100_000\n"),
    "big output": Kind(2, "fail", "while True:\n    print('N' * 1000)\n", "stdio"),
    "big memory": Kind(2, "fail", "def f(x):\n    return len(bytearray(1 << 29)) + N\n"),
}
ENDLESS = Kind(0, "timeout", "def f(x):\n    while True:\n        x += N\n")


@dataclass(frozen=True)
class Item:
    """One check with its known verdict."""

    kind: str
    label: Status
    task: Task
    artefact: str


@dataclass
class Sample:
    """What could grow, at one moment of rest. Memory in MiB; that of servers is the largest of each sort."""

    checks: int
    parent_mb: float
    descriptors: int
    threads: int
    children: int
    temporary_files: int
    mounts: int
    warden_mb: float
    nursery_mb: float
    server_mounts: int


@dataclass
class Result:
    """What the run has shown."""

    checks: int = 0
    seconds: float = 0.0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    errors: int = 0
    kills: dict[str, int] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    left_processes: int = 0
    left_descriptors: int = 0
    complaints: list[str] = field(default_factory=list)

    def growth(self) -> dict[str, float]:
        """Last sample minus first sample."""
        return {name: getattr(self.samples[-1], name) - getattr(self.samples[0], name) for name in BOUNDS}

    def failures(self) -> list[str]:
        """Everything that is not as it should be."""
        found = [f"{count} {name}" for name in ("lost", "doubled", "wrong") if (count := getattr(self, name))]
        kills = sum(self.kills.values())
        if self.errors > ERRORS_PER_KILL * kills:
            found.append(f"{self.errors} error verdicts after {kills} kills")
        found += [f"{name} grew by {grown:g}, bound {BOUNDS[name]:g}" for name, grown in self.growth().items() if grown > BOUNDS[name]]
        found += [f"{count} {name} left after the end" for name in ("processes", "descriptors") if (count := getattr(self, f"left_{name}"))]
        return found


def main(options: Options) -> int:
    """Run, print, and return the exit code."""
    if options.checks < 100:
        raise SystemExit("--checks must be at least 100, so that 5 % of them are some.")
    result = run(options)
    _print(result)
    if options.json is not None:
        figures = {**asdict(result), "growth": result.growth(), "bounds": BOUNDS, "failures": result.failures()}
        options.json.write_text(json.dumps(figures, indent=2))
    return 1 if result.failures() else 0


def run(options: Options) -> Result:
    """Judge everything in this process, with 2 workers."""
    result = Result()
    _open_descriptors()
    before = _open_descriptors()
    verifier = PythonVerifier(workers=WORKERS)
    marks = [max(1, options.checks * share // 100) for share in (5, 50, 100)]
    started = shown = time.monotonic()
    with _killer(options, result):
        while result.checks < options.checks:
            count = min(ROUND, marks[0] - result.checks, options.checks - result.checks)
            _round(verifier, options, result, count)
            result.seconds = time.monotonic() - started
            if result.checks >= marks[0]:
                marks.pop(0)
                result.samples.append(_sample(verifier, result.checks))
            if time.monotonic() - shown > 10:
                shown = time.monotonic()
                _print_progress(options, result)
    verifier.close()
    result.left_processes = _settled(lambda: len(_descendants(os.getpid())))
    result.left_descriptors = max(0, _open_descriptors() - before)
    return result


def _round(verifier: PythonVerifier, options: Options, result: Result, count: int) -> None:
    """Judge the next `count` items and compare every verdict with what is known, by position and by content."""
    items = [_item(number, options.seed) for number in range(result.checks, result.checks + count)]
    late = min(TIMEOUTS_PER_ROUND, count // 20)
    items[count - late :] = [_endless(result.checks + count - n) for n in range(late, 0, -1)]
    for part, limits in ((items[: count - late], LIMITS), (items[count - late :], SHORT)):
        verdicts = list(verifier.verify_batch([(item.task, item.artefact) for item in part], limits=limits))
        _compare(part, verdicts, result)
    result.checks += count


def _compare(items: list[Item], verdicts: list[Verdict], result: Result) -> None:
    due = {content_hash(item.artefact): item for item in items}
    came = Counter(verdict.provenance.artefact_hash for verdict in verdicts)
    result.lost += len(due.keys() - came.keys())
    result.doubled += sum(came.values()) - len(came)
    for place, verdict in enumerate(verdicts):
        item = due.get(verdict.provenance.artefact_hash)
        in_place = item is not None and place < len(items) and item is items[place]
        if item is not None and in_place and verdict.status == item.label:
            continue
        if verdict.status == "error":
            result.errors += 1
        else:
            result.wrong += 1
        if len(result.complaints) < SHOWN:
            asked = f"{item.kind}, expected {item.label}" if item else "a program that nobody asked about"
            notes = [*verdict.diagnostics, *(note for check in verdict.checks for note in check.diagnostics)]
            found = f"{verdict.status} ({', '.join(f'{note.code}: {note.message}' for note in notes)})"
            result.complaints.append(f"{asked}{'' if in_place else ', at another place'}: {found}")


def _cycle() -> list[str]:
    names = [name for name, kind in KINDS.items() for _ in range(kind.share)]
    random.Random(0).shuffle(names)
    return names


_CYCLE = _cycle()


def _item(number: int, seed: int) -> Item:
    name = _CYCLE[number % len(_CYCLE)]
    return _made(name, KINDS[name], number + seed)


def _endless(number: int) -> Item:
    return _made("never ends", ENDLESS, number)


def _made(name: str, kind: Kind, number: int) -> Item:
    """The program says its whole number in a comment and adds the last three digits: a later cache of tests stays small."""
    small = number % 1000
    source = kind.source.replace("N", str(small)) + f"# {number}\n"
    due = 20 + small
    data = {
        "call": ("call", {"args": "(20,)", "expected": str(due)}),
        "check": ("check_function", {"code": f"def check(candidate):\n    for x in [20]:\n        assert candidate(x) == {due}\n"}),
        "stdio": ("stdio", {"stdin": "20\n", "stdout": f"{due}\n"}),
    }
    check = CheckSpec(id="c", kind=data[kind.form][0], data=data[kind.form][1])
    task = Task(id=name, group_id=name, kind="python", prompt="", context={"entry_point": "f"}, checks=(check,))
    return Item(name, kind.label, task, source)


# killing -------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _killer(options: Options, result: Result) -> Iterator[None]:
    """While this holds, a random process of the jails is killed every `kill_every` seconds."""
    if options.kill_every is None:
        yield
        return
    seconds, done = options.kill_every, threading.Event()
    choices = random.Random(options.seed)

    def kill_again_and_again() -> None:
        while not done.wait(seconds):
            role = _kill_one(choices)
            if role:
                result.kills[role] = result.kills.get(role, 0) + 1

    thread = threading.Thread(target=kill_again_and_again)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _kill_one(choices: random.Random) -> str:
    """Kill a random descendant; returns what it was, or nothing if there was none. Never hits a number that was given anew."""
    found = _descendants(os.getpid())
    if not found:
        return ""
    process = choices.choice(sorted(found))
    try:
        handle = os.pidfd_open(process)
    except OSError:
        return ""
    try:
        if process not in _descendants(os.getpid()):
            return ""
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except OSError:
        return ""
    finally:
        os.close(handle)
    return {1: "warden", 2: "nursery"}.get(found[process], "seat")


# measuring -----------------------------------------------------------------------------------------------------------


def _descendants(process: int, depth: int = 1) -> dict[int, int]:
    """Living processes below `process`, with their depth: 1 wardens, 2 nurseries, 3 and more seats and what they forked."""
    found: dict[int, int] = {}
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, children.read_text().split()):
                if _resident_mb(child):
                    found |= {child: depth, **_descendants(child, depth + 1)}
    return found


def _resident_mb(process: int | str) -> float:
    """Resident memory; 0 for a zombie and for what is gone."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return 0.0


def _open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def _lines(path: str) -> int:
    try:
        return len(Path(path).read_text().splitlines())
    except OSError:
        return 0


def _settled(count: object, seconds: float = 5.0) -> int:
    """What is killed needs a moment to vanish: the count when it is 0, or after `seconds`."""
    assert callable(count)
    deadline = time.monotonic() + seconds
    while (now := int(count())) and time.monotonic() < deadline:
        time.sleep(0.01)
    return now


def _sample(verifier: PythonVerifier, checks: int) -> Sample:
    """Measure at rest. A few slow checks before make sure that both servers are up."""
    slow = _made("rest", Kind(0, "pass", "import time\ndef f(x):\n    time.sleep(0.05)\n    return x + N\n"), 0)
    list(verifier.verify_batch([(slow.task, slow.artefact)] * 2 * WORKERS, limits=LIMITS))
    gc.collect()
    found = _descendants(os.getpid())
    by_depth = {depth: [process for process, place in found.items() if place == depth] for depth in (1, 2)}
    return Sample(
        checks=checks,
        parent_mb=_resident_mb("self"),
        descriptors=_open_descriptors(),
        threads=threading.active_count(),
        children=len(by_depth[1]),
        temporary_files=len(list(Path(tempfile.gettempdir()).glob("burnish-*"))),
        mounts=_lines("/proc/self/mounts"),
        warden_mb=max(map(_resident_mb, by_depth[1]), default=0.0),
        nursery_mb=max(map(_resident_mb, by_depth[2]), default=0.0),
        server_mounts=max((_lines(f"/proc/{process}/mounts") for process in by_depth[1]), default=0),
    )


# printing ------------------------------------------------------------------------------------------------------------


def _counts(result: Result) -> str:
    kills = f", {sum(result.kills.values())} kills" if result.kills else ""
    rate = result.checks / result.seconds
    verdicts = f"{result.lost} lost, {result.doubled} doubled, {result.wrong} wrong, {result.errors} errors"
    return f"{verdicts}{kills}, {result.seconds:.0f} s, {rate:.0f} checks/s"


def _print_progress(options: Options, result: Result) -> None:
    print(f"{result.checks:>8} of {options.checks}: {_counts(result)}, parent {_resident_mb('self'):.1f} MiB", flush=True)


def _print(result: Result) -> None:
    machine = f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"
    print(f"{result.checks} checks in one process, {WORKERS} workers; {machine}")
    print(_counts(result))
    if result.kills:
        print("killed with -9: " + ", ".join(f"{count} of {role}" for role, count in sorted(result.kills.items())))
    growth = result.growth()
    print(f"{'':<18}" + "".join(f"{f'at {sample.checks}':>12}" for sample in result.samples) + f"{'growth':>12}{'bound':>8}")
    for name, bound in BOUNDS.items():
        values = "".join(f"{getattr(sample, name):>12.4g}" for sample in result.samples)
        print(f"{name:<18}{values}{growth[name]:>+12.4g}{bound:>8g}")
    print(f"left after the end: {result.left_processes} processes, {result.left_descriptors} descriptors")
    for complaint in result.complaints:
        print(complaint)
    print("FAILED: " + "; ".join(result.failures()) if result.failures() else "nothing lost, doubled or wrong; nothing has grown")


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options)))
