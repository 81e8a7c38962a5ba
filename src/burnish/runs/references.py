"""Check the checks: a task whose own reference fails its tests would call every right answer wrong."""

from __future__ import annotations

from collections.abc import Sequence

from burnish.core.errors import InputError, SandboxError
from burnish.core.records import Task, Verdict
from burnish.verifiers.base import Verifier

SHOWN = 5
"""Faulty tasks that the message names."""


def check_references(tasks: Sequence[Task], verifier: Verifier) -> None:
    """Judge the first reference of every task that has one. Raises `InputError` naming the tasks that it fails.

    A reference that could not be judged raises `SandboxError`: then nothing else would be judged rightly either.
    """
    known = [task for task in tasks if task.refs and task.checks]
    verdicts = list(zip(known, verifier.verify_batch([(task, task.refs[0]) for task in known]), strict=True))
    for task, verdict in verdicts:
        if verdict.status == "error":
            raise SandboxError(f"The judge could not run the reference of task {task.id!r}. See `burnish doctor`.")
    faulty = [f"{task.id} ({_why(verdict)})" for task, verdict in verdicts if not verdict.passed]
    if faulty:
        more = f" and {len(faulty) - SHOWN} more" if len(faulty) > SHOWN else ""
        raise InputError(
            f"{len(faulty)} tasks fail their own reference: {'; '.join(faulty[:SHOWN])}{more}. Mend their checks or references."
        )


def _why(verdict: Verdict) -> str:
    check = verdict.first_failure
    if check and check.counterexample:
        example = check.counterexample
        return f"{check.id}: {example.input} gives {example.actual}, its check expects {example.expected}"
    return f"{check.id if check else 'all checks'}: {verdict.status}"
