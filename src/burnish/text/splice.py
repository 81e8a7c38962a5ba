"""Put the definitions of a reply into a whole file: what the reply defines anew replaces what the file had of that name."""

from __future__ import annotations

import ast

from burnish.core import syntax

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def splice(original: str, reply: str) -> str:
    """`original` with the top-level definitions of `reply` in the place of its own; new ones and new imports go where they work.

    A reply that defines all that the file defines stands for the whole file, and so it does where either cannot be parsed.
    """
    try:
        old, new = syntax.module(original), syntax.module(reply)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return reply
    kept, given = _definitions(old), _definitions(new)
    if not kept.keys() & given.keys() or kept.keys() <= given.keys():
        return reply
    rows = original.splitlines(keepends=True)
    for name in sorted(kept.keys() & given.keys(), key=lambda name: -kept[name].lineno):
        start, end = _lines(kept[name])
        rows[start:end] = [f"{_source(reply, given[name])}\n"]
    first = min(_lines(node)[0] for node in kept.values())
    added = [_source(reply, node) for name, node in given.items() if name not in kept]
    imports = [ast.unparse(node) for node in new.body if isinstance(node, ast.Import | ast.ImportFrom)]
    present = {ast.unparse(node) for node in old.body if isinstance(node, ast.Import | ast.ImportFrom)}
    rows[first:first] = [f"{text}\n\n\n" for text in added]
    rows[_top(old) : _top(old)] = [f"{text}\n" for text in imports if text not in present]
    return "".join(rows)


def _definitions(tree: ast.Module) -> dict[str, _Definition]:
    return {node.name: node for node in tree.body if isinstance(node, _Definition)}


def _lines(node: _Definition) -> tuple[int, int]:
    """Half-open range of the lines of a definition, from 0, with its decorators."""
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1, node.end_lineno or node.lineno


def _source(text: str, node: _Definition) -> str:
    start, end = _lines(node)
    return "\n".join(text.splitlines()[start:end])


def _top(tree: ast.Module) -> int:
    """The line, from 0, before which imports may stand: after the docstring and `from __future__` lines."""
    body = tree.body
    count = 1 if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) else 0
    while count < len(body) and isinstance(body[count], ast.ImportFrom) and getattr(body[count], "module", "") == "__future__":
        count += 1
    return (body[count - 1].end_lineno or 0) if count else 0
