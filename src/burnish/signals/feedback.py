"""Feedback: a pure function from a verdict to the text that the next turn shows.

Only facts that a model may see are rendered: hidden checks and diagnostics for training or evaluation never are.
Everything is bounded in length; what the program printed or returned is quoted as data: line ends and invisible
characters are shown as escapes, so that no program can write a line of its own into a prompt.
"""

from __future__ import annotations

from burnish.core.records import FAILED, Check, Diagnostic, Task, Verdict
from burnish.signals.quote import MAX_VALUE, one_line

__all__ = ["MAX_VALUE", "feedback", "first_failed"]


def feedback(verdict: Verdict, *, failures: int = 1) -> str:
    """What is wrong, for the model: the errors of an unusable artefact, else the first `failures` failed visible checks.

    A passing verdict says so. A tampered one gets a neutral notice that does not reveal the detector.
    """
    if verdict.status == "tampered":
        return "The code was rejected. Write a plain solution of the task."
    visible = [diagnostic for diagnostic in verdict.diagnostics if diagnostic.visibility == "model"]
    if verdict.status == "invalid":
        return "\n".join(["The code cannot be used:", *(_line(d) for d in visible[:failures])])
    failed = [check for check in verdict.checks if check.outcome in FAILED and not check.hidden]
    if not failed:
        return "All visible tests pass." if verdict.passed else "The code could not be judged."
    return "\n".join(["The code fails this test:" if failures == 1 else "The code fails these tests:", *map(_failure, failed[:failures])])


def first_failed(task: Task, verdict: Verdict) -> tuple[int, Check]:
    """The first visible test that failed, with its number from 0; the first one where none was decided (an unusable program)."""
    visible = task.visible()
    by_id = {check.id: check for check in verdict.checks}
    for number, spec in enumerate(visible):
        if spec.id in by_id and by_id[spec.id].outcome in FAILED:
            return number, by_id[spec.id]
    return 0, Check(id=visible[0].id, kind=visible[0].kind, outcome="skip")


def _failure(check: Check) -> str:
    shown = next((d for d in check.diagnostics if d.visibility == "model"), None)
    example = check.counterexample
    if check.outcome == "timeout":
        return f"{one_line(example.input) if example else check.id} did not finish in time."
    if example is None:
        return _line(shown) if shown else f"{check.id} fails."
    if example.expected.startswith("assert "):
        came = f"fails with {_line(shown)}" if check.outcome == "crash" and shown else f"returned {one_line(example.actual)}"
        return f"{one_line(example.input)} {came}, so this does not hold: {one_line(example.expected)}"
    if check.outcome == "crash" and shown is not None:
        return f"{one_line(example.input)} should return {one_line(example.expected)}, but it fails with {_line(shown)}"
    return f"{one_line(example.input)} returned {one_line(example.actual)}, but it should return {one_line(example.expected)}."


def _line(diagnostic: Diagnostic) -> str:
    where = f" (line {diagnostic.span.line} of the code)" if diagnostic.span else ""
    return f"{one_line(diagnostic.message)}{where}"
