"""Small plausible faults in Python source: one change per mutant, made on the syntax tree and spliced into the text.

The idea: parse, let one rule per node type propose replacements, and put each into the original source, so that
layout, comments and line numbers outside the change stay as they were. Docstrings, annotations, decorators and
f-strings are left alone. Nothing is executed: whether a mutant is wrong is for a verifier to say. A strict comparison
whose tie cannot matter (`if a > b: b = a`) keeps its strictness, since that mutant would be equivalent.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from burnish.core.errors import InputError
from burnish.core.seeds import derive_seed


class Mutant(NamedTuple):
    """A changed program: its whole source, what was changed in words, and the 1-based line of the change."""

    source: str
    description: str
    line: int


def mutants(source: str, *, limit: int, seed: int) -> list[Mutant]:
    """At most `limit` distinct mutants of a Python module, in source order; each parses and differs from `source`.

    When there are more, a sample fixed by `seed` and `source` is taken. Raises `InputError` if `source` does not parse.
    """
    if limit < 0:
        raise InputError(f"limit is {limit}: give the largest number of mutants wanted, 0 or more.")
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    tree = _parse(source)
    seen = {ast.dump(tree)}
    found = []
    for edit in _edits(tree):
        text = _splice(source, edit)
        dump = _dump(text)
        if dump is not None and dump not in seen:
            seen.add(dump)
            found.append(Mutant(source=text, description=edit.description, line=edit.old.lineno))
    chosen = random.Random(derive_seed("mutants", seed, source)).sample(range(len(found)), min(limit, len(found)))
    return [found[index] for index in sorted(chosen)]


class _Edit(NamedTuple):
    old: Any
    new: ast.AST
    description: str


class _Site(NamedTuple):
    node: Any
    parent: ast.AST
    tie: bool
    """Whether `node` is a comparison whose outcome on equal operands cannot matter."""


def _parse(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise InputError(f"Cannot mutate source that is not valid Python: {error}. Extract the code from its text first.") from error


def _dump(source: str) -> str | None:
    try:
        return ast.dump(ast.parse(source))
    except SyntaxError:
        return None


def _edits(tree: ast.Module) -> Iterator[_Edit]:
    for site in _sites(tree):
        for new, description in _proposals(site):
            yield _Edit(site.node, new, description)


def _sites(tree: ast.Module) -> Iterator[_Site]:
    ties: set[int] = set()

    def walk(node: ast.AST) -> Iterator[_Site]:
        for child in _children(node):
            ties.update(id(compare) for compare in _ties(child))
            yield _Site(child, node, id(child) in ties)
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
    """The comparison of `if a > b: b = a` and of `a if a > b else b`: on equal operands both outcomes are the same."""
    if not isinstance(node, (ast.If, ast.IfExp)) or not isinstance(node.test, ast.Compare) or len(node.test.ops) > 1:
        return
    if isinstance(node, ast.IfExp):
        results = {ast.unparse(node.body), ast.unparse(node.orelse)}
    elif len(node.body) == 1 and isinstance(node.body[0], ast.Assign) and not node.orelse:
        results = {ast.unparse(node.body[0].value), ast.unparse(node.body[0].targets[0])}
    else:
        return
    if results == {ast.unparse(node.test.left), ast.unparse(node.test.comparators[0])}:
        yield node.test


def _splice(source: str, edit: _Edit) -> str:
    start, end = _offset(source, edit.old.lineno, edit.old.col_offset), _offset(source, edit.old.end_lineno, edit.old.end_col_offset)
    before, text, after = source[:start], ast.unparse(edit.new), source[end:]
    plain, enclosed = before + text + after, f"{before}({text}){after}"
    if isinstance(edit.new, ast.expr) and _dump(plain) != _dump(enclosed):
        return enclosed
    return plain


def _offset(source: str, line: int, column: int) -> int:
    """Character offset of a 1-based line and a column counted in UTF-8 bytes, as `ast` counts it."""
    lines = source.split("\n")
    return sum(len(text) + 1 for text in lines[: line - 1]) + len(lines[line - 1].encode()[:column].decode())


_Proposal = tuple[ast.AST, str]


def _proposals(site: _Site) -> Iterator[_Proposal]:
    rule = _RULES.get(type(site.node))
    if rule is not None:
        yield from rule(site)
    is_condition = site.node is getattr(site.parent, "test", None)
    if is_condition and isinstance(site.node, ast.expr) and not isinstance(site.node, (ast.Compare, ast.Constant)):
        yield ast.UnaryOp(ast.Not(), site.node), f"negated condition `{ast.unparse(site.node)}`"
    if isinstance(site.node, (ast.If, ast.Assign, ast.AugAssign, ast.Expr)) and not getattr(site.node, "orelse", None):
        yield ast.Pass(), f"removed `{_first_line(site.node)}`"


def _first_line(node: ast.AST) -> str:
    return ast.unparse(node).split("\n")[0]


def _changed(node: Any, **fields: object) -> Any:
    """A shallow copy of `node` with some fields replaced."""
    return type(node)(**{**dict(ast.iter_fields(node)), **fields})


_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
}


def _arithmetic(site: _Site) -> Iterator[_Proposal]:
    swapped = _ARITHMETIC.get(type(site.node.op))
    if swapped is not None:
        yield _changed(site.node, op=swapped()), f"operator {_name(site.node.op)} became {swapped.__name__}"


def _boolean(site: _Site) -> Iterator[_Proposal]:
    swapped = ast.Or() if isinstance(site.node.op, ast.And) else ast.And()
    yield _changed(site.node, op=swapped), f"operator {_name(site.node.op)} became {_name(swapped)}"


_BOUNDARY: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
_NEGATION: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}


def _comparison(site: _Site) -> Iterator[_Proposal]:
    for index, old in enumerate(site.node.ops):
        boundary = None if site.tie else _BOUNDARY.get(type(old))
        for new in filter(None, (boundary, _NEGATION[type(old)])):
            ops = [*site.node.ops[:index], new(), *site.node.ops[index + 1 :]]
            yield _changed(site.node, ops=ops), f"comparison {_name(old)} became {new.__name__}"


def _name(operator: ast.AST) -> str:
    return type(operator).__name__


def _constant(site: _Site) -> Iterator[_Proposal]:
    value = site.node.value
    changed: tuple[Any, ...] = ()
    if isinstance(value, bool):
        changed = (not value,)
    elif isinstance(value, (int, float)):
        changed = (value + 1, value - 1)
    elif isinstance(value, str):
        changed = ("",) if value else (" ",)
    for new in changed:
        yield ast.Constant(new), f"constant {value!r} became {new!r}"


def _filter(site: _Site) -> Iterator[_Proposal]:
    """A comprehension's filter, dropped. (A comprehension has no position of its own, so its owner is rebuilt.)"""
    for index, generator in enumerate(site.node.generators):
        if generator.ifs:
            kept = [*site.node.generators[:index], _changed(generator, ifs=[]), *site.node.generators[index + 1 :]]
            yield _changed(site.node, generators=kept), f"dropped filter `{ast.unparse(generator.ifs[0])}`"


def _not(site: _Site) -> Iterator[_Proposal]:
    if isinstance(site.node.op, ast.Not):
        yield site.node.operand, f"dropped `not` before `{ast.unparse(site.node.operand)}`"


def _returned(site: _Site) -> Iterator[_Proposal]:
    value = site.node.value
    if value is not None and not isinstance(value, ast.Constant):
        yield ast.Return(ast.Constant(None)), f"`{_first_line(site.node)}` became `return None`"


def _slice(site: _Site) -> Iterator[_Proposal]:
    for bound in ("lower", "upper"):
        old = getattr(site.node, bound)
        for new in _off_by_one(old):
            yield _changed(site.node, **{bound: new}), f"slice bound `{ast.unparse(old)}` became `{ast.unparse(new)}`"


def _off_by_one(node: ast.expr | None) -> Iterator[ast.expr]:
    """`node` plus and minus one, unless its own constant is mutated anyway."""
    if node is not None and not any(isinstance(part, ast.Constant) for part in ast.walk(node)):
        for operator in (ast.Add(), ast.Sub()):
            yield ast.BinOp(node, operator, ast.Constant(1))


_SWAPPED = {
    one: other
    for pair in (
        ("min", "max"),
        ("all", "any"),
        ("upper", "lower"),
        ("startswith", "endswith"),
        ("isupper", "islower"),
        ("isdigit", "isalpha"),
        ("find", "rfind"),
        ("keys", "values"),
        ("union", "intersection"),
        ("floor", "ceil"),
        ("lstrip", "rstrip"),
    )
    for one, other in (pair, pair[::-1])
} | {"strip": "lstrip"}

_UNWRAPPED = frozenset({"abs", "round", "reversed", "set", "sorted"})
"""Calls that also make a plausible mistake when they are forgotten: `abs(x)` becomes `x`."""


def _call(site: _Site) -> Iterator[_Proposal]:
    function = site.node.func
    name = function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
    if name in _SWAPPED:
        field = "id" if isinstance(function, ast.Name) else "attr"
        yield _changed(site.node, func=_changed(function, **{field: _SWAPPED[name]})), f"call of {name} became {_SWAPPED[name]}"
    if name in _UNWRAPPED and isinstance(function, ast.Name) and site.node.args:
        yield site.node.args[0], f"dropped the call of {name}"
    if name == "range" and isinstance(function, ast.Name) and site.node.args:
        yield from _range(site.node)


def _range(node: ast.Call) -> Iterator[_Proposal]:
    stop = min(1, len(node.args) - 1)
    for new in _off_by_one(node.args[stop]):
        args = [*node.args[:stop], new, *node.args[stop + 1 :]]
        yield _changed(node, args=args), f"range end `{ast.unparse(node.args[stop])}` became `{ast.unparse(new)}`"


def _jump(site: _Site) -> Iterator[_Proposal]:
    swapped = ast.Continue() if isinstance(site.node, ast.Break) else ast.Break()
    yield swapped, f"{_name(site.node)} became {_name(swapped)}"


_RULES: dict[type[ast.AST], Callable[[_Site], Iterator[_Proposal]]] = {
    ast.AugAssign: _arithmetic,
    ast.BinOp: _arithmetic,
    ast.BoolOp: _boolean,
    ast.Break: _jump,
    ast.Call: _call,
    ast.Compare: _comparison,
    ast.Constant: _constant,
    ast.Continue: _jump,
    ast.DictComp: _filter,
    ast.GeneratorExp: _filter,
    ast.ListComp: _filter,
    ast.Return: _returned,
    ast.SetComp: _filter,
    ast.Slice: _slice,
    ast.UnaryOp: _not,
}
"""Node type → the rule that proposes replacements for it."""
