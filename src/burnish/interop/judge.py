"""What the adapters share: a task as text beside its prompt, a reply in, a verdict out."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import msgspec

from burnish.core import plugins
from burnish.core.errors import InputError
from burnish.core.records import DECIDED, FAILED, Check, Task, Verdict
from burnish.signals.feedback import feedback
from burnish.signals.prompts import ask
from burnish.text.code import program_in
from burnish.verifiers.base import NOTHING_TO_CHECK, Limits, Verifier, view


def asked(task: Task) -> str:
    """What a model is asked, as one text: the statement and the visible examples."""
    return "\n\n".join(message.content for message in ask(task.public()))


def task_text(task: Task) -> str:
    """A task as one line of JSON, without references: for the judge alone. It stands beside a prompt, never in it."""
    return msgspec.json.encode(view(task, "all")).decode()


@functools.lru_cache(maxsize=4096)
def task_of(text: str) -> Task:
    """The task that `task_text` wrote. Raises `InputError` for anything else."""
    try:
        return msgspec.json.decode(text, type=Task)
    except (msgspec.DecodeError, TypeError) as error:
        raise InputError(f"This is no task ({error}): {str(text)[:60]!r}. Use the column that `burnish export` writes.") from error


def judge(tasks: Sequence[Task], replies: Sequence[str], limits: Limits = Limits()) -> list[Verdict]:
    """The verdicts on `replies`, one for each of `tasks`, in order and by all checks. A reply without a program is `invalid`."""
    verdicts = [NOTHING_TO_CHECK] * len(tasks)
    by_kind: dict[str, list[tuple[int, tuple[Task, str]]]] = {}
    for index, (task, reply) in enumerate(zip(tasks, replies, strict=True)):
        program = program_in(task, reply)
        if program is not None:
            by_kind.setdefault(task.kind, []).append((index, (view(task, "all"), program)))
    for kind, items in by_kind.items():
        judged = _verifier(kind).verify_batch([item for _, item in items], limits=limits)
        for (index, _), verdict in zip(items, judged, strict=True):
            verdicts[index] = verdict
    return verdicts


async def ajudge(task: Task, reply: str, limits: Limits = Limits()) -> Verdict:
    """As `judge` for one reply, without blocking the event loop."""
    program = program_in(task, reply)
    if program is None:
        return NOTHING_TO_CHECK
    return await _verifier(task.kind).averify(view(task, "all"), program, limits=limits)


def told(verdict: Verdict) -> str:
    """A verdict for people: its status, how many checks of each sort passed, and what went wrong on the visible ones."""
    counts = [_count(word, [check for check in verdict.checks if check.hidden is hidden]) for word, hidden in SORTS]
    lines = [f"{verdict.status}: {'; '.join(filter(None, counts)) or 'no check was judged'}."]
    failed = any(check.outcome in FAILED and not check.hidden for check in verdict.checks)
    return "\n".join([*lines, feedback(verdict)] if failed or verdict.status in ("invalid", "tampered") else lines)


SORTS = (("visible", False), ("hidden", True))


def _count(word: str, checks: Sequence[Check]) -> str:
    if not checks:
        return ""
    passed, decided = (sum(check.outcome in wanted for check in checks) for wanted in ({"pass"}, DECIDED))
    undecided = f", {len(checks) - decided} undecided" if decided < len(checks) else ""
    return f"{passed} of {len(checks)} {word} checks passed{undecided}"


def _verifier(kind: str) -> Verifier:
    found: Verifier = plugins.find("verifier", kind)
    return found
