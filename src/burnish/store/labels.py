"""The label of an attempt: one verdict over all checks of its task. A pure function; nothing is believed by default.

A part of the checks that was not judged, or that the judge could not judge, counts as undecided: with it an attempt can
still be certainly wrong, but never right. Attempts that are not `usable` are in no example and in no export that is trained on,
neither as target nor as context.
"""

from __future__ import annotations

from functools import reduce

from burnish.core.records import Attempt, Check, Outcome, Task, Verdict


def label_of(task: Task, visible: Verdict | None, hidden: Verdict | None, overall: Verdict | None = None) -> Verdict:
    """The verdict over all checks: `overall` if there is one, else `visible` and `hidden` merged.

    A task without checks gives `unknown`, whatever was judged.
    """
    if overall is not None and task.checks:
        return overall
    parts = [("visible", task.visible(), visible), ("hidden", task.hidden(), hidden)]
    judged = [_decided(name, verdict) for name, checks, verdict in parts if checks]
    return reduce(Verdict.merge, judged) if judged else Verdict.of(())


def usable(label: Verdict) -> bool:
    """True if the label decides something and nothing hints at an attack on the judge."""
    return label.scored and label.status != "tampered" and not label.tamper


def verified(attempt: Attempt, label: Verdict) -> bool:
    """True if the attempt holds a program that passes every check."""
    return usable(label) and label.passed and bool(attempt.artefacts.get("code", "").strip())


def _decided(part: str, verdict: Verdict | None) -> Verdict:
    """`verdict`, or a stand-in that keeps the whole undecided where there is no finding about any check."""
    if verdict is not None and (verdict.checks or verdict.scored):
        return verdict
    outcome: Outcome = "error" if verdict is not None and verdict.status == "error" else "unknown"
    return Verdict.of([Check(id=f"{part} checks", kind="not judged", outcome=outcome, hidden=part == "hidden")])
