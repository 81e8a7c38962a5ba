"""When an answer is the one that is due: values as exact built-in types, exceptions by the names of their classes.

Comparison is the judge's own: True is not 1, a list is not a tuple, text is never a number, but 1 and 1.0 are one number,
NaN equals NaN, the order of sets and dictionaries does not matter. A tolerance is both relative and absolute and applies
to floats everywhere but inside sets and dictionary keys.
"""

from __future__ import annotations

import builtins
import math
from typing import Any


def agrees(actual: Any, expected: Any, tolerance: float, loose: bool) -> bool:
    """True if `actual` (plain data) is what is due. `loose`: as an assert would have it, by `==` or by `abs(a - e) < tolerance`."""
    if not loose:
        return same(actual, expected, tolerance)
    if not tolerance:
        return bool(actual == expected)
    try:
        return bool(abs(actual - expected) < tolerance)
    except (TypeError, OverflowError):
        return False


def same(actual: Any, expected: Any, tolerance: float = 0.0) -> bool:
    """True if `actual` (rebuilt from the judged process) is the expected value."""
    if _is_number(actual) and _is_number(expected):
        return _same_number(actual, expected, tolerance)
    if type(actual) is not type(expected):
        return False
    if isinstance(expected, list | tuple):
        return len(actual) == len(expected) and all(same(a, e, tolerance) for a, e in zip(actual, expected, strict=True))
    if isinstance(expected, dict):
        left, right = ({_key(key): value for key, value in side.items()} for side in (actual, expected))
        return left.keys() == right.keys() and all(same(left[key], right[key], tolerance) for key in right)
    if isinstance(expected, set | frozenset):
        return {_key(item) for item in actual} == {_key(item) for item in expected}
    if isinstance(expected, complex):
        return same(actual.real, expected.real, tolerance) and same(actual.imag, expected.imag, tolerance)
    return bool(actual == expected)


def _is_number(value: Any) -> bool:
    return type(value) is int or type(value) is float


def _same_number(actual: float, expected: float, tolerance: float) -> bool:
    if actual == expected or (actual != actual and expected != expected):
        return True
    try:
        return tolerance > 0 and math.isclose(actual, expected, rel_tol=tolerance, abs_tol=tolerance)
    except OverflowError:
        return False


def _key(value: Any) -> Any:
    """A hashable stand-in that is equal exactly when the values are the same."""
    if type(value) is bool:
        return ("bool", value)
    if _is_number(value):
        return ("number", value) if value == value else ("nan",)
    if type(value) is tuple:
        return ("tuple", *map(_key, value))
    if type(value) is frozenset:
        return ("frozenset", frozenset(map(_key, value)))
    return (type(value).__name__, value)


def matches(description: Any, expected: str) -> bool:
    """True if a described exception is of class `expected` or of a subclass, by name; a built-in name means the built-in class."""
    names = description[0]
    if isinstance(getattr(builtins, expected, None), type):
        return f"builtins.{expected}" in names
    return any(expected in (name, name.rpartition(".")[2]) for name in names)


def is_description(value: Any) -> bool:
    """True for the description of an exception as an honest seat sends it: class names, message, place or None."""
    if type(value) is not tuple or len(value) != 3:
        return False
    names, message, place = value
    is_place = place is None or (type(place) is tuple and len(place) == 4 and all(type(number) is int for number in place))
    return type(names) is list and bool(names) and all(type(name) is str for name in names) and type(message) is str and is_place
