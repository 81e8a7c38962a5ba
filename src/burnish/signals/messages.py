"""Messages of compilers, linters and other tools about an artefact, each with the line that it is about. Pure; bounded."""

from __future__ import annotations

from burnish.core.records import Diagnostic, Verdict
from burnish.signals.feedback import feedback
from burnish.signals.quote import one_line

MOST = 8
"""Messages that are shown."""
_RANK = {"error": 0, "warn": 1, "info": 2}


def messages(verdict: Verdict, code: str, *, most: int = MOST) -> str:
    """What the tools said about `code`, errors first, then in the order of lines. Only what a model may see; empty if nothing."""
    visible = {(d.message, d.span): d for d in _all(verdict) if d.visibility == "model"}.values()
    found = sorted(visible, key=lambda d: (_RANK[d.severity], d.span.line if d.span else 0))
    left = [f"… {len(found) - most} more …"] if len(found) > most else []
    return "\n".join([*(_message(d, code.splitlines()) for d in found[:most]), *left])


def report(verdict: Verdict, code: str, *, failures: int) -> str:
    """All that is wrong with `code`: what the tools said if it cannot be used, else its first `failures` failed tests."""
    if verdict.status == "invalid" and (said := messages(verdict, code)):
        return f"The code cannot be used:\n{said}"
    return feedback(verdict, failures=failures)


def _all(verdict: Verdict) -> list[Diagnostic]:
    return [*verdict.diagnostics, *(d for check in verdict.checks if not check.hidden for d in check.diagnostics)]


def _message(diagnostic: Diagnostic, rows: list[str]) -> str:
    where = f"line {diagnostic.span.line}: " if diagnostic.span else ""
    parts = [f"{where}{diagnostic.severity}: {one_line(diagnostic.message)}"]
    if diagnostic.span and diagnostic.span.line <= len(rows) and rows[diagnostic.span.line - 1].strip():
        parts.append(f"| {one_line(rows[diagnostic.span.line - 1].strip())}")
    if diagnostic.hint:
        parts.append(f"  hint: {one_line(diagnostic.hint)}")
    return "\n".join(parts)
