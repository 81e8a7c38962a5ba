"""What every curation needs: when two programs are the same, and a fair choice."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterable
from typing import TypeVar

from burnish.core import syntax
from burnish.core.errors import InputError
from burnish.core.records import Attempt
from burnish.core.seeds import derive_seed

T = TypeVar("T")


def explanation_of(attempt: Attempt) -> str:
    """The prose before the attempt's program; empty if there is none."""
    parts = [attempt.text[span.start : span.end].strip() for span in attempt.spans if span.kind == "explanation"]
    return "\n\n".join(part for part in parts if part)


def same_program(code: str) -> str:
    """A key that is equal for programs that differ in comments, blank lines, quotes or spacing only."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.unparse(syntax.module(code))
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
