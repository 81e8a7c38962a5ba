"""Reads the checks of a task into what has to be run. Malformed checks are the user's fault and raise `InputError`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from burnish.core.errors import InputError
from burnish.core.records import CheckSpec, Task
from burnish.verifiers import _python_tables as tables
from burnish.verifiers import _python_values as values

COMPARATORS: dict[str, Callable[[str, str], bool]] = {
    "tokens": lambda actual, expected: actual.split() == expected.split(),
    "exact": lambda actual, expected: actual == expected,
}


@dataclass(frozen=True)
class Call:
    """One call: its inputs, and either the expected value or the name of the exception that is due.

    `loose` compares by Python's own `==` (1 equals True there), as an assert statement would.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    expected: Any = None
    raises: str = ""
    tolerance: float = 0.0
    loose: bool = False

    def accepts(self, value: Any) -> bool:
        """True if `value`, rebuilt from the judged process, is the answer that is due."""
        if self.raises:
            return False
        return bool(value == self.expected) if self.loose else values.same(value, self.expected, self.tolerance)


@dataclass(frozen=True)
class CallCheck:
    """A check that is decided by calls compared in the trusted process."""

    spec: CheckSpec
    calls: tuple[Call, ...]


@dataclass(frozen=True)
class CodeCheck:
    """A check that is test code, run in a second jailed process. kind: `assert` or `check`."""

    spec: CheckSpec
    kind: str
    code: str


@dataclass(frozen=True)
class StdioCheck:
    """A check of a whole program: stdin to stdout."""

    spec: CheckSpec
    stdin: str
    stdout: str
    comparator: str


Plan = CallCheck | CodeCheck | StdioCheck


def plan(task: Task) -> list[Plan]:
    """One plan per check, in order. Raises `InputError` naming the task and the check that cannot be read."""
    return [_plan_one(task, spec) for spec in task.checks]


def _plan_one(task: Task, spec: CheckSpec) -> Plan:
    reader = _READERS.get(spec.kind)
    where = f"task {task.id!r}, check {spec.id!r}"
    if reader is None:
        raise InputError(f"{where}: unknown kind {spec.kind!r} for a Python task. Known: {', '.join(sorted(_READERS))}.")
    if spec.kind != "stdio" and not isinstance(task.context.get("entry_point"), str):
        raise InputError(f'{where}: the task needs context["entry_point"], the name of the function to be checked.')
    try:
        return reader(spec, task.context.get("entry_point", ""))
    except (ValueError, TypeError) as error:
        raise InputError(f"{where}: {error}") from None


def _text(spec: CheckSpec, name: str) -> str:
    value = spec.data.get(name)
    if not isinstance(value, str):
        raise ValueError(f"data[{name!r}] must be text, found {value!r}")
    return value


def _call(spec: CheckSpec, entry_point: str) -> CallCheck:
    data = spec.data
    args = values.parse(_text(spec, "args"))
    kwargs = values.parse(_text(spec, "kwargs")) if "kwargs" in data else {}
    if not isinstance(args, tuple):
        raise ValueError(f"data['args'] must be the literal of a tuple such as '(1, 2)' or '(1,)', found {data['args']!r}")
    if not isinstance(kwargs, dict) or not all(isinstance(key, str) for key in kwargs):
        raise ValueError("data['kwargs'] must be the literal of a dictionary with text keys")
    if ("expected" in data) == ("raises" in data):
        raise ValueError("data needs exactly one of 'expected' and 'raises'")
    if "raises" in data:
        return CallCheck(spec, (Call(args, kwargs, raises=_text(spec, "raises")),))
    tolerance = data.get("tolerance", 0.0)
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not tolerance >= 0:
        raise ValueError(f"data['tolerance'] must be a number from 0 on, found {tolerance!r}")
    return CallCheck(spec, (Call(args, kwargs, values.parse(_text(spec, "expected")), tolerance=float(tolerance)),))


def _asserts(spec: CheckSpec, entry_point: str) -> Plan:
    code = _text(spec, "code")
    return _table(spec, tables.of_asserts(code, entry_point)) or CodeCheck(spec, "assert", code)


def _check_function(spec: CheckSpec, entry_point: str) -> Plan:
    code = _text(spec, "code")
    return _table(spec, tables.of_check_function(code)) or CodeCheck(spec, "check", code)


def _table(spec: CheckSpec, rows: list[tables.Row] | None) -> CallCheck | None:
    return CallCheck(spec, tuple(Call(args, kwargs, expected, loose=True) for args, kwargs, expected in rows)) if rows else None


def _stdio(spec: CheckSpec, entry_point: str) -> StdioCheck:
    comparator = spec.data.get("comparator", "tokens")
    if comparator not in COMPARATORS:
        raise ValueError(f"unknown comparator {comparator!r}. Known: {', '.join(sorted(COMPARATORS))}")
    return StdioCheck(spec, _text(spec, "stdin"), _text(spec, "stdout"), comparator)


_READERS: dict[str, Callable[[CheckSpec, str], Plan]] = {
    "call": _call,
    "assert": _asserts,
    "check_function": _check_function,
    "stdio": _stdio,
}
