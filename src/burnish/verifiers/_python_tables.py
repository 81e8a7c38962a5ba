"""Reads test code that is only a table: straight `assert f(literals) == literal` lines become calls with expected values.

Such a check needs no second process: the calls run in the guest, the comparison (Python's own `==`, on rebuilt plain values)
in the trusted process. `assert f(x)`, `assert sorted(f(x)) == …` and loops over `range` are tables too: the guest makes the value
that is sent back by a built-in function. Anything else, however simple, is left to the driver process. Never evaluates code.
"""

from __future__ import annotations

import ast
import builtins
import operator
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from burnish.core import syntax

LONGEST = 200_000
"""Test code above this many characters is not parsed here."""
MOST_ROWS = 1000
"""Rows that loops may come to."""
_MAKERS = ("len", "list", "set", "sorted", "tuple")
"""Built-in functions of one argument that tests put around the call."""


class Row(NamedTuple):
    """One call. `loose`: Python's own `==` (or nearness) decides, not identity of type. `through`: what is made of the value first."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    expected: Any
    tolerance: float
    loose: bool
    through: str = ""


@lru_cache(maxsize=1 << 12)
def of_asserts(code: str, entry_point: str) -> list[Row] | None:
    """Rows of assert statements that call `entry_point`, or None if the code is anything more."""
    tree = parsed(code)
    return None if tree is None else _table(tree.body, entry_point)


@lru_cache(maxsize=1 << 12)
def of_check_function(code: str) -> list[Row] | None:
    """Rows of `def check(candidate): …`, or None if the code is anything more."""
    tree = parsed(code)
    if tree is None:
        return None
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    others = [node for node in tree.body if not isinstance(node, ast.FunctionDef)]
    if len(functions) != 1 or not all(_is_idle(node) or _is_metadata(node) for node in others):
        return None
    check = functions[0]
    names = [argument.arg for argument in check.args.args]
    plain = not (check.decorator_list or check.args.vararg or check.args.kwarg or check.args.kwonlyargs or check.args.posonlyargs)
    if check.name != "check" or len(names) != 1 or not plain:
        return None
    return _table(check.body, names[0])


def parsed(code: str) -> ast.Module | None:
    """The syntax tree of test code, None if it is too long or no Python."""
    if len(code) > LONGEST:
        return None
    try:
        return syntax.module(code)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def _table(body: list[ast.stmt], name: str) -> list[Row] | None:
    try:
        return _rows(body, name, {}) or None
    except (ValueError, TypeError, ArithmeticError, MemoryError, RecursionError):
        return None


def _rows(body: list[ast.stmt], name: str, known: Mapping[str, int]) -> list[Row]:
    """The rows of all statements; `known` are the variables of the loops around them. Raises `ValueError` for anything else."""
    rows: list[Row] = []
    for statement in body:
        match statement:
            case _ if _is_idle(statement):
                pass
            case ast.Assert(test=test):  # its message is left aside: it is only evaluated when the assert has failed
                rows.append(_row(test, name, known))
            case ast.For(target=ast.Name(id=variable), iter=ast.Call() as steps, orelse=[]) if variable != name:
                for value in _range(steps, known):
                    rows += _rows(statement.body, name, {**known, variable: value})
                    if len(rows) > MOST_ROWS:
                        raise ValueError("too many rows")
            case _:
                raise ValueError("not a table")
    return rows


def _range(steps: ast.Call, known: Mapping[str, int]) -> range:
    match steps:
        case ast.Call(func=ast.Name(id="range"), args=bounds, keywords=[]) if "range" not in known:
            found = range(*(_constant(bound, known) for bound in bounds))
            if len(found) <= MOST_ROWS:
                return found
    raise ValueError("not a short range")


def _is_idle(statement: ast.stmt) -> bool:
    """Docstrings, `pass`, `assert True`, and the bare name of a built-in function."""
    match statement:
        case ast.Assert(test=ast.Constant(value=True)) | ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Expr(value=ast.Name(id=name)):
            return hasattr(builtins, name)
    return False


def _is_metadata(statement: ast.stmt) -> bool:
    """`METADATA = {…}`: a constant that no straight assert can read."""
    return (
        isinstance(statement, ast.Assign)
        and all(isinstance(target, ast.Name) for target in statement.targets)
        and _is_literal(statement.value)
    )


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, MemoryError, RecursionError):
        return False
    return True


def _row(test: ast.expr, name: str, known: Mapping[str, int]) -> Row:
    match test:
        case ast.Call():
            return _called(test, name, known, True, 0.0, False, "bool")
        case ast.UnaryOp(op=ast.Not(), operand=ast.Call() as call):
            return _called(call, name, known, False, 0.0, False, "bool")
        case ast.Compare(left=ast.Call() as call, ops=[ast.Is()], comparators=[ast.Constant(value=True | False | None as expected)]):
            return _called(call, name, known, expected, 0.0, False)
        case ast.Compare(
            left=ast.Call(func=ast.Name(id=maker), args=[ast.Call() as call], keywords=[]), ops=[ast.Eq()], comparators=[due]
        ) if maker in _MAKERS and maker not in (name, *known):
            return _called(call, name, known, _constant(due, known), 0.0, True, maker)
        case ast.Compare(left=ast.Call() as call, ops=[ast.Eq()], comparators=[due]):
            return _called(call, name, known, _constant(due, known), 0.0, True)
        case ast.Compare(
            left=ast.Call(func=ast.Name(id="abs"), args=[ast.BinOp(left=ast.Call() as call, op=ast.Sub(), right=due)], keywords=[]),
            ops=[ast.Lt()],
            comparators=[bound],
        ):
            number, tolerance = _constant(due, known), _constant(bound, known)
            if isinstance(number, int | float) and isinstance(tolerance, int | float) and tolerance > 0:
                return _called(call, name, known, number, float(tolerance), True)
    raise ValueError("not a row of a table")


def _called(call: ast.Call, name: str, known: Mapping[str, int], expected: Any, tolerance: float, loose: bool, through: str = "") -> Row:
    if not isinstance(call.func, ast.Name) or call.func.id != name or not all(keyword.arg for keyword in call.keywords):
        raise ValueError("not a plain call of the entry point")
    arguments = tuple(_constant(argument, known) for argument in call.args)
    named = {str(keyword.arg): _constant(keyword.value, known) for keyword in call.keywords}
    return Row(arguments, named, expected, tolerance, loose, through)


def _constant(node: ast.expr, known: Mapping[str, int]) -> Any:
    """The value of a literal, or of small sums, products, joins and conversions of literals. Raises `ValueError` for anything else."""
    match node:
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _combined(op, _constant(left, known), _constant(right, known))
        case ast.List(elts=items):
            return [_constant(item, known) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_constant(item, known) for item in items)
        case ast.Name(id=name) if name in known:
            return known[name]
        case ast.Call(func=ast.Name(id="str"), args=[ast.Name(id=name)], keywords=[]) if name in known and "str" not in known:
            return str(known[name])
        case ast.Call(func=ast.Name(id="tuple" | "list" | "set" as maker), args=[ast.List() | ast.Tuple() as items], keywords=[]):
            if maker not in known:
                return getattr(builtins, maker)(_constant(items, known))
    return ast.literal_eval(node)


def _combined(op: ast.operator, left: Any, right: Any) -> Any:
    numbers = all(type(value) is float or (type(value) is int and abs(value) < 1 << 64) for value in (left, right))
    joins = isinstance(op, ast.Add) and type(left) is type(right) and type(left) in (str, list) and len(left) + len(right) < LONGEST
    if not joins and (not numbers or (isinstance(op, ast.Pow) and abs(right) > 64)):
        raise ValueError("not a small constant")
    return _OPERATORS[type(op)](left, right)


_OPERATORS: dict[type[ast.operator], Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
