"""CodeT (arXiv 2207.10397): the policy writes programs and, apart from them, tests; what confirms each other is believed.

Every program is run on every generated test. A test proves nothing by itself: it may be wrong.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator, Sequence
from functools import partial

import msgspec

from burnish.core import syntax
from burnish.core.budget import Meter
from burnish.core.errors import InputError
from burnish.core.records import Attempt, CheckSpec, Task
from burnish.signals.prompts import STOP
from burnish.signals.search_prompts import ask_tests
from burnish.strategies._candidates import draw, judged, within_budget
from burnish.strategies.base import Judge, Writer
from burnish.strategies.selectors.base import Candidate, choose

MOST_TESTS = 30
"""Generated tests that are run; the first ones count."""


async def codet(
    task: Task,
    policy: Writer,
    verifier: Judge,
    budget: Meter,
    rng: random.Random,
    *,
    n: int = 8,
    suites: int = 2,
    tests: int = 5,
    select: str = "agreement",
) -> Attempt:
    """Draw `suites` replies with `tests` test cases each, then `n` programs; hand in what most programs and tests agree on."""
    generated = await write_tests(task, policy, suites, tests)
    candidates = await judged(await draw(task, policy, n), verifier)
    return choose(select, await tested(candidates, generated, verifier), rng).attempt


async def write_tests(task: Task, policy: Writer, suites: int, tests: int) -> list[CheckSpec]:
    """What the policy's test cases check, as checks that can be run. Raises `InputError` for a task that is not about a function."""
    if task.kind != "python" or not task.context.get("entry_point"):
        raise InputError(f"Generated tests need Python tasks about a function; {task.id!r} is none. Choose another strategy.")
    asked = ask_tests(task, tests)
    replies = await within_budget(partial(policy.write, asked, op="tests", kind="tests", stop=STOP) for _ in range(suites))
    return generated_tests(task, [attempt.text for attempt in replies])


async def tested(candidates: Sequence[Candidate], tests: Sequence[CheckSpec], verifier: Judge) -> list[Candidate]:
    """The candidates with the generated tests that each passes."""
    passed = await within_budget(partial(verifier.passes, candidate.attempt, tests) for candidate in candidates)
    passed += [frozenset()] * (len(candidates) - len(passed))
    return [msgspec.structs.replace(candidate, passed=tests) for candidate, tests in zip(candidates, passed, strict=True)]


def generated_tests(task: Task, replies: Sequence[str]) -> list[CheckSpec]:
    """The distinct assert statements about the task's function in the replies, one check each, in order."""
    found = dict.fromkeys(statement for reply in replies for statement in _asserts(reply, task.context["entry_point"]))
    return [CheckSpec(id=f"generated-{n}", kind="assert", data={"code": code}) for n, code in enumerate([*found][:MOST_TESTS])]


def _asserts(reply: str, name: str) -> Iterator[str]:
    for line in reply.splitlines():
        try:
            body = syntax.module(line.strip()).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        if len(body) == 1 and isinstance(body[0], ast.Assert):
            names = {node.func.id for node in ast.walk(body[0]) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
            if name in names:
                yield ast.unparse(ast.Assert(body[0].test))
