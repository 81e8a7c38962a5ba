"""How the families of first functions are written down, and how that becomes tasks.

One `Function` is one task. Its checks are written `arguments -> expected`, several of them separated by ` ; ` or a
line break; both sides are Python literals and stay source text. Nothing is executed here.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from typing import NamedTuple

from burnish.core.records import CheckSpec, Task

TOLERANCE = 1e-6
"""Allowed difference for functions that return a float: formulas that are equal on paper differ in the last bits."""


class Function(NamedTuple):
    """One beginner's task: its concept, the typed signature, what it returns, the reference body and its checks."""

    concept: str
    signature: str
    says: str
    body: str
    shown: str
    hidden: str


class Family(NamedTuple):
    """Functions of one kind. Train and test never share a concept."""

    name: str
    train: tuple[Function, ...]
    test: tuple[Function, ...]

    def tasks(self) -> Iterator[Task]:
        """The family's tasks, train first."""
        for split, functions in (("train", self.train), ("test", self.test)):
            yield from (_task(function, self.name, split) for function in functions)


def _task(function: Function, family: str, split: str) -> Task:
    name = function.signature.partition("(")[0]
    return Task(
        id=f"first-functions/{name}",
        group_id=function.concept,
        kind="python",
        prompt=f"Write a Python function `{function.signature}` that {function.says}",
        context={"entry_point": name, "signature": function.signature, "language": "python"},
        checks=(*_checks(function, "visible"), *_checks(function, "hidden")),
        refs=(f"def {function.signature}:\n{textwrap.indent(textwrap.dedent(function.body).strip(), '    ')}\n",),
        meta={"split": split, "family": family, "concept": function.concept},
    )


def _checks(function: Function, view: str) -> Iterator[CheckSpec]:
    text = function.shown if view == "visible" else function.hidden
    extra = {"tolerance": TOLERANCE} if function.signature.endswith("-> float") else {}
    for number, line in enumerate(re.split(r"\s*\n\s*|\s+;\s+", text.strip()), start=1):
        arguments, expected = line.split(" -> ")
        data = {"args": _tuple_literal(arguments), "expected": expected.strip(), **extra}
        yield CheckSpec(id=f"{view}-{number}", kind="call", data=data, hidden=view == "hidden")


def _tuple_literal(arguments: str) -> str:
    """`2, 3` → `(2, 3)` and `'a'` → `('a',)`, kept as source so that the order inside sets stays as written."""
    single = len(ast.literal_eval(f"[{arguments}]")) == 1
    return f"({arguments},)" if single else f"({arguments})"
