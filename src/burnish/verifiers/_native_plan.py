"""Reads the checks of a task of a compiled language. Malformed checks are the user's fault and raise `InputError`."""

from __future__ import annotations

from dataclasses import dataclass

from burnish.core.errors import InputError
from burnish.core.records import CheckSpec, Task
from burnish.verifiers import _comparators as comparators


@dataclass(frozen=True)
class StdioCheck:
    """A check of a whole program: stdin to stdout."""

    spec: CheckSpec
    stdin: str
    stdout: str
    comparator: comparators.Comparator


@dataclass(frozen=True)
class MainCheck:
    """A check that is test code with a `main`."""

    spec: CheckSpec
    code: str


Plan = StdioCheck | MainCheck


def plan(task: Task) -> list[Plan]:
    """One plan per check, in order. Raises `InputError` naming the task and the check that cannot be read."""
    return [_plan_one(task, spec) for spec in task.checks]


def _plan_one(task: Task, spec: CheckSpec) -> Plan:
    where = f"task {task.id!r}, check {spec.id!r}"
    if spec.kind == "main":
        return MainCheck(spec, _text(spec, "code", where))
    if spec.kind != "stdio":
        raise InputError(f"{where}: unknown kind {spec.kind!r} for a task of kind {task.kind!r}. Known: main, stdio.")
    try:
        comparator = comparators.read(spec.data)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None
    return StdioCheck(spec, _text(spec, "stdin", where), _text(spec, "stdout", where), comparator)


def _text(spec: CheckSpec, name: str, where: str) -> str:
    value = spec.data.get(name)
    if not isinstance(value, str):
        raise InputError(f"{where}: data[{name!r}] must be text, found {value!r}.")
    return value
