"""Simpler values of the same type: what a counterexample may be reduced to. Pure; boldest steps first.

Lists, text, sets and dictionaries lose parts, numbers come nearer to zero, characters become `a`, `A` or `0`. Every step is
simpler than what it was made from, so taking one after another ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def simpler_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[Arguments]:
    """The arguments of a call with one of them made simpler; none is added or left out."""
    for shorter in _parts(args):
        yield tuple(shorter), kwargs
    for name, value in kwargs.items():
        for candidate in simpler(value):
            yield args, {**kwargs, name: candidate}


def simpler(value: Any) -> Iterator[Any]:
    """Values of the same type that are one step simpler."""
    steps = _STEPS.get(type(value))
    return steps(value) if steps else iter(())


def _without(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The items without all, halves, quarters … single ones of them."""
    size = len(items)
    while size:
        for start in range(0, len(items), size):
            yield [*items[:start], *items[start + size :]]
        size //= 2


def _parts(items: Sequence[Any]) -> Iterator[list[Any]]:
    """The items with one of them made simpler."""
    for index, item in enumerate(items):
        for candidate in simpler(item):
            yield [*items[:index], candidate, *items[index + 1 :]]


def _sequence(kind: Callable[[Any], Any]) -> Callable[[Any], Iterator[Any]]:
    def steps(value: Any) -> Iterator[Any]:
        yield from map(kind, _without(value))
        yield from map(kind, _parts(value))

    return steps


def _set(kind: Callable[[Any], Any]) -> Callable[[Any], Iterator[Any]]:
    return lambda value: map(kind, _without(sorted(value, key=repr)))


def _dictionary(value: dict[Any, Any]) -> Iterator[dict[Any, Any]]:
    yield from map(dict, _without(list(value.items())))
    for key, item in value.items():
        for candidate in simpler(item):
            yield {**value, key: candidate}


def _text(value: str) -> Iterator[str]:
    yield from map("".join, _without(value))
    for index, char in enumerate(value):
        plain = _plain(char)
        if plain != char:
            yield value[:index] + plain + value[index + 1 :]


def _plain(char: str) -> str:
    kinds = ((str.isdecimal, "0"), (str.islower, "a"), (str.isupper, "A"), (str.isspace, " "))
    return next((plain for is_kind, plain in kinds if is_kind(char)), char)


def _integer(value: int) -> Iterator[int]:
    step = abs(value)
    while step:
        yield value - step if value > 0 else value + step
        step //= 2
    if value < 0:
        yield -value


def _float(value: float) -> Iterator[float]:
    candidates = [0.0, 1.0, abs(value)]
    if math.isfinite(value):
        candidates += [round(value, digits) for digits in range(4)]
        candidates += map(float, _integer(int(value))) if abs(value) < 2**53 else []
    return (candidate for candidate in candidates if repr(candidate) != repr(value) and _effort(candidate) < _effort(value))


def _effort(value: float) -> tuple[bool, int, float, bool]:
    is_finite = math.isfinite(value)
    return not is_finite, len(repr(abs(value))), abs(value) if is_finite else 0.0, math.copysign(1.0, value) < 0


_STEPS: dict[type, Callable[[Any], Iterator[Any]]] = {
    bool: lambda value: iter((False,) if value else ()),
    int: _integer,
    float: _float,
    str: _text,
    bytes: lambda value: map(bytes, _without(value)),
    list: _sequence(list),
    tuple: _sequence(tuple),
    set: _set(set),
    frozenset: _set(frozenset),
    dict: _dictionary,
}
