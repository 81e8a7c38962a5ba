"""Reads test code that is only a table: straight `assert f(literals) == literal` lines become calls with expected values.

Such a check needs no second process: the calls run in the guest, the comparison (Python's own `==`, on rebuilt plain values)
in the trusted process. Anything else, however simple, is left to the driver process. Never evaluates code.
"""

from __future__ import annotations

import ast
import operator
from functools import lru_cache
from typing import Any

LONGEST = 200_000
"""Test code above this many characters is not parsed here."""
Row = tuple[tuple[Any, ...], dict[str, Any], Any, float, bool]
"""Arguments, keyword arguments, expected value, tolerance, whether Python's own `==` (or nearness) decides, not identity of type."""


@lru_cache(maxsize=1 << 12)
def of_asserts(code: str, entry_point: str) -> list[Row] | None:
    """Rows of assert statements that call `entry_point`, or None if the code is anything more."""
    tree = parsed(code)
    return None if tree is None else _rows(tree.body, entry_point)


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
    return _rows(check.body, names[0])


def parsed(code: str) -> ast.Module | None:
    """The syntax tree of test code, None if it is too long or no Python."""
    if len(code) > LONGEST:
        return None
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def _rows(body: list[ast.stmt], name: str) -> list[Row] | None:
    rows = []
    for statement in body:
        if _is_idle(statement):
            continue
        row = _row(statement, name)
        if row is None:
            return None
        rows.append(row)
    return rows or None


def _is_idle(statement: ast.stmt) -> bool:
    """Docstrings, `pass`, and `assert True`."""
    if isinstance(statement, ast.Assert):
        return isinstance(statement.test, ast.Constant) and statement.test.value is True
    return isinstance(statement, ast.Pass) or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))


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


def _row(statement: ast.stmt, name: str) -> Row | None:
    """The row of one assert. Its message is left aside: it is only evaluated when the assert has failed."""
    if not isinstance(statement, ast.Assert) or not isinstance(statement.test, ast.Compare):
        return None
    try:
        match statement.test:
            case ast.Compare(left=ast.Call() as call, ops=[ast.Eq()], comparators=[expected]):
                return _called(call, name, _constant(expected), 0.0, True)
            case ast.Compare(left=ast.Call() as call, ops=[ast.Is()], comparators=[ast.Constant(value=True | False | None as expected)]):
                return _called(call, name, expected, 0.0, False)
            case ast.Compare(
                left=ast.Call(
                    func=ast.Name(id="abs"), args=[ast.BinOp(left=ast.Call() as call, op=ast.Sub(), right=expected)], keywords=[]
                ),
                ops=[ast.Lt()],
                comparators=[bound],
            ):
                number, tolerance = _constant(expected), _constant(bound)
                is_near = isinstance(number, int | float) and isinstance(tolerance, int | float) and tolerance > 0
                return _called(call, name, number, float(tolerance), True) if is_near else None
    except (ValueError, TypeError, ArithmeticError, MemoryError, RecursionError):
        return None
    return None


def _called(call: ast.Call, name: str, expected: Any, tolerance: float, loose: bool) -> Row | None:
    if not isinstance(call.func, ast.Name) or call.func.id != name or not all(keyword.arg for keyword in call.keywords):
        return None
    arguments = tuple(_constant(argument) for argument in call.args)
    named = {str(keyword.arg): _constant(keyword.value) for keyword in call.keywords}
    return arguments, named, expected, tolerance, loose


def _constant(node: ast.expr) -> Any:
    """The value of a literal, or of small sums, products and joins of literals. Raises `ValueError` for anything else."""
    match node:
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _combined(op, _constant(left), _constant(right))
        case ast.List(elts=items):
            return [_constant(item) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_constant(item) for item in items)
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
