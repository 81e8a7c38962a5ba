"""Reads the checks of a task into what has to be run. Malformed checks are the user's fault and raise `InputError`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from burnish.core.errors import InputError
from burnish.core.records import CheckSpec, Task
from burnish.verifiers import _comparators as comparators
from burnish.verifiers import _python_tables as tables
from burnish.verifiers import _python_values as values
from burnish.verifiers._comparators import Comparator


@dataclass(frozen=True)
class Call:
    """One call: its inputs, and either what is due or the name of the exception that is due.

    `way` is how the call is made, see `sandbox.jobs.Calls`. `is_compared` is False where any returned value will do. `mutates`
    are the positional arguments as they must be afterwards; None: they do not matter. `loose` compares as an assert
    statement would: by Python's own `==` (1 equals True there), or with a tolerance by `abs(value - expected) < tolerance`.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    expected: Any = None
    raises: str = ""
    tolerance: float = 0.0
    loose: bool = False
    way: tuple[str, ...] = ()
    is_compared: bool = True
    mutates: tuple[Any, ...] | None = None

    def accepts(self, answer: Any) -> bool:
        """True if `answer`, rebuilt from the judged process, is what is due."""
        value, arguments = self.parts(answer)
        if self.raises or (self.mutates is not None and not values.same(arguments, self.mutates, self.tolerance)):
            return False
        if not self.is_compared:
            return True
        return values.agrees(value, self.expected, self.tolerance, self.loose)

    def parts(self, answer: Any) -> tuple[Any, Any]:
        """The returned value and the arguments afterwards (None unless they matter) in an answer of the judged process."""
        if self.mutates is None:
            return answer, None
        return answer if type(answer) is tuple and len(answer) == 2 else (answer, None)


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
    comparator: Comparator


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
        raise InputError(f'{where}: the task needs context["entry_point"], the name of the function or class to be checked.')
    try:
        return reader(spec, task.context.get("entry_point", ""))
    except (ValueError, TypeError) as error:
        raise InputError(f"{where}: {error}") from None


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str):
        raise ValueError(f"data[{name!r}] must be text, found {value!r}")
    return value


def _literal(data: dict[str, Any], name: str, kind: type, form: str) -> Any:
    value = values.parse(_text(data, name))
    if not isinstance(value, kind):
        raise ValueError(f"data[{name!r}] must be the literal of {form}, found {data[name]!r}")
    return value


def _call(spec: CheckSpec, entry_point: str) -> CallCheck:
    data = spec.data
    if not data.keys() & {"expected", "mutates", "raises"}:
        raise ValueError("data needs 'expected', 'mutates' or both, or else 'raises'")
    if data.get("as", "list") != "list":
        raise ValueError(f"data['as'] can only be 'list', found {data['as']!r}")
    call = _due(data, _literal(data, "args", tuple, "a tuple such as '(1, 2)' or '(1,)'"))
    way = (*(["list"] if "as" in data else []), *(["arguments"] if "mutates" in data else []))
    return CallCheck(spec, (dataclasses.replace(call, way=way),))


def _due(data: dict[str, Any], args: tuple[Any, ...]) -> Call:
    """A call with what its data say is due."""
    if "raises" in data and ("expected" in data or "mutates" in data):
        raise ValueError("data needs exactly one: what is due ('expected', 'mutates'), or the exception that is due ('raises')")
    kwargs = _literal(data, "kwargs", dict, "a dictionary such as '{\"key\": 1}'") if "kwargs" in data else {}
    if not all(isinstance(key, str) for key in kwargs):
        raise ValueError(f"data['kwargs'] must be a dictionary with text keys, found {data['kwargs']!r}")
    return Call(
        args,
        kwargs,
        expected=values.parse(_text(data, "expected")) if "expected" in data else None,
        raises=_text(data, "raises") if "raises" in data else "",
        tolerance=comparators.tolerance_of(data, 0.0),
        is_compared="expected" in data,
        mutates=_literal(data, "mutates", tuple, "the tuple of all positional arguments, such as '([1, 2],)'")
        if "mutates" in data
        else None,
    )


def _sequence(spec: CheckSpec, entry_point: str) -> CallCheck:
    steps = _operations(spec.data) if "operations" in spec.data else _steps(spec.data)
    if not steps or steps[0][0] != entry_point:
        raise ValueError(f"the first step must make the object: its name must be the entry point, {entry_point!r}")
    if steps[0][1].is_compared:
        raise ValueError("step 1 makes the object: what it returns cannot be compared")
    if not any(call.is_compared or call.raises for _, call in steps):
        raise ValueError("no step says what is expected of it, so every program would pass")
    ways = [("new",), *(("method", name) for name, _ in steps[1:])]
    return CallCheck(spec, tuple(dataclasses.replace(call, way=way) for (_, call), way in zip(steps, ways, strict=True)))


def _steps(data: dict[str, Any]) -> list[tuple[str, Call]]:
    rows = data.get("steps")
    if not isinstance(rows, list | tuple):
        raise ValueError(f"data['steps'] must be a list of steps, found {rows!r}")
    shared = {"tolerance": data["tolerance"]} if "tolerance" in data else {}
    steps = []
    for number, row in enumerate(rows, start=1):
        match row:
            case [str(name), str(args)]:
                due: dict[str, Any] = {}
            case [str(name), str(args), str(expected)]:
                due = {"expected": expected}
            case [str(name), str(args), dict(due)] if due.keys() <= {"expected", "kwargs", "raises", "tolerance"}:
                pass
            case _:
                forms = "[name, arguments], [name, arguments, expected] or [name, arguments, {'raises': …}]"
                raise ValueError(f"step {number} must be {forms} (other keys: expected, kwargs, tolerance), found {row!r}")
        try:
            steps.append((name, _due({**shared, **due}, _literal({"arguments": args}, "arguments", tuple, "a tuple such as '(1,)'"))))
        except ValueError as error:
            raise ValueError(f"step {number}, {name}: {error}") from None
    return steps


def _operations(data: dict[str, Any]) -> list[tuple[str, Call]]:
    """The form of three lists: names, arguments, results; the first result, of the object itself, is not compared."""
    names = data["operations"]
    arguments = _literal(data, "arguments", list, "a list such as '[[], [1]]'")
    expected = _literal(data, "expected", list, "a list such as '[None, 1]'")
    if not isinstance(names, list | tuple) or not len(names) == len(arguments) == len(expected):
        raise ValueError("data['operations'], data['arguments'] and data['expected'] must be lists of one length")
    if not all(isinstance(name, str) for name in names) or not all(isinstance(args, list | tuple) for args in arguments):
        raise ValueError("data['operations'] must hold names, data['arguments'] one list of arguments for each")
    tolerance = comparators.tolerance_of(data, 0.0)
    calls = [Call(tuple(args), {}, due, tolerance=tolerance) for args, due in zip(arguments, expected, strict=True)]
    return list(zip(names, [dataclasses.replace(call, is_compared=number > 0) for number, call in enumerate(calls)], strict=True))


def _asserts(spec: CheckSpec, entry_point: str) -> Plan:
    code = _text(spec.data, "code")
    return _table(spec, tables.of_asserts(code, entry_point)) or CodeCheck(spec, "assert", code)


def _check_function(spec: CheckSpec, entry_point: str) -> Plan:
    code = _text(spec.data, "code")
    return _table(spec, tables.of_check_function(code)) or CodeCheck(spec, "check", code)


def _table(spec: CheckSpec, rows: list[tables.Row] | None) -> CallCheck | None:
    if not rows:
        return None
    calls = (
        Call(row.args, row.kwargs, row.expected, tolerance=row.tolerance, loose=row.loose, way=("through", row.through) * bool(row.through))
        for row in rows
    )
    return CallCheck(spec, tuple(calls))


def _stdio(spec: CheckSpec, entry_point: str) -> StdioCheck:
    comparator = comparators.read(spec.data)
    is_needed = comparator.name != "checker" or "stdout" in spec.data
    return StdioCheck(spec, _text(spec.data, "stdin"), _text(spec.data, "stdout") if is_needed else "", comparator)


_READERS: dict[str, Callable[[CheckSpec, str], Plan]] = {
    "call": _call,
    "sequence": _sequence,
    "assert": _asserts,
    "check_function": _check_function,
    "stdio": _stdio,
}
KINDS = tuple(_READERS)
"""The kinds of checks of Python programs."""
