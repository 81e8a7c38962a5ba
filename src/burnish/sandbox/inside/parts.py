"""Values of the standard library that cross the wall by value: taken apart into plain data, put together on the other side."""

from __future__ import annotations

import builtins
import importlib
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any

from .codec import CodecError


def take_apart(value: Any, kind: type[Any]) -> tuple[str, Any] | None:
    """Name and parts of a value that is rebuilt on the other side, None if it is not one of those."""
    if isinstance(value, type):
        name = value.__name__
        return ("type", name) if getattr(builtins, name, None) is value else None
    row = _TABLE.get(kind) or _late_row(kind)
    if row is not None:
        parts = row[1](value)
        return None if parts is None else (row[0], parts)
    if issubclass(kind, BaseException) and getattr(builtins, kind.__name__, None) is kind:
        return "exception", (kind.__name__, value.args)
    if kind.__module__ == "numpy" and kind.__name__ == "ndarray" and value.dtype.kind in "biufc":
        return "array", (value.dtype.str, value.shape, value.tobytes())
    return None


def _late_row(kind: type) -> tuple[str, Callable[[Any], Any]] | None:
    row = _LATE.get((kind.__module__, kind.__qualname__))
    return row if row and getattr(sys.modules[kind.__module__], kind.__qualname__, None) is kind else None


def put_together(name: Any, parts: Any) -> Any:
    """The value of such a name and parts. Raises `CodecError` if nothing honest can have sent them."""
    try:
        return _BUILD[name](parts)
    except Exception as error:
        raise CodecError(f"cannot rebuild {name!r}: {error}") from None


def _built_in(name: Any) -> type:
    kind = getattr(builtins, name)
    if not isinstance(kind, type):
        raise TypeError(f"{name} is not a class")
    return kind


def _exception(parts: Any) -> BaseException:
    kind = _built_in(parts[0])
    if not issubclass(kind, BaseException):
        raise TypeError(f"{parts[0]} is not an exception")
    try:
        return kind(*parts[1])
    except TypeError:
        return kind.__new__(kind, *parts[1])


def _array(parts: Any) -> Any:
    numpy = sys.modules["numpy"]
    kind, shape, data = parts
    return numpy.frombuffer(bytearray(data), dtype=numpy.dtype(kind)).reshape(shape)


def _moment(value: Any) -> Any:
    return None if value.tzinfo else value.isoformat()


_TABLE: dict[type, tuple[str, Callable[[Any], Any]]] = {
    deque: ("deque", lambda value: (list(value), value.maxlen)),
    Counter: ("counter", dict),
    OrderedDict: ("ordered", lambda value: list(value.items())),
    defaultdict: ("default", lambda value: (value.default_factory, dict(value))),
    date: ("date", date.isoformat),
    datetime: ("datetime", _moment),
    time: ("time", _moment),
    timedelta: ("timedelta", lambda value: (value.days, value.seconds, value.microseconds)),
    slice: ("slice", lambda value: (value.start, value.stop, value.step)),
    type(NotImplemented): ("NotImplemented", lambda value: ()),
}
_LATE: dict[tuple[str, str], tuple[str, Callable[[Any], Any]]] = {
    ("decimal", "Decimal"): ("decimal", str),
    ("fractions", "Fraction"): ("fraction", lambda value: (value.numerator, value.denominator)),
}
"""Classes of modules that are not loaded before they are needed: every fork would copy their pages."""
_BUILD: dict[str, Callable[[Any], Any]] = {
    "decimal": lambda parts: importlib.import_module("decimal").Decimal(parts),
    "fraction": lambda parts: importlib.import_module("fractions").Fraction(*parts),
    "deque": lambda parts: deque(*parts),
    "counter": Counter,
    "ordered": OrderedDict,
    "default": lambda parts: defaultdict(*parts),
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "time": time.fromisoformat,
    "timedelta": lambda parts: timedelta(*parts),
    "slice": lambda parts: slice(*parts),
    "NotImplemented": lambda parts: NotImplemented,
    "type": _built_in,
    "exception": _exception,
    "array": _array,
}
