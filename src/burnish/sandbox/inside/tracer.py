"""The tracing seat: runs the program on inputs and notes the values of variables at the end of every basic block.

A block is a run of statements without a jump into or out of it. Program and tracer share one process, so a hostile program
can spoil its own trace; a trace is therefore shown to a model and never decides a verdict. All sizes are bounded, and
objects of the program are shown without asking their methods.
"""

from __future__ import annotations

import ast
import collections
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from io import TextIOWrapper
from types import FrameType, FunctionType, ModuleType
from typing import Any, NoReturn, cast

from . import codec, guest, wire
from .seat import Seat, describe, run_preamble, text_of

MOST_LINES = 20_000
"""Lines of the program that are run before its trace is cut."""
MOST_DEPTH, MOST_VALUES, VALUE = 30, 12, 80
"""Nested calls that are followed, variables of a block, characters of a value."""
_UNSEEN = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>", "<lambda>"})
_HIDDEN_TYPES = (FunctionType, ModuleType, type)
_CONTAINERS: tuple[tuple[type, str, str], ...] = ((list, "[", "]"), (tuple, "(", ")"), (set, "{", "}"), (frozenset, "{", "}"))

Block = tuple[int, int, bool]
"""First line, last line, whether it is the head of a loop."""


def run(seat: Seat, output: int) -> NoReturn:
    """Run every input of the request, one frame for each. Never returns."""
    request = seat.request
    is_script = request["stdin"] is not None
    module = ModuleType("__main__" if is_script else codec.GUEST_MODULE)
    sys.modules[module.__name__] = module
    run_preamble(seat, vars(module))
    guest._redirect(request["stdin"] or "", output)
    os.close(output)
    cast(TextIOWrapper, sys.stdout).reconfigure(line_buffering=True)
    blocks = blocks_of(request["source"])
    seat.ready(wire.GUEST_READY)
    code = guest._compiled(seat) if is_script else None
    if code or (not is_script and guest._load(seat, module)):
        seat.start_unit(0)
        actions = [lambda: exec(code, vars(module))] if code else _actions(request, vars(module))
        for index, action in enumerate(actions):
            steps = _Steps(seat, index, blocks)
            steps.send(*_watched(steps, action))
    os._exit(0)


def _actions(request: dict[str, Any], names: dict[str, Any]) -> Iterator[Callable[[], Any]]:
    """What to do for each input: make a call, or run test code."""
    entry = names[request["entry_point"]]
    function = guest._by_way(entry)
    for kind, content in request["inputs"]:
        yield partial(function, *content) if kind == "call" else partial(_test, kind, content, {**names, "candidate": entry})


def _test(kind: str, content: str, names: dict[str, Any]) -> None:
    exec(compile(content, wire.DRIVER, "exec", dont_inherit=True), names)
    if kind == "check":
        names["check"](names["candidate"])


def _watched(steps: _Steps, action: Callable[[], Any]) -> tuple[str, Any]:
    """Run `action` with the tracer on: what came of it."""
    sys.settrace(steps.enter)
    try:
        return "value", action()
    except BaseException as error:
        sys.settrace(None)
        return "raised", describe(error, wire.ARTEFACT)
    finally:
        sys.settrace(None)


class _Steps:
    """The block ends of one input: the first and the last of them, and how many there were."""

    def __init__(self, seat: Seat, index: int, blocks: dict[int, Block]) -> None:
        self._seat, self._index, self._blocks = seat, index, blocks
        self._room = max(2, seat.request["most"])
        self._lines_left, self._depth, self._total = MOST_LINES, 0, 0
        self._first: list[tuple[Any, ...]] = []
        self._last: list[tuple[Any, ...]] = []

    def send(self, kind: str, content: Any) -> None:
        """Send what came of this input, and its steps."""
        found = (self._index, 0.0, self._total, [*self._first, *self._last])
        with suppress(BaseException):
            sys.stdout.flush()
        try:
            self._seat.send(kind, content, *found)
        except BaseException as error:
            self._seat.send("unsendable", text_of(error), *found)

    def enter(self, frame: FrameType, event: str, argument: Any) -> Any:
        """The trace function of calls: only the program's own named functions are followed, and not too deep."""
        code = frame.f_code
        if code.co_filename != wire.ARTEFACT or code.co_name in _UNSEEN or self._depth >= MOST_DEPTH:
            return None
        self._depth += 1
        return _Visit(self, code.co_name, self._depth).follow

    def leave(self) -> None:
        """A followed call has ended."""
        self._depth -= 1

    def line(self, number: int) -> Block:
        """The block of a line that is about to run. After too many lines the run ends here: an exception could be caught."""
        self._lines_left -= 1
        if self._lines_left < 0:
            self.send("stopped", "")
            os._exit(0)
        return self._blocks.get(number, (number, number, False))

    def end(self, name: str, depth: int, block: Block, frame: FrameType, note: str) -> None:
        """Note the end of a block. Of many, the first half and the latest half are kept."""
        self._total += 1
        row = (name[:VALUE], depth, block[0], block[1], values_of(frame.f_locals), note)
        if len(self._first) < self._room // 2:
            self._first.append(row)
            return
        self._last.append(row)
        if len(self._last) > self._room - self._room // 2:
            del self._last[0]


class _Visit:
    """One call of a function, block by block."""

    def __init__(self, steps: _Steps, name: str, depth: int) -> None:
        self._steps, self._name, self._depth = steps, name, depth
        self._block: Block | None = None
        self._raised = ""

    def follow(self, frame: FrameType, event: str, argument: Any) -> Any:
        """The trace function of one call."""
        if event == "line":
            block = self._steps.line(frame.f_lineno)
            if self._block is not None and (block != self._block or (block[2] and frame.f_lineno == block[0])):
                self._end(frame, "")
            self._block, self._raised = block, ""
        elif event == "exception":
            self._raised = f"raises {shown_type(argument[0])}"
        elif event == "return":
            self._end(frame, self._raised or ("" if self._name == "<module>" else f"returns {shown(argument)}"))
            self._steps.leave()
        return self.follow

    def _end(self, frame: FrameType, note: str) -> None:
        if self._block is not None:
            self._steps.end(self._name, self._depth, self._block, frame, note)


def values_of(names: Any) -> list[tuple[str, str]]:
    """Names and shown values of variables, a few of them; functions, classes, modules and private names are left out."""
    if type(names) is not dict:  # a class body may have any mapping
        return []
    chosen = [
        (name[:VALUE], value)
        for name, value in list(names.items())
        if type(name) is str and not name.startswith("__") and not issubclass(type(value), _HIDDEN_TYPES)
    ]
    return [(name, shown(value)) for name, value in chosen[:MOST_VALUES]]


def shown(value: Any) -> str:
    """A bounded text for a value. Never raises."""
    try:
        return _text(value, 3)[:VALUE]
    except BaseException:
        return "<unprintable>"


def _text(value: Any, depth: int) -> str:
    kind = type(value)
    if kind in (bool, float, complex, type(None)):
        return repr(value)
    if kind is int:
        return repr(value) if value.bit_length() < 400 else f"<int of {value.bit_length()} bits>"
    if kind in (str, bytes, bytearray):
        return repr(value if len(value) <= VALUE else value[:VALUE])
    if depth == 0:
        return "…"
    for base, opening, closing in _CONTAINERS:
        if issubclass(kind, base):
            items = [_text(item, depth - 1) for _, item in zip(range(10), base.__iter__(value), strict=False)]  # type: ignore[attr-defined]
            more = ["…"] if base.__len__(value) > 10 else []  # type: ignore[attr-defined]
            return opening + ", ".join(items + more) + (",)" if base is tuple and len(items) == 1 else closing)
    if issubclass(kind, dict):
        pairs = [f"{_text(key, 1)}: {_text(item, depth - 1)}" for _, (key, item) in zip(range(10), dict.items(value), strict=False)]
        return "{" + ", ".join(pairs + ["…"] * (dict.__len__(value) > 10)) + "}"
    return _object(value, kind, depth)


def _object(value: Any, kind: type, depth: int) -> str:
    """An object by its attributes, as far as it keeps them in a dictionary."""
    name = shown_type(kind)
    if kind is collections.deque:
        return f"deque({_text(list(value), depth - 1)})"
    try:
        fields = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return f"<{name}>"
    parts = [f"{key[:VALUE]}={_text(item, depth - 1)}" for _, (key, item) in zip(range(6), dict.items(fields), strict=False)]
    return f"{name}({', '.join(parts)})"


def shown_type(kind: Any) -> str:
    """The name of a class."""
    return str(type.__getattribute__(kind, "__name__"))[:VALUE]


def blocks_of(source: str) -> dict[int, Block]:
    """Line → the basic block that it belongs to. A line on which several begin belongs to the outermost."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return {}
    found: dict[int, Block] = {}
    pending: list[list[ast.stmt]] = [tree.body]
    while pending:
        for block in _suite(pending.pop(), pending):
            for line in range(block[0], block[1] + 1):
                found.setdefault(line, block)
    return found


def _suite(statements: list[ast.stmt], pending: list[list[ast.stmt]]) -> Iterator[Block]:
    """The blocks that a list of statements is cut into; the suites inside of it are left to do."""
    first = last = 0
    for statement in statements:
        inner = [suite for node in (statement, *_clauses(statement)) for suite in _suites(node)]
        pending += inner
        is_loop = isinstance(statement, ast.For | ast.While | ast.AsyncFor)
        if is_loop and first:
            yield first, last, False
            first = 0
        first = first or statement.lineno
        last = (statement.end_lineno or statement.lineno) if not inner else max(statement.lineno, inner[0][0].lineno - 1)
        if inner:
            yield first, last, is_loop
            first = 0
    if first:
        yield first, last, False


def _clauses(statement: ast.stmt) -> list[ast.AST]:
    return [*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())]


def _suites(node: ast.AST) -> list[list[ast.stmt]]:
    suites = (getattr(node, name, None) for name in ("body", "orelse", "finalbody"))
    return [suite for suite in suites if isinstance(suite, list) and suite]
