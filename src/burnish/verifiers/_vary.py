"""Values like others: a changed value of the same type, or a fresh one of an annotated type. Pure; all chance comes from `rng`."""

from __future__ import annotations

import ast
import random
import string
from collections.abc import Callable, Sequence
from typing import Any

from burnish.core import syntax

LETTERS = "abcxyzABZ019 _-.,()"
"""Characters of generated text: letters of both cases, digits, a space, marks that programs look for."""
MOST = 6
"""Longest generated list, set, dictionary or word."""
DEPTH = 3
"""Deepest nesting of generated values."""


def varied(value: Any, rng: random.Random) -> Any:
    """A value of the same type, a little different. What has no such type is returned as it is."""
    change = _CHANGES.get(type(value))
    return value if change is None else change(value, rng)


def generate(annotation: ast.expr | None, rng: random.Random, depth: int = 0) -> Any:
    """A value of the annotated type; without a known annotation an integer, a text or a list of integers."""
    name, inner = _read(annotation)
    make = _MAKERS.get(name)
    if make is None or depth > DEPTH:
        return rng.choice([_integer(rng), _word(rng), [_integer(rng) for _ in range(rng.randrange(MOST))]])
    return make(inner, rng, depth)


def _read(annotation: ast.expr | None) -> tuple[str, list[ast.expr]]:
    """The lower-case name of a type and its parameters: `List[int]`, `typing.List[int]`, `list`, `int | None`, `"int"`."""
    match annotation:
        case ast.Constant(value=None):
            return "none", []
        case ast.Constant(value=str(text)):
            try:
                return _read(syntax.expression(text).body)
            except SyntaxError:
                return "", []
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.lower(), []
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return "union", [left, right]
        case ast.Subscript(value=outer, slice=ast.Tuple(elts=inner)):
            return _read(outer)[0], list(inner)
        case ast.Subscript(value=outer, slice=only):
            return _read(outer)[0], [only]
    return "", []


def _integer(rng: random.Random) -> int:
    return rng.choice([0, 1, -1, 2, rng.randint(-9, 9), rng.randint(0, 9), rng.randint(-100, 100), rng.randint(0, 1000)])


def _float(rng: random.Random) -> float:
    return rng.choice([0.0, 1.0, -1.5, round(rng.uniform(-10, 10), 2), float(rng.randint(-9, 9))])


def _word(rng: random.Random) -> str:
    return "".join(rng.choice(LETTERS) for _ in range(rng.randrange(2 * MOST)))


def _items(inner: Sequence[ast.expr], rng: random.Random, depth: int) -> list[Any]:
    kind = inner[0] if inner else ast.Name("int")
    return [generate(kind, rng, depth + 1) for _ in range(rng.randrange(MOST))]


def _tuple(inner: Sequence[ast.expr], rng: random.Random, depth: int) -> tuple[Any, ...]:
    is_open = not inner or (isinstance(inner[-1], ast.Constant) and inner[-1].value is ...)
    return tuple(_items(inner, rng, depth)) if is_open else tuple(generate(kind, rng, depth + 1) for kind in inner)


def _dictionary(inner: Sequence[ast.expr], rng: random.Random, depth: int) -> dict[Any, Any]:
    key, value = inner if len(inner) == 2 else (ast.Name("str"), ast.Name("int"))
    return {_frozen(generate(key, rng, depth + 1)): generate(value, rng, depth + 1) for _ in range(rng.randrange(MOST))}


def _frozen(value: Any) -> Any:
    """A hashable value as near as can be."""
    if isinstance(value, list | tuple):
        return tuple(map(_frozen, value))
    return str(value) if isinstance(value, dict | set) else value


def _set(inner: Sequence[ast.expr], rng: random.Random, depth: int) -> set[Any]:
    return set(map(_frozen, _items(inner, rng, depth)))


Maker = Callable[[list[ast.expr], random.Random, int], Any]

_MAKERS: dict[str, Maker] = {
    "none": lambda inner, rng, depth: None,
    "bool": lambda inner, rng, depth: rng.random() < 0.5,
    "int": lambda inner, rng, depth: _integer(rng),
    "float": lambda inner, rng, depth: _float(rng),
    "str": lambda inner, rng, depth: _word(rng),
    "bytes": lambda inner, rng, depth: _word(rng).encode(),
    "tuple": _tuple,
    "optional": lambda inner, rng, depth: None if rng.random() < 0.2 else generate(inner[0] if inner else None, rng, depth),
    "union": lambda inner, rng, depth: generate(rng.choice(inner) if inner else None, rng, depth),
    "literal": lambda inner, rng, depth: ast.literal_eval(rng.choice(inner)),
    **dict.fromkeys(("list", "sequence", "iterable", "iterator", "collection"), _items),
    **dict.fromkeys(("dict", "mapping", "defaultdict", "ordereddict", "counter"), _dictionary),
    "set": _set,
    "frozenset": lambda inner, rng, depth: frozenset(_set(inner, rng, depth)),
}


def _vary_integer(value: int, rng: random.Random) -> int:
    return rng.choice([value + 1, value - 1, -value, 0, 2 * value, _integer(rng)])


def _vary_float(value: float, rng: random.Random) -> float:
    return rng.choice([value + 1, -value, 0.0, value / 2, float(round(value)) if abs(value) < 1e9 else value, _float(rng)])


def _vary_word(value: str, rng: random.Random) -> str:
    return "".join(_vary_items(list(value), rng, lambda char: rng.choice((char.swapcase(), *LETTERS, *(value or string.ascii_lowercase)))))


def _vary_items(value: list[Any], rng: random.Random, change: Callable[[Any], Any]) -> list[Any]:
    """One item left out, repeated, changed or swapped with another; or the whole turned round or emptied."""
    place = rng.randrange(len(value) + 1)
    item = value[place : place + 1]
    changed = [change(only) for only in item] or [change(rng.choice(value))] if value else []
    options = [
        [*value[:place], *value[place + 1 :]],
        [*value[:place], *item, *value[place:]],
        [*value[:place], *changed, *value[place + 1 :]],
        [*value[:place], *changed, *value[place:]],
        value[::-1],
        rng.sample(value, len(value)),
        [],
    ]
    return rng.choice(options)


def _vary_tuple(value: tuple[Any, ...], rng: random.Random) -> tuple[Any, ...]:
    """One item changed; the length is kept, for tuples are records more often than rows."""
    place = rng.randrange(len(value)) if value else 0
    return (*value[:place], *(varied(item, rng) for item in value[place : place + 1]), *value[place + 1 :])


def _vary_dictionary(value: dict[Any, Any], rng: random.Random) -> dict[Any, Any]:
    pairs = _vary_items(list(value.items()), rng, lambda pair: (pair[0], varied(pair[1], rng)))
    return dict(pairs)


def _vary_set(value: set[Any] | frozenset[Any], rng: random.Random) -> set[Any]:
    return set(_vary_items(sorted(value, key=repr), rng, lambda item: _frozen(varied(item, rng))))


_CHANGES: dict[type, Callable[[Any, random.Random], Any]] = {
    bool: lambda value, rng: not value,
    int: _vary_integer,
    float: _vary_float,
    str: _vary_word,
    bytes: lambda value, rng: bytes(_vary_items(list(value), rng, lambda _: rng.randrange(256))),
    list: lambda value, rng: _vary_items(value, rng, lambda item: varied(item, rng)),
    tuple: _vary_tuple,
    dict: _vary_dictionary,
    set: _vary_set,
    frozenset: lambda value, rng: frozenset(_vary_set(value, rng)),
}
