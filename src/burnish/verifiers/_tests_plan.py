"""Reads the checks of a test-writing task, and makes such tasks from Python tasks by mutating their references.

A mutant is kept only if it loads and fails the checks of the task it comes from: one that passes them may be no fault at all.
One that runs into a time limit is left out, for it would cost that limit again with every test file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from burnish.core.errors import InputError
from burnish.core.records import CheckSpec, Task
from burnish.sandbox.jobs import Bounds, Calls, Program
from burnish.text.mutate import Mutant, mutants
from burnish.verifiers.python import PythonVerifier, python

KINDS = {"reference": True, "mutant": False, "wrong": False}
"""Kind of check → whether its program is right."""
_WORDS = """Write a pytest test file for the function `{name}` described below. It must pass on every right program and fail on wrong ones.
Import the function from the module `{module}`. Do not write the function itself.

{prompt}"""


@dataclass(frozen=True)
class ProgramCheck:
    """One check: a program that the tests must pass, or one that they must catch."""

    spec: CheckSpec
    program: Program
    is_right: bool


@dataclass(frozen=True)
class SuitePlan:
    """All that a task asks of a test file. `runs` is how often it is run on each right program, to see whether it is steady."""

    checks: tuple[ProgramCheck, ...]
    module: str
    runs: int


def plan(task: Task) -> SuitePlan:
    """Read a task. Raises `InputError` naming the task and what cannot be read."""
    where = f"task {task.id!r}"
    module, runs = task.context.get("module", "solution"), task.context.get("runs", 2)
    if not isinstance(module, str) or not module.isidentifier() or module in sys.stdlib_module_names or module in ("pytest", "tests"):
        raise InputError(f'{where}: context["module"] must be a module name that is not taken, such as "solution"; found {module!r}.')
    if type(runs) is not int or runs < 1:
        raise InputError(f'{where}: context["runs"] must be a whole number from 1 on, found {runs!r}.')
    checks = tuple(_check(task, spec) for spec in task.checks)
    if checks and not any(check.is_right for check in checks):
        raise InputError(f"{where}: among its checks none is of kind 'reference', so nothing says which tests are right.")
    if {check.program for check in checks if check.is_right} & {check.program for check in checks if not check.is_right}:
        raise InputError(f"{where}: one and the same program is called right by one check and wrong by another.")
    return SuitePlan(checks, module, runs)


def _check(task: Task, spec: CheckSpec) -> ProgramCheck:
    where = f"task {task.id!r}, check {spec.id!r}"
    if spec.kind not in KINDS:
        raise InputError(f"{where}: unknown kind {spec.kind!r} for a test-writing task. Known: {', '.join(sorted(KINDS))}.")
    source = spec.data.get("program")
    if not isinstance(source, str):
        raise InputError(f'{where}: data["program"] must be the text of a program, found {source!r}.')
    return ProgramCheck(spec, _program(task, source), KINDS[spec.kind])


def _program(task: Task, source: str) -> Program:
    return Program(source=source, preamble=task.context.get("preamble", ""), entry_point=task.context.get("entry_point", ""))


def suite_task(task: Task, *, limit: int = 10, seed: int = 0, verifier: PythonVerifier = python) -> Task:
    """The task of writing tests for what `task` asks for: its first reference, and at most `limit` mutants of it.

    The mutants are hidden. The reference is there twice, visible and hidden, because either view needs it.
    Raises `InputError` if `task` has no reference, or no mutant that its own checks can tell from it.
    """
    if task.kind != "python" or not task.refs or "entry_point" not in task.context:
        raise InputError(
            f"task {task.id!r}: only a Python task with an entry point and a reference program can be turned into a test task."
        )
    faults = list(islice(_faults(task, seed, limit, verifier), limit))
    if not faults:
        raise InputError(f"task {task.id!r}: its own checks tell no mutant from its reference, so tests for it could not be judged.")
    right = {"program": task.refs[0]}
    wrong = [{"program": fault.source, "description": f"line {fault.line}: {fault.description}"} for fault in faults]
    context: dict[str, Any] = {name: task.context[name] for name in ("entry_point", "preamble", "language") if name in task.context}
    prompt = _WORDS.format(name=context["entry_point"], module="solution", prompt=task.prompt.strip())
    return Task(
        id=f"{task.id}/tests",
        group_id=task.group_id,
        kind="python_tests",
        prompt=prompt,
        context={**context, "module": "solution"},
        checks=(
            CheckSpec(id="reference", kind="reference", data=right),
            CheckSpec(id="reference-hidden", kind="reference", data=right, hidden=True),
            *(CheckSpec(id=f"mutant-{n}", kind="mutant", data=data, hidden=True) for n, data in enumerate(wrong, start=1)),
        ),
        meta=task.meta,
    )


def _faults(task: Task, seed: int, limit: int, verifier: PythonVerifier) -> Iterator[Mutant]:
    candidates = mutants(task.refs[0], limit=4 * limit, seed=seed)
    verdicts = verifier.verify_batch([(task, candidate.source) for candidate in candidates])
    for candidate, verdict in zip(candidates, verdicts, strict=True):
        decided = {check.outcome for check in verdict.checks}
        if verdict.status == "fail" and "timeout" not in decided and _loads(_program(task, candidate.source), verifier):
            yield candidate


def _loads(program: Program, verifier: PythonVerifier) -> bool:
    return verifier.sandbox.run(Calls(program=program, calls=[]), Bounds()).guest == [("ready",)]
