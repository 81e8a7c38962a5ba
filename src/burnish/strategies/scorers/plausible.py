"""A simple heuristic without execution: does it parse so far, is it the function that is wanted, does it avoid repetition?"""

from __future__ import annotations

from collections.abc import Sequence

from burnish.core import syntax
from burnish.core.records import Attempt, Task
from burnish.strategies.base import Judge, Writer
from burnish.text.code import defines, wanted_name


async def plausible(task: Task, program: str, attempts: Sequence[Attempt], policy: Writer, verifier: Judge) -> tuple[float, ...]:
    """One score: the mean of the three answers, of which the last is the share of distinct lines."""
    lines = [line.strip() for line in program.splitlines() if line.strip()]
    name = wanted_name(task)
    parts = (float(parses(program)), float(name is None or defines(program, name)), len(set(lines)) / max(len(lines), 1))
    return (sum(parts) / len(parts),)


def parses(program: str) -> bool:
    """True if the text is Python, or its first lines: then it parses once the open block has a body."""
    lines = program.rstrip().splitlines()
    last = lines[-1] if lines else ""
    indent = last[: len(last) - len(last.lstrip())] + "    "
    return any(_is_python(text) for text in (program, f"{program.rstrip()}\n{indent}pass"))


def _is_python(text: str) -> bool:
    try:
        syntax.module(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
