"""Small plausible faults in Python source: one change per mutant, made on the syntax tree and spliced into the text.

The idea: parse, let one rule per node type propose replacements, and put each into the original source, so that
layout, comments and line numbers outside the change stay as they were. Docstrings, annotations, decorators and
f-strings are left alone. Nothing is executed: whether a mutant is wrong is for a verifier to say. A strict comparison
whose tie cannot matter (`if a > b: b = a`) keeps its strictness, since that mutant would be equivalent.
"""

from __future__ import annotations

import ast
import itertools
import random
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

from burnish.core import syntax
from burnish.core.errors import InputError
from burnish.core.seeds import derive_seed
from burnish.text._mutation_rules import Site, proposals


class Mutant(NamedTuple):
    """A changed program: its whole source, what was changed in words, and the 1-based line of the change."""

    source: str
    description: str
    line: int


def mutants(source: str, *, limit: int, seed: int) -> list[Mutant]:
    """At most `limit` distinct mutants of a Python module, in source order; each parses and differs from `source`.

    When there are more, `seed` and `source` fix which are taken; a smaller limit takes a part of what a larger one takes.
    Raises `InputError` if `source` is not valid Python or is nested too deeply to be walked.
    """
    if limit < 0:
        raise InputError(f"limit is {limit}: give the largest number of mutants wanted, 0 or more.")
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    try:
        return _sample(source, _original(source), limit, random.Random(derive_seed("mutants", seed, source)))
    except (RecursionError, MemoryError) as error:
        raise InputError("Cannot mutate source that is nested this deeply. Split its longest expression.") from error


def _original(source: str) -> ast.Module:
    try:
        return _tree(source)
    except (SyntaxError, ValueError) as error:
        raise InputError(f"Cannot mutate source that is not valid Python: {error}. Extract the code from its text first.") from error


def _sample(source: str, tree: ast.Module, limit: int, rng: random.Random) -> list[Mutant]:
    edits = list(_edits(tree))
    seen = {ast.dump(tree)}
    found: dict[int, Mutant] = {}
    for index in rng.sample(range(len(edits)), len(edits)):
        if len(found) >= limit:
            break
        text = _splice(source, edits[index])
        dump = _dump(text)
        if dump is not None and dump not in seen:
            seen.add(dump)
            found[index] = Mutant(source=text, description=edits[index].description, line=edits[index].old.lineno)
    return [found[index] for index in sorted(found)]


def _tree(source: str) -> ast.Module:
    """Parse without the warnings that Python has about a program's style, such as unknown escapes in strings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return syntax.module(source)


def _dump(source: str) -> str | None:
    try:
        return ast.dump(_tree(source))
    except SyntaxError:
        return None


class _Edit(NamedTuple):
    old: Any
    new: ast.AST
    description: str


def _edits(tree: ast.Module) -> Iterator[_Edit]:
    for site in _sites(tree):
        for new, description in proposals(site):
            yield _Edit(site.node, new, description)


def _sites(tree: ast.Module) -> Iterator[Site]:
    ties: set[int] = set()

    def walk(node: ast.AST) -> Iterator[Site]:
        ties.update(id(compare) for compare in _ties(node))
        for child in _children(node):
            yield Site(child, node, id(child) in ties)
            yield from walk(child)

    return walk(tree)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """Children in source order, without what must not be mutated."""
    if isinstance(node, ast.JoinedStr):
        return
    skipped = {"annotation", "returns", "decorator_list", "type_comment"}
    for name, value in ast.iter_fields(node):
        if name not in skipped:
            yield from (child for child in (value if isinstance(value, list) else [value]) if _mutable(child))


def _mutable(node: object) -> bool:
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return isinstance(node, ast.AST) and not is_text


def _ties(node: ast.AST) -> Iterator[ast.Compare]:
    """Comparisons of two values that choose one of the same two values: on equal operands both outcomes are the same."""
    for test, chosen, otherwise in _choices(node):
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            operands = {ast.unparse(test.left), ast.unparse(test.comparators[0])}
            if operands == {ast.unparse(chosen), ast.unparse(otherwise)}:
                yield test


def _choices(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr, ast.expr]]:
    """(condition, value if true, value if false) of `x if c else y`, of `if c: y = x`, and of `if c: return x` before `return y`."""
    if isinstance(node, ast.IfExp):
        yield node.test, node.body, node.orelse
    block = getattr(node, "body", None)
    for statement, following in itertools.pairwise([*block, None]) if isinstance(block, list) else ():
        if isinstance(statement, ast.If) and len(statement.body) == 1 and not statement.orelse:
            only = statement.body[0]
            if isinstance(only, ast.Assign):
                yield statement.test, only.value, only.targets[0]
            elif isinstance(only, ast.Return) and isinstance(following, ast.Return) and only.value and following.value:
                yield statement.test, only.value, following.value


def _splice(source: str, edit: _Edit) -> str:
    """The source with one node replaced, in parentheses where they are needed to keep its neighbours apart."""
    start, end = _offset(source, edit.old.lineno, edit.old.col_offset), _offset(source, edit.old.end_lineno, edit.old.end_col_offset)
    before, text, after = source[:start], ast.unparse(edit.new), source[end:]
    plain, enclosed = before + text + after, f"{before}({text}){after}"
    return enclosed if _dump(enclosed) not in (None, _dump(plain)) else plain


def _offset(source: str, line: int, column: int) -> int:
    """Character offset of a 1-based line and a column counted in UTF-8 bytes, as `ast` counts it."""
    lines = source.split("\n")
    return sum(len(text) + 1 for text in lines[: line - 1]) + len(lines[line - 1].encode()[:column].decode())
