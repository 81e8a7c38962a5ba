"""The structure of a Python program, read with `ast`; of what is no Python only the tokens."""

from __future__ import annotations

import ast
import keyword
import re
import warnings
from collections.abc import Iterator, Sequence

from burnish.core import syntax
from burnish.text.structure import Flow, Structure, subtree_keys

_TOKEN = re.compile(
    r"""#[^\n]*|(?:[rbfuRBFU]{0,2}(?:'{3}.*?(?:'{3}|\Z)|\"{3}.*?(?:\"{3}|\Z)|'(?:\\.|[^'\\\n])*'?|"(?:\\.|[^"\\\n])*"?))"""
    r"|\w+(?:\.\d+)?|\*\*=|//=|<<=|>>=|->|:=|\.\.\.|\*\*|//|<<|>>|[-+*/%@&|^=!<>]=|[^\s\w]",
    re.DOTALL,
)
KEYWORDS = frozenset(keyword.kwlist)


def python_structure(source: str) -> Structure:
    """The structure of `source`."""
    tokens = tuple(found for found in _TOKEN.findall(source) if not found.startswith("#"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree: ast.AST = syntax.module(source)
        flow = _Reader()
        flow.visit(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Structure(tokens, KEYWORDS, (), (), parses=False)
    return Structure(tokens, KEYWORDS, subtree_keys(tree, _children, _kind), flow.flow.edges(), parses=True)


def _children(node: ast.AST) -> Sequence[ast.AST]:
    return [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr_context)]


def _kind(node: ast.AST) -> str:
    return f"Constant {type(node.value).__name__}" if isinstance(node, ast.Constant) else type(node).__name__


def _names(node: ast.AST | None) -> list[str]:
    return [inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)] if node else []


def _targets(node: ast.AST) -> Iterator[str]:
    """What an assignment to `node` defines: of `a[i]` and `a.b` that is `a`."""
    match node:
        case ast.Name():
            yield node.id
        case ast.Tuple() | ast.List():
            for element in node.elts:
                yield from _targets(element)
        case ast.Starred() | ast.Attribute() | ast.Subscript():
            yield from _targets(node.value)


class _Reader(ast.NodeVisitor):
    """Visits in the order of running where it differs from the order of writing: values before targets, iterables before bodies."""

    def __init__(self) -> None:
        self.flow = Flow()

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.flow.use(node.id)

    def visit_arg(self, node: ast.arg) -> None:
        self.flow.define([node.arg])

    def visit_Assign(self, node: ast.Assign) -> None:
        self._assign(node.targets, node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value:
            self._assign([node.target], node.value)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self._assign([node.target], node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        for name in _targets(node.target):
            self.flow.use(name)
        self._assign([node.target], node.value, _names(node.target))

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self._assign([node.target], node.iter)
        for statement in (*node.body, *node.orelse):
            self.visit(statement)

    visit_AsyncFor = visit_For  # noqa: N815

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self._assign([node.target], node.iter)
        for condition in node.ifs:
            self.visit(condition)

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> None:
        self._comprehend(node.generators, node.elt)

    visit_SetComp = visit_GeneratorExp = visit_ListComp  # noqa: N815

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._comprehend(node.generators, node.key, node.value)

    def visit_withitem(self, node: ast.withitem) -> None:
        self._assign([node.optional_vars] if node.optional_vars else [], node.context_expr)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self.flow.define([node.name] if node.name else [])
        self.generic_visit(node)

    def _comprehend(self, generators: Sequence[ast.comprehension], *results: ast.expr) -> None:
        for part in (*generators, *results):
            self.visit(part)

    def _assign(self, targets: Sequence[ast.expr], value: ast.expr, also: Sequence[str] = ()) -> None:
        self.visit(value)
        for target in targets:
            self.visit(target)  # the index of a[i] is used
            self.flow.define(_targets(target), [*_names(value), *also])
