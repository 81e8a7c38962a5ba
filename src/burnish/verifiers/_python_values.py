"""Values of Python checks: read from literals, compared as exact built-in types (`same`), shown within bounds."""

from __future__ import annotations

import ast
import math
import reprlib
from functools import lru_cache
from typing import Any

from burnish.core import syntax
from burnish.sandbox.inside.codec import Opaque
from burnish.sandbox.inside.compare import agrees as agrees
from burnish.sandbox.inside.compare import same as same
from burnish.text.visible import SHOWN as SHOWN
from burnish.text.visible import clean as clean


@lru_cache(maxsize=1 << 14)
def parse(text: str) -> Any:
    """The value of a Python literal; `inf`, `nan` and `float('inf')` are understood. Raises `ValueError`.

    The value is shared between callers: nobody may change it.
    """
    try:
        tree = _Infinities().visit(syntax.expression(text.strip()))
        return ast.literal_eval(tree)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError(f"{text[:80]!r} is not a Python literal: {error}") from None


class _Infinities(ast.NodeTransformer):
    _values = {"inf": math.inf, "nan": math.nan}

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.copy_location(ast.Constant(self._values[node.id]), node) if node.id in self._values else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        is_float = isinstance(node.func, ast.Name) and node.func.id == "float" and len(node.args) == 1 and not node.keywords
        argument = node.args[0] if is_float else None
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            return ast.copy_location(ast.Constant(float(argument.value)), node)
        return node


def is_plain(value: Any) -> bool:
    """True if there is nothing in a value that could not be rebuilt."""
    if isinstance(value, dict):
        return all(is_plain(key) and is_plain(item) for key, item in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(is_plain, value))
    return not isinstance(value, Opaque)


class _Bounded(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother, self.maxlong = 8, 300, 300, 100
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = self.maxdeque = self.maxarray = 40

    def repr_int(self, value: int, level: int) -> str:
        return repr(value) if value.bit_length() < 400 else f"<int of {value.bit_length()} bits>"

    def repr1(self, x: Any, level: int) -> str:
        if isinstance(x, Opaque):
            return x.text or f"<{x.type_name}>"
        return super().repr1(x, level)


_bounded = _Bounded()


def show(value: Any) -> str:
    """`repr` of a value, at most `SHOWN` characters, safe to print and to store."""
    return clean(_bounded.repr(value))


def call_source(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """A call as source text, bounded."""
    shown = [show(value) for value in args] + [f"{key}={show(value)}" for key, value in kwargs.items()]
    return clean(f"{name}({', '.join(shown)})")
