"""What every curation needs: which attempts may be learned from, when two programs are the same, and a fair choice.

A label is a verdict over all checks of the task, hidden ones included. Unscored attempts and those with any sign of
tampering are in no example, neither as target nor as context.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterable
from typing import TypeVar

from burnish.core.errors import InputError
from burnish.core.records import Attempt, Verdict
from burnish.core.seeds import derive_seed

T = TypeVar("T")


def usable(label: Verdict) -> bool:
    """True if the label decides something and nothing hints at an attack on the judge."""
    return label.scored and label.status != "tampered" and not label.tamper


def verified(attempt: Attempt, label: Verdict) -> bool:
    """True if the attempt holds a program that passes every check."""
    return usable(label) and label.passed and bool(attempt.artefacts.get("code", "").strip())


def explanation_of(attempt: Attempt) -> str:
    """The prose before the attempt's program; empty if there is none."""
    parts = [attempt.text[span.start : span.end].strip() for span in attempt.spans if span.kind == "explanation"]
    return "\n\n".join(part for part in parts if part)


def same_program(code: str) -> str:
    """A key that is equal for programs that differ in comments, blank lines, quotes or spacing only."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.unparse(ast.parse(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "\n".join(line.rstrip() for line in code.splitlines() if line.strip())


def choose(items: Iterable[T], limit: int, *, seed: int, name: Callable[[T], str], key: Callable[[T], str]) -> list[T]:
    """At most `limit` items, no two with the same `key`, drawn at random by `seed`; the order of `items` has no influence."""
    chosen: dict[str, T] = {}
    for item in sorted(items, key=lambda item: (derive_seed(seed, name(item)), name(item))):
        chosen.setdefault(key(item), item)
    return list(chosen.values())[:limit]


def check_limits(**limits: int) -> None:
    """Raise `InputError` for a limit that lets nothing through."""
    for name, value in limits.items():
        if value < 1:
            raise InputError(f"The option {name} is {value}; it must be at least 1.")
