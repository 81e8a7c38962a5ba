"""SWE-RL's way to one answer of many (arXiv 2502.18449, Agentless Mini): repairs, reproduction tests, consensus rerank.

The visible checks are its regression tests. Its reproduction tests must fail on the old code; here the old code is the task's
`context["buggy"]`, and without one all generated tests count.
"""

from __future__ import annotations

import random

import msgspec

from burnish.core.budget import Meter
from burnish.core.records import Attempt, Task
from burnish.strategies._candidates import draw, judged
from burnish.strategies.base import Judge, Writer
from burnish.strategies.codet import tested, write_tests
from burnish.strategies.selectors.base import choose


async def consensus(
    task: Task,
    policy: Writer,
    verifier: Judge,
    budget: Meter,
    rng: random.Random,
    *,
    n: int = 8,
    suites: int = 2,
    tests: int = 5,
) -> Attempt:
    """Draw tests, then programs; hand in the program that the selector `consensus` takes."""
    generated = await write_tests(task, policy, suites, tests)
    candidates = await judged(await draw(task, policy, n), verifier)
    buggy = task.context.get("buggy")
    if buggy and generated:
        old = msgspec.structs.replace(candidates[0].attempt, artefacts={"code": buggy})
        harmless = await verifier.passes(old, generated)
        generated = [test for number, test in enumerate(generated) if number not in harmless]
    return choose("consensus", await tested(candidates, generated, verifier), rng).attempt
