"""The faults that `burnish.text.mutate` makes: for each node type a rule that proposes replacements.

A rule is a generator of (new node, description in words). Adding a fault is adding a rule to `RULES`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple


class Site(NamedTuple):
    """A node, where it stands, and `tie`: whether it is a comparison whose outcome on equal operands cannot matter."""

    node: Any
    parent: ast.AST
    tie: bool


Proposal = tuple[ast.AST, str]


def proposals(site: Site) -> Iterator[Proposal]:
    """Every faulty stand-in for `site.node`, with its description. The node itself is not changed."""
    rule = RULES.get(type(site.node))
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


def _arithmetic(site: Site) -> Iterator[Proposal]:
    swapped = _ARITHMETIC.get(type(site.node.op))
    if swapped is not None:
        yield _changed(site.node, op=swapped()), f"operator {_name(site.node.op)} became {swapped.__name__}"
    for operand in (site.node.left, site.node.right) if isinstance(site.node, ast.BinOp) else ():
        yield operand, f"`{ast.unparse(site.node)}` became `{ast.unparse(operand)}`"


def _boolean(site: Site) -> Iterator[Proposal]:
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


def _comparison(site: Site) -> Iterator[Proposal]:
    for index, old in enumerate(site.node.ops):
        boundary = None if site.tie else _BOUNDARY.get(type(old))
        for new in filter(None, (boundary, _NEGATION[type(old)])):
            ops = [*site.node.ops[:index], new(), *site.node.ops[index + 1 :]]
            yield _changed(site.node, ops=ops), f"comparison {_name(old)} became {new.__name__}"


def _name(operator: ast.AST) -> str:
    return type(operator).__name__


def _constant(site: Site) -> Iterator[Proposal]:
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


def _filter(site: Site) -> Iterator[Proposal]:
    """A comprehension's filter, dropped. (A comprehension has no position of its own, so its owner is rebuilt.)"""
    for index, generator in enumerate(site.node.generators):
        if generator.ifs:
            kept = [*site.node.generators[:index], _changed(generator, ifs=[]), *site.node.generators[index + 1 :]]
            yield _changed(site.node, generators=kept), f"dropped filter `{ast.unparse(generator.ifs[0])}`"


def _not(site: Site) -> Iterator[Proposal]:
    if isinstance(site.node.op, ast.Not):
        yield site.node.operand, f"dropped `not` before `{ast.unparse(site.node.operand)}`"


def _returned(site: Site) -> Iterator[Proposal]:
    value = site.node.value
    if value is not None and not isinstance(value, ast.Constant):
        yield ast.Return(ast.Constant(None)), f"`{_first_line(site.node)}` became `return None`"


def _slice(site: Site) -> Iterator[Proposal]:
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

_STRUCTURAL = frozenset({"range", "enumerate", "zip", "isinstance", "print", "super"})
"""Calls whose argument cannot stand in for the result: forgetting them is not a plausible mistake."""

_SYMMETRIC = frozenset({"min", "max", "gcd", "lcm"})
"""Calls for which the order of the arguments does not matter."""


def _call(site: Site) -> Iterator[Proposal]:
    function, args = site.node.func, site.node.args
    if isinstance(function, ast.Name):
        name, field, forgotten = function.id, "id", args[0] if args else None
    elif isinstance(function, ast.Attribute):
        name, field, forgotten = function.attr, "attr", function.value
    else:
        return
    if name in _SWAPPED:
        yield _changed(site.node, func=_changed(function, **{field: _SWAPPED[name]})), f"call of {name} became {_SWAPPED[name]}"
    if forgotten is not None and name not in _STRUCTURAL:
        yield forgotten, f"forgot the call of {name}"
    if len(args) == 2 and name not in _SYMMETRIC:
        yield _changed(site.node, args=args[::-1]), f"exchanged the arguments of {name}"
    if name == "range" and args:
        yield from _range(site.node)


def _range(node: ast.Call) -> Iterator[Proposal]:
    stop = min(1, len(node.args) - 1)
    for new in _off_by_one(node.args[stop]):
        args = [*node.args[:stop], new, *node.args[stop + 1 :]]
        yield _changed(node, args=args), f"range end `{ast.unparse(node.args[stop])}` became `{ast.unparse(new)}`"


def _display(site: Site) -> Iterator[Proposal]:
    """One end of a written-out tuple, list, set or dictionary forgotten; the two items of a pair exchanged."""
    node = site.node
    field = "values" if isinstance(node, ast.Dict) else "elts"
    items = getattr(node, field)
    if len(items) < 2 or isinstance(getattr(node, "ctx", None), ast.Store):
        return
    for kept, dropped in ((slice(1, None), items[0]), (slice(None, -1), items[-1])):
        keys = {"keys": node.keys[kept]} if isinstance(node, ast.Dict) else {}
        yield _changed(node, **{field: items[kept]}, **keys), f"dropped `{ast.unparse(dropped)}` from `{ast.unparse(node)}`"
    if isinstance(node, ast.Tuple) and len(items) == 2:
        yield _changed(node, elts=items[::-1]), f"exchanged the items of `{ast.unparse(node)}`"


def _jump(site: Site) -> Iterator[Proposal]:
    swapped = ast.Continue() if isinstance(site.node, ast.Break) else ast.Break()
    yield swapped, f"{_name(site.node)} became {_name(swapped)}"


RULES: dict[type[ast.AST], Callable[[Site], Iterator[Proposal]]] = {
    ast.AugAssign: _arithmetic,
    ast.BinOp: _arithmetic,
    ast.BoolOp: _boolean,
    ast.Break: _jump,
    ast.Call: _call,
    ast.Compare: _comparison,
    ast.Constant: _constant,
    ast.Continue: _jump,
    ast.Dict: _display,
    ast.DictComp: _filter,
    ast.GeneratorExp: _filter,
    ast.List: _display,
    ast.ListComp: _filter,
    ast.Return: _returned,
    ast.Set: _display,
    ast.SetComp: _filter,
    ast.Slice: _slice,
    ast.Tuple: _display,
    ast.UnaryOp: _not,
}
"""Node type → the rule that proposes replacements for it."""
