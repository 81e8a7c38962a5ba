"""Collect for LeDex: many answers per task, each distinct wrong one explained and repaired several times (arXiv 2405.18649, section 3).

Answers are the model's own; repairs are the teacher's (`burnish solve collect --teacher MODEL`), or without one its own too.
Wrong programs that are the same, or that do the same, are repaired once. Everything is recorded and judged, failures as well:
`burnish curate ledex` and `ledex_rewards` read the run.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from burnish.core.budget import Meter
from burnish.core.errors import BudgetExceeded, InputError
from burnish.core.records import Attempt, Task
from burnish.signals.prompts import ask_refinement, wrong_code
from burnish.strategies._candidates import draw, judged, within_budget
from burnish.strategies.base import Best, Judge, Judged, Writer
from burnish.text.normal import normal_form


async def collect(
    task: Task,
    policy: Writer,
    verifier: Judge,
    budget: Meter,
    rng: random.Random,
    *,
    answers: int = 20,
    wrong: int = 20,
    repairs: int = 10,
    explain: bool = True,
    distinct: str = "text",
    repair_temperature: float | None = None,
) -> Attempt | None:
    """Draw `answers`, and `repairs` for each of at most `wrong` distinct ones that fail a visible test; hand in the best of all.

    `distinct` is `text` (programs that differ beyond comments, docstrings and layout) or `behaviour` (that do different things on
    common inputs). `repair_temperature` is the run's temperature if left out; the paper has 1.0 for answers, 0.8 for repairs.
    Raises `InputError` for a number that is not positive or another `distinct`.
    """
    if min(answers, wrong, repairs) < 1 or distinct not in ("text", "behaviour"):
        raise InputError(
            f"collect needs answers, wrong and repairs of at least 1 and distinct = text or behaviour; found answers = {answers}, "
            f"wrong = {wrong}, repairs = {repairs}, distinct = {distinct!r}."
        )
    drawn = [(found.attempt, found.verdict) for found in await judged(await draw(task, policy, answers), verifier)]
    known: list[Judged] = [(attempt, verdict) for attempt, verdict in drawn if verdict is not None]
    if not known:
        return None
    failing = [(attempt, verdict) for attempt, verdict in known if verdict.scored and not verdict.passed and verdict.status != "tampered"]
    chosen = (await _distinct(failing, distinct, verifier))[:wrong]
    heat = {} if repair_temperature is None else {"temperature": repair_temperature}
    calls = [partial(_repair, task, policy, verifier, one, explain, heat) for one in chosen for _ in range(repairs)]
    return Best(*known, *await _affordable(calls)).judged[0]


async def _repair(task: Task, policy: Writer, verifier: Judge, wrong: Judged, explain: bool, heat: dict[str, Any]) -> Judged:
    attempt, verdict = wrong
    turn = ask_refinement(task, wrong_code(attempt), verdict, explain=explain)
    repaired = await policy.write(turn, op="refine", parent=attempt, round=1, by_teacher=True, **heat)
    return repaired, await verifier.verify(repaired)


async def _distinct(failing: Sequence[Judged], by: str, verifier: Judge) -> list[Judged]:
    """The first of each kind. What cannot be run does nothing to be compared, so there the text decides."""
    first: dict[Any, Judged] = {}
    for one in failing:
        first.setdefault(normal_form(wrong_code(one[0])), one)
    if by == "text" or not first:
        return [*first.values()]
    found = await verifier.observe([attempt for attempt, _ in first.values()])
    behaving: dict[Any, Judged] = {}
    for (text, one), behaviour in zip(first.items(), found, strict=True):
        behaving.setdefault(behaviour or text, one)
    return [*behaving.values()]


async def _affordable(calls: Sequence[Callable[[], Any]]) -> list[Judged]:
    try:
        return await within_budget(calls)
    except BudgetExceeded:
        return []
