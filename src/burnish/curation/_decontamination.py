"""Which training tasks are also evaluation tasks: by their words, or because their programs do the same.

Behaviour is compared by a verifier that can run programs on inputs of unknown answer (`verifiers.base.Observer`): the evaluation
task's reference and a right program of the training task, called by the evaluation task's name, on the same inputs in the jail.
"""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Mapping, Sequence

from burnish.core import plugins, syntax
from burnish.core.records import Example, Record, Task
from burnish.store.labels import verified
from burnish.store.runs import RunStore
from burnish.text.ngrams import grams, telling
from burnish.verifiers.base import Observer

WORDS = 9
"""Length of a telling run of words (AceReason: 9-grams)."""
AT_ONCE = 4
"""Evaluation tasks whose programs are compared at the same time."""


class Overlap(Record):
    """A training task that gives an evaluation task away. `reason` is `words` or `behaviour`, `evidence` what was found."""

    task_id: str
    against: str
    reason: str
    evidence: str


class LeftOut(Record):
    """An example that is not learned, and why."""

    example: Example
    overlap: Overlap


def right_programs(store: RunStore) -> dict[str, tuple[Task, str]]:
    """Task id → the task and a program that solves it: its reference, else a verified attempt, else an empty text."""
    labels = store.labels()
    found = {task.id: (task, task.refs[0] if task.refs else "") for task in store.tasks()}
    for attempt in store.attempts():
        task, program = found[attempt.task_id]
        if not program and verified(attempt, labels[attempt.id]):
            found[task.id] = (task, attempt.artefacts["code"])
    return found


async def overlaps(training: Mapping[str, tuple[Task, str]], evaluation: Sequence[Task], *, words: int = WORDS) -> dict[str, Overlap]:
    """Training task id → its first overlap with an evaluation task, by words first.

    What has no reference or cannot be run is compared by words only. Raises `InputError` if `words` is below 1.
    """
    found = _by_words([task for task, _ in training.values()], evaluation, words)
    left = [(task, program) for name, (task, program) in training.items() if name not in found and program.strip()]
    gate = asyncio.Semaphore(AT_ONCE)

    async def compared(task: Task) -> list[Overlap]:
        async with gate:
            return await _by_behaviour(left, task)

    for each in await asyncio.gather(*(compared(task) for task in evaluation if task.refs)):
        for overlap in each:
            found.setdefault(overlap.task_id, overlap)
    return found


def _by_words(training: Sequence[Task], evaluation: Sequence[Task], size: int) -> dict[str, Overlap]:
    named: dict[str, str] = {}
    for task in evaluation:
        named.setdefault(task.prompt, task.id)
    known, names = telling(named, size), [*named.values()]
    found: dict[str, Overlap] = {}
    for task in training:
        shared = next((gram for gram in sorted(grams(task.prompt, size)) if gram in known), None)
        if shared is not None:
            found[task.id] = Overlap(task_id=task.id, against=names[known[shared]], reason="words", evidence=" ".join(shared))
    return found


async def _by_behaviour(training: Sequence[tuple[Task, str]], task: Task) -> list[Overlap]:
    verifier = plugins.find("verifier", task.kind)
    comparable = [(one, text) for one, program in training if (text := _as_answer(one, program, task)) is not None]
    if not isinstance(verifier, Observer) or not comparable:
        return []
    reference, *others = await verifier.aobserve(task.public(), [task.refs[0], *(text for _, text in comparable)])
    if not reference.outcomes or not _telling(reference.outcomes):
        return []
    evidence = f"the same on {len(reference.outcomes)} inputs"
    same = [one for (one, _), other in zip(comparable, others, strict=True) if other.outcomes == reference.outcomes]
    return [Overlap(task_id=one.id, against=task.id, reason="behaviour", evidence=evidence) for one in same]


def _telling(outcomes: Sequence[str]) -> bool:
    """Two programs that always answer the same one thing, or always fail, need not be one program."""
    return len({outcome for outcome in outcomes if not outcome.startswith("raises ")}) > 1


def _as_answer(own: Task, program: str, task: Task) -> str | None:
    """A training task's program as an answer to an evaluation task, under its name; None if it cannot be one."""
    mine, wanted = own.context.get("entry_point"), task.context.get("entry_point")
    if own.kind != task.kind or (mine is None) != (wanted is None):
        return None
    whole = f"{own.context.get('preamble', '')}\n{program}"
    if mine is None or wanted is None:
        return whole
    ours, theirs = _arity(program, mine), _arity(task.refs[0], wanted)
    if ours is not None and theirs is not None and ours != theirs:
        return None
    return whole if mine == wanted else f"{whole}\n\n{wanted} = {mine}\n"


def _arity(program: str, name: str) -> int | None:
    """Parameters of the function `name`; None if there is no such function to be read."""
    try:
        body = syntax.module(program).body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    found = next((node for node in body if isinstance(node, ast.FunctionDef) and node.name == name), None)
    return len([*found.args.posonlyargs, *found.args.args]) if found else None
