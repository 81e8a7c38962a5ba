"""What can be read off a test file without running it: what it asserts, and which names it takes from the program.

Pure functions on a syntax tree. They run in the jail, before any of the file's own code does.
"""

from __future__ import annotations

import ast
import builtins

_CAN_FAIL = frozenset({"raises", "fail", "warns", "deprecated_call"})
"""Functions of pytest that make a test fail. Any function or method whose name begins with `assert` counts too."""


def assertions(tree: ast.Module) -> int:
    """How many places can make a test fail on purpose. `assert True`, `assert 1 == 1`, `assert x == x` are not among them."""
    return sum(map(_can_fail, ast.walk(tree)))


def _can_fail(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return not _always_holds(node.test)
    if isinstance(node, ast.Call):
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        return name in _CAN_FAIL or name.startswith("assert")
    return isinstance(node, ast.Raise)


def _always_holds(test: ast.expr) -> bool:
    """True for what no program can make false: constants, `(x, "message")`, `x == x`, `… or True`."""
    if isinstance(test, ast.Tuple):
        return bool(test.elts)
    if isinstance(test, ast.BoolOp):
        return (any if isinstance(test.op, ast.Or) else all)(map(_always_holds, test.values))
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and ast.dump(test.left) == ast.dump(test.comparators[0]):
        return True
    return not any(isinstance(node, ast.Name) for node in ast.walk(test))


def free_names(tree: ast.Module) -> set[str]:
    """Names that the file reads, never binds, and that are not built in: what it expects the program to define."""
    read: set[str] = set()
    bound = set(vars(builtins))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.alias):
            bound.add(node.asname or node.name.partition(".")[0])
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
            bound.add(node.name or "")
        elif isinstance(node, ast.MatchMapping):
            bound.add(node.rest or "")
    return {name for name in read - bound if not name.startswith("__")}
