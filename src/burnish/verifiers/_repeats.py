"""Folds the checks of several runs of one judgement into one: what the runs disagree on is unknown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from burnish.core.records import FAILED, Check, Diagnostic


def agreed(runs: Sequence[Sequence[Check]]) -> list[Check]:
    """One check per place. Runs in which it was skipped, or in which our own machinery failed, do not count."""
    return [_agreed(checks) for checks in zip(*runs, strict=True)]


def _agreed(checks: Sequence[Check]) -> Check:
    judged = [check for check in checks if check.outcome not in ("skip", "error")]
    if not judged:
        return next((check for check in checks if check.outcome == "error"), checks[0])
    passed = sum(check.outcome == "pass" for check in judged)
    folded = msgspec.structs.replace(judged[0], runs=len(judged), pass_runs=passed, wall_s=sum(check.wall_s for check in checks))
    if len({"fail" if check.outcome in FAILED else check.outcome for check in judged}) == 1:
        return folded
    counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(Counter(check.outcome for check in judged).items()))
    note = Diagnostic(
        code="flaky",
        message=f"{len(judged)} runs of this check disagree: {counts}",
        visibility="eval" if judged[0].hidden else "model",
    )
    return msgspec.structs.replace(folded, outcome="unknown", diagnostics=(note,), counterexample=None)
