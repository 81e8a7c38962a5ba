"""Program and tests in one address space: the weaker mode, for test code that needs it or when it is asked for.

The verdict is made where the program runs, so this is not proof against a program that attacks its judge. What is done:
each answer carries a secret that the trusted parent drew for this run and that no module holds; values compared with
expected ones are first rebuilt as plain data; leaving early, patched builtins, edited test functions and objects that
claim to equal anything are noticed. What remains possible: reading the expected values or the secret from the frames or
the heap, replacing functions of this package, tracing, or rewriting memory. The verdict says `isolation="shared"`.
"""

from __future__ import annotations

import builtins
import functools
import os
import sys
import time
from collections.abc import Callable
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType
from typing import Any, NoReturn

from . import codec, wire
from .compare import agrees, matches, same
from .driver import names_in
from .seat import TEXT, Seat, describe, repr_of, text_of

LOOKS_INSIDE = frozenset({"inspect", "dis", "__code__", "__globals__", "__closure__", "__defaults__", "__kwdefaults__", "__annotations__"})
"""Names in test code that want the program's own function, not one that counts its calls."""


_JUDGES = {function: function.__code__ for function in (agrees, same, matches, codec.encode, codec.decode, describe, Seat.send)}


class Room:
    """Where program and tests meet. Made before the program is loaded, so that it knows what was there before."""

    def __init__(self, seat: Seat, program: dict[str, Any]) -> None:
        self._seat, self._program = seat, program
        self._nonce = seat.request.pop("nonce")
        self._given = {**program, "__name__": codec.TEST_MODULE}
        self._builtins = dict(vars(builtins))

    def judge(self) -> NoReturn:
        """Run every drive and send one sealed frame for each. Never returns."""
        for index, (unit, kind, content) in enumerate(self._seat.request["drives"]):
            self._seat.start_unit(unit)
            started = time.perf_counter()
            frame, signs = self.run(kind, content)
            self._seat.send(*frame, index, time.perf_counter() - started, signs, self._nonce)
        os._exit(0)

    def run(self, kind: str, content: Any) -> tuple[tuple[Any, ...], list[str]]:
        """Run one drive. The frame that says how it went, and signs of tampering."""
        return self._rows(content) if kind == "calls" else self._code(kind, content)

    def _rows(self, rows: list[tuple[Any, ...]]) -> tuple[tuple[Any, ...], list[str]]:
        """Call the entry point row by row until an answer is wrong."""
        function = self._program[self._seat.request["entry_point"]]
        for row, (args, kwargs, expected, raises, tolerance, loose) in enumerate(rows):
            kind, content = self._answer(function, args, kwargs)
            if raises:
                right = kind == "raised" and matches(content, raises)
            else:
                right = kind == "value" and agrees(content, expected, tolerance, loose)
            if not right:
                return ("wrong", row, kind, content), self._signs([])
        return ("passed", (len(rows), "", False)), self._signs([])

    def _answer(self, function: Callable[..., Any], args: Any, kwargs: Any) -> tuple[str, Any]:
        try:
            value = function(*args, **kwargs)
        except BaseException as error:
            return "raised", describe(error, wire.ARTEFACT)
        try:
            return "value", codec.decode(codec.encode(value, self._seat.limit))
        except BaseException as error:
            return "unsendable", text_of(error)

    def _code(self, kind: str, code: str) -> tuple[tuple[Any, ...], list[str]]:
        """Run test code on the program's own functions."""
        try:
            compiled = compile(code, wire.DRIVER, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            return ("broken", f"{type(error).__name__}: {text_of(error)}"), []
        names = names_in(compiled)
        signs = self._signs(names)
        if not LOOKS_INSIDE.isdisjoint(names):
            import linecache

            source = self._seat.request["source"]
            linecache.cache[wire.ARTEFACT] = (len(source), None, source.splitlines(keepends=True), wire.ARTEFACT)
        watch = _Watch(names, self._program)
        namespace = self._namespace(names, watch)
        functions: dict[FunctionType, CodeType] = {}
        frame: tuple[Any, ...] = ("passed",)
        sys.setprofile(watch.first_call)
        try:
            exec(compiled, namespace)
            if kind == "check":
                functions = {value: value.__code__ for value in namespace.values() if _is_test(value)}
                namespace["check"](namespace[self._seat.request["entry_point"]])
        except BaseException as error:
            own = describe(error, wire.ARTEFACT) if _came_from_program(error) else None
            frame = ("failed", describe(error, wire.DRIVER), own, watch.last)
        sys.setprofile(None)
        if any(function.__code__ is not code for function, code in functions.items()):
            signs.append("tests")
        return (*frame, (watch.calls, "", watch.claims)), [*signs, *(sign for sign in self._signs(names) if sign not in signs)]

    def _namespace(self, names: set[str], watch: _Watch) -> dict[str, Any]:
        """What the tests see: the preamble's names as they were, the entry point, and what else they name of the program."""
        namespace = dict(self._given)
        wanted = {name for name in names if name not in namespace and name not in self._builtins}
        for name in (wanted | {self._seat.request["entry_point"]}) & self._program.keys():
            namespace[name] = watch.over(name, self._program[name])
        return namespace

    def _signs(self, touched: Any) -> list[str]:
        """Signs of tampering to be seen now. Builtins that the test code itself names (`touched`) may be its own doing."""
        now = vars(builtins)
        kept = all(now.get(name) is value or name in touched for name, value in self._builtins.items())
        signs = [] if kept else ["builtins"]
        if any(function.__code__ is not code for function, code in _JUDGES.items()):
            signs.append("judge")
        if any(isinstance(value, type) and _claims_anything(value) for value in list(self._program.values())):
            signs.append("equality")
        return signs


class _Watch:
    """Counts the calls that test code makes, keeps the last one, and looks at what comes back."""

    def __init__(self, names: set[str], program: dict[str, Any]) -> None:
        self._names, self._program = names, program
        self._raw = not LOOKS_INSIDE.isdisjoint(names)
        self.calls, self.claims = 0, False
        self.last: tuple[str, str] | None = None

    def over(self, name: str, value: Any) -> Any:
        """A function that is watched; anything else, and functions that the tests look into, as they are."""
        if self._raw or type(value) not in (FunctionType, BuiltinFunctionType):
            self.calls += self._raw or name in self._names  # to look at a value of the program is to use it
            return value

        @functools.wraps(value)
        def watched(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            shown = ", ".join([*(repr_of(value) for value in args), *(f"{key}={repr_of(value)}" for key, value in kwargs.items())])
            call = f"{name}({shown})"[:TEXT]
            try:
                result = value(*args, **kwargs)
            except BaseException as error:
                self.last = (call, f"raised {type(error).__name__}: {text_of(error)}"[:TEXT])
                raise
            self.last = (call, repr_of(result)[:TEXT])
            self.claims = self.claims or codec.equals_anything(result)
            return result

        return watched

    def first_call(self, frame: FrameType, event: str, argument: Any) -> None:
        """A profile function that removes itself once code of the program has run."""
        if event == "call" and frame.f_globals is self._program:
            sys.setprofile(None)
            self.calls += 1


def _is_test(value: Any) -> bool:
    return type(value) is FunctionType and value.__code__.co_filename in (wire.DRIVER, wire.PREAMBLE)


def _came_from_program(error: BaseException) -> bool:
    """True if the exception was raised below the program rather than by the tests."""
    trace, last = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        last = file if file in (wire.ARTEFACT, wire.DRIVER) else last
        trace = trace.tb_next
    return last == wire.ARTEFACT


def _claims_anything(kind: type) -> bool:
    """True if a class of the program says that two things it has never seen are equal."""
    equal = vars(kind).get("__eq__")
    if type(equal) is not FunctionType or equal.__code__.co_filename != wire.ARTEFACT:
        return False
    try:
        return bool(equal(object(), object()) is True)
    except BaseException:
        return False
