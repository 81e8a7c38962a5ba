"""Reads test code that is only a table: straight `assert f(literals) == literal` lines become calls with expected values.

Such a check needs no second process: the calls run in the guest, the comparison (Python's own `==`, on rebuilt plain values)
in the trusted process. Anything else, however simple, is left to the driver process. Never evaluates code.
"""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import Any

LONGEST = 200_000
"""Test code above this many characters is not parsed here."""
Row = tuple[tuple[Any, ...], dict[str, Any], Any]
"""Arguments, keyword arguments, expected value."""


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
    match statement:
        case ast.Assert(
            test=ast.Compare(left=ast.Call(func=ast.Name(id=called), args=args, keywords=keywords), ops=[ast.Eq()], comparators=[expected]),
            msg=None | ast.Constant(),
        ) if called == name and all(keyword.arg for keyword in keywords):
            try:
                values = tuple(ast.literal_eval(argument) for argument in args)
                named = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in keywords}
                return values, named, ast.literal_eval(expected)
            except (ValueError, TypeError, MemoryError, RecursionError):
                return None
    return None
