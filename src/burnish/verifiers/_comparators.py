"""Comparators of what a program printed with what it should have printed; the same for every language.

`exact`: every character. `lines`: as `exact`, but white space at the ends of lines and blank lines at the end do not count.
`tokens`: the parts between white space. `yes_no`: as `tokens`, upper and lower case are one. `numeric`: as `tokens`, numbers
within a tolerance. `checker`: a program decides; it may be generated, so it runs in the jail, and what is wrong with it is
an error and never a failure of the program under judgement.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from burnish.sandbox.jobs import Bounds, Calls, Program, Run
from burnish.sandbox.pool import Sandbox
from burnish.text.visible import clean

TOLERANCE = 1e-6
"""Tolerance of `numeric`, relative and absolute, unless the check says otherwise."""
CHECKER_BOUNDS = Bounds(wall_s=10.0, cpu_s=10.0, memory_mb=1024)
"""Limits of one run of a checker program: the judge's own, not those of the program under judgement."""
_LONGEST_NUMBER = 400
_EXCERPT = 60
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?", re.ASCII | re.IGNORECASE)
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_SPECIAL = re.compile(r"[+-]?(?:inf|infinity|nan)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Comparator:
    """How outputs are compared: a name of `COMPARATORS`, the tolerance of `numeric`, the source of a `checker`."""

    name: str = "tokens"
    tolerance: float = TOLERANCE
    checker: str = ""


@dataclass(frozen=True)
class Comparison:
    """Whether an output is accepted (`error`: the checker program could not say), and if not, why."""

    outcome: Literal["pass", "fail", "error"]
    message: str = ""


def read(data: dict[str, Any]) -> Comparator:
    """The comparator that a check's data ask for. Raises `ValueError` saying what is wrong with them."""
    name = data.get("comparator", "tokens")
    if name not in COMPARATORS:
        raise ValueError(f"unknown comparator {name!r}. Known: {', '.join(COMPARATORS)}")
    if (name == "checker") != ("checker" in data):
        raise ValueError('data[\'checker\'], a checker program\'s source, goes with "comparator": "checker"; one of the two is missing')
    if "tolerance" in data and name != "numeric":
        raise ValueError('data[\'tolerance\'] is read by "comparator": "numeric" only')
    checker = data.get("checker", "")
    if not isinstance(checker, str):
        raise ValueError(f"data['checker'] must be the source of a program that defines check(stdin, expected, actual), found {checker!r}")
    return Comparator(name, tolerance_of(data, TOLERANCE), checker)


def tolerance_of(data: dict[str, Any], default: float) -> float:
    """`data["tolerance"]`, or the default. Raises `ValueError` unless it is a finite number from 0 on."""
    tolerance = data.get("tolerance", default)
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not 0 <= tolerance < math.inf:
        raise ValueError(f"data['tolerance'] must be a finite number from 0 on, found {tolerance!r}")
    return float(tolerance)


def compare(comparator: Comparator, stdin: str, expected: str, actual: str, sandbox: Sandbox) -> Comparison:
    """Judge one output. Only a `checker` uses the sandbox; raises `SandboxError` if that fails."""
    if comparator.name == "checker":
        job = Calls(program=Program(source=comparator.checker, entry_point="check"), calls=[(0, (stdin, expected, actual), {})])
        return _answer(sandbox.run(job, CHECKER_BOUNDS))
    split = _SPLITS[comparator.name]
    due, found = split(expected), split(actual)
    if due == found:
        return Comparison("pass")
    same = _same(comparator)
    index = next((n for n, (left, right) in enumerate(zip(due, found, strict=False)) if left != right and not same(left, right)), None)
    if index is None:
        if len(due) == len(found):
            return Comparison("pass")
        index = min(len(due), len(found))
    return Comparison("fail", _difference("line" if split in (_raw_lines, _lines) else "token", index, due, found, actual))


def _answer(run: Run) -> Comparison:
    """What a checker said. Its frames are as untrusted as any."""
    match run.guest[:2]:
        case [("ready",), ("value", bool(accepted), *_)]:
            return Comparison("pass" if accepted else "fail", "the checker rejects the output")
        case [("ready",), ("value", (bool(accepted), str(message)), *_)]:
            return Comparison("pass" if accepted else "fail", clean(f"the checker rejects the output: {message}"))
        case [("ready",), ("value", *_)]:
            why = "it returned neither a bool nor a bool and a text"
        case [("ready",), ("raised" | "load", (list(names), str(text), _), *_)]:
            why = f"it raised {str(names[0]).removeprefix('builtins.') if names else 'something'}: {text}"
        case [("ready",), ("syntax", _, str(text), *_)]:
            why = f"it is not a Python program: {text}"
        case [("ready",), ("missing", *_)]:
            why = "it defines no function check(stdin, expected, actual)"
        case _:
            why = "it ended, or exceeded a limit, before it had answered"
    return Comparison("error", clean(f"the checker program failed: {why}"))


def _same(comparator: Comparator) -> Callable[[str, str], bool]:
    if comparator.name == "numeric":
        return lambda due, found: _same_number(due, found, comparator.tolerance)
    if comparator.name == "yes_no":
        return lambda due, found: _folded(due) == _folded(found)
    return lambda due, found: False


def _folded(token: str) -> str:
    """Lower case, for ASCII only: letters that merely fold to others stay what they are."""
    return token.lower() if token.isascii() else token


def _same_number(due: str, found: str, tolerance: float) -> bool:
    """True if both are numbers and close. Two integers must be equal: a tolerance is for what was computed in floating point."""
    if max(len(due), len(found)) > _LONGEST_NUMBER:
        return False
    if _INTEGER.fullmatch(due) and _INTEGER.fullmatch(found):
        return int(due) == int(found)
    left, right = _number(due), _number(found)
    if left is None or right is None:
        return False
    return math.isclose(left, right, rel_tol=tolerance, abs_tol=tolerance) or (left != left and right != right)


def _number(token: str) -> float | None:
    """The number that a token stands for; None for text, and for digits too large for a float, which are not infinity."""
    if _SPECIAL.fullmatch(token):
        return float(token)
    value = float(token) if _NUMBER.fullmatch(token) else math.inf
    return value if math.isfinite(value) else None


def _raw_lines(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]


_SPLITS: dict[str, Callable[[str], list[str]]] = {
    "exact": _raw_lines,
    "lines": _lines,
    "numeric": str.split,
    "tokens": str.split,
    "yes_no": str.split,
}
COMPARATORS = ("checker", *sorted(_SPLITS))
"""Names of the comparators."""


def _difference(unit: str, index: int, due: Sequence[str], found: Sequence[str], actual: str) -> str:
    """Where the outputs part, in words; at most a few hundred characters."""
    number = f"{unit} {index + 1}"
    if index >= len(found):
        return f"the output ends before {number}: expected {_excerpt(due[index], 0)}"
    line = f" (line {_line_of(index, actual)} of the output)" if unit == "token" else ""
    if index >= len(due):
        return f"{number}{line}: expected the end of the output, found {_excerpt(found[index], 0)}"
    start = _common(due[index], found[index])
    return f"{number}{line}: expected {_excerpt(due[index], start)}, found {_excerpt(found[index], start)}"


def _line_of(index: int, text: str) -> int:
    """The line, from 1, of the token with this index, from 0."""
    before = 0
    for number, line in enumerate(text.split("\n"), start=1):
        before += len(line.split())
        if before > index:
            return number
    raise IndexError(index)


def _common(left: str, right: str) -> int:
    """Length of the common beginning."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _excerpt(text: str, where: int) -> str:
    """The part of `text` around the character `where`, quoted."""
    start = max(0, where - _EXCERPT // 3) if len(text) > _EXCERPT else 0
    end = start + _EXCERPT
    return f"{'…' if start else ''}{text[start:end]!r}{'…' if end < len(text) else ''}"
