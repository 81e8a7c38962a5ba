"""Take a file of tests apart into pieces of test code that can be judged one by one. Pure functions on source text.

A piece is an assert statement at top level, a function `test_…` without arguments, or a method `test_…` of a test class (plain or
`unittest.TestCase`). Whatever else stands at top level is set up before each. Imports from the module under test are left out:
the judge provides what it defines.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from burnish.core import syntax

_Function = ast.FunctionDef | ast.AsyncFunctionDef


class Piece(NamedTuple):
    """One test: its name, and code that raises if it fails."""

    name: str
    code: str


def pieces(source: str, module: str) -> list[Piece]:
    """The tests in `source`, which tests the module of that name. Raises `ValueError` naming the line for what cannot be taken apart."""
    try:
        tree = syntax.module(source)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"line {getattr(error, 'lineno', None) or 1}: {error}") from None
    setup: list[ast.stmt] = []
    tests: list[tuple[str, list[ast.stmt]]] = []
    for statement in tree.body:
        found = list(_tests(statement))
        tests += found
        if not found and not _is_main(statement):
            setup += _without_module(statement, module)
    return [Piece(name, ast.unparse(ast.Module([*setup, *body], []))) for name, body in tests]


def names_in(source: str) -> list[str]:
    """Names that source code reads or imports, in the order of appearance."""
    nodes = [node for node in ast.walk(syntax.module(source)) if isinstance(node, ast.Name | ast.Attribute | ast.ImportFrom)]
    names: dict[str, None] = {}
    for node in sorted(nodes, key=lambda node: (node.lineno, node.col_offset)):
        found = (
            [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else [getattr(node, "id", getattr(node, "attr", ""))]
        )
        names.update(dict.fromkeys(found))
    return list(names)


def imports_of(source: str) -> set[str]:
    """Top-level names of the modules that source code imports; none if it cannot be parsed."""
    try:
        nodes = list(ast.walk(syntax.module(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {name.partition(".")[0] for name in plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}} - {""}


def _tests(statement: ast.stmt) -> Iterator[tuple[str, list[ast.stmt]]]:
    if isinstance(statement, ast.Assert):
        yield f"line {statement.lineno}", [statement]
    elif isinstance(statement, _Function) and statement.name.startswith("test"):
        _need_plain(statement, own_arguments=0)
        yield statement.name, [statement, *_code(f"{statement.name}()")]
    elif isinstance(statement, ast.ClassDef):
        is_unittest = any(ast.unparse(base).endswith("TestCase") for base in statement.bases)
        for method in statement.body if is_unittest or statement.name.startswith("Test") else ():
            if isinstance(method, _Function) and method.name.startswith("test"):
                _need_plain(method, own_arguments=1)
                run = f"{statement.name}({method.name!r}).debug()" if is_unittest else f"{statement.name}().{method.name}()"
                yield f"{statement.name}.{method.name}", [statement, *_code(run)]


def _need_plain(function: _Function, own_arguments: int) -> None:
    given = function.args
    needed = len(given.posonlyargs) + len(given.args) - len(given.defaults) - own_arguments
    needed += sum(default is None for default in given.kw_defaults)
    if isinstance(function, ast.AsyncFunctionDef) or needed > 0:
        what = "is async" if isinstance(function, ast.AsyncFunctionDef) else "takes arguments (a fixture or parameters)"
        raise ValueError(f"line {function.lineno}: {function.name} {what}; write it as a plain function without arguments")


def _code(source: str) -> list[ast.stmt]:
    return syntax.module(source).body


def _is_main(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and "__name__" in ast.unparse(statement.test)


def _without_module(statement: ast.stmt, module: str) -> list[ast.stmt]:
    """A statement as it can run where the module's names are provided: `import module` becomes `import solution as module`."""
    if isinstance(statement, ast.ImportFrom) and (statement.module or "").rpartition(".")[2] == module:
        renamed = [f"{alias.asname} = {alias.name}" for alias in statement.names if alias.asname and alias.name != "*"]
        return [part for source in renamed for part in _code(source)]
    if isinstance(statement, ast.Import):
        names = [
            ast.alias("solution", alias.asname or alias.name) if alias.name.rpartition(".")[2] == module else alias
            for alias in statement.names
        ]
        return [ast.copy_location(ast.Import(names), statement)]
    return [statement]
