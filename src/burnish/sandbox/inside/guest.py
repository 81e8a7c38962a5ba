"""The guest seat: runs the judged program, by calls, as a whole program, or serving a driver."""

from __future__ import annotations

import atexit
import builtins
import marshal
import os
import sys
import threading
import time
from collections.abc import Callable
from types import CodeType, ModuleType
from typing import Any, NoReturn, cast

from . import codec, driver, kernel, shared, wire
from .compiler import compiled
from .peer import QUESTION_BYTES, Peer
from .seat import Seat, describe, outcome, run_preamble, text_of

PIPE_BYTES = 1 << 16


def run(seat: Seat, link: int, output: int) -> None:
    """Run the judged program. Never returns."""
    request = seat.request
    mode = request["mode"]
    if request["has_artefact"] and seat.artefact is None:
        seat.ready(wire.GUEST_READY)
        os._exit(0)
    if mode == "trace":
        from . import tracer

        tracer.run(seat, output)
    module = ModuleType("__main__" if mode == "script" else codec.GUEST_MODULE)
    sys.modules[module.__name__] = module
    if mode != "command":
        run_preamble(seat, module.__dict__)
    if mode == "script":
        _redirect(request["stdin"], output)
    os.close(output)
    room = shared.Room(seat, vars(module)) if mode == "shared" else None
    given = set(vars(module)) if mode == "session" else set()
    seat.ready(wire.GUEST_READY)
    if link >= 0:
        seat.leave_page()
    if mode == "command":
        seat.send("not_started", "this jail runs no commands")
    elif mode == "script":
        _run_script(seat, module)
    elif _load(seat, module):
        if room is not None:
            room.judge()
        elif mode == "calls":
            _run_calls(seat, vars(module)[request["entry_point"]])
        elif mode == "suite":
            from . import functions, suite

            functions.serve(vars(module), link, seat.limit, suite.Witness(seat))
        else:
            host = _Host(link, QUESTION_BYTES, seat.limit)
            host.greet(module, [name for name in vars(module) if name not in given], request["entry_point"])
            host.serve()
    os._exit(0)


def _compiled(seat: Seat) -> CodeType | None:
    """The artefact's code, compiled already or here. None if there is none; the frame says why."""
    if isinstance(seat.artefact, bytes):
        return cast(CodeType, marshal.loads(seat.artefact))
    found = compiled(seat.artefact or "")
    if isinstance(found, CodeType):
        return found
    seat.send(*found)
    return None


def _load(seat: Seat, module: ModuleType) -> bool:
    """Execute the artefact as a module. False if it did not load; the frame says why."""
    code = _compiled(seat)
    if code is None:
        return False
    try:
        exec(code, vars(module))
    except BaseException as error:
        seat.send("load", describe(error, wire.ARTEFACT))
        return False
    entry = seat.request["entry_point"]
    if entry and not callable(vars(module).get(entry)):
        seat.send("missing", [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")][:20])
        return False
    return True


def _run_calls(seat: Seat, function: Callable[..., Any]) -> None:
    calls = seat.request["calls"]
    if seat.request["ways"]:
        function = _by_way(function)
        calls = [(unit, (way, args, kwargs), {}) for (unit, args, kwargs), way in zip(calls, seat.request["ways"], strict=True)]
    current = -1
    for index, (unit, args, kwargs) in enumerate(calls):
        if unit != current:
            current = unit
            seat.start_unit(unit)
        started = time.perf_counter()
        frame = outcome(function, args, kwargs)
        seconds = time.perf_counter() - started
        try:
            seat.send(*frame, index, seconds)
        except BaseException as error:
            seat.send("unsendable", text_of(error), index, seconds)


def _by_way(function: Callable[..., Any]) -> Callable[..., Any]:
    """The entry point behind a way of calling it, see `jobs.Calls`."""
    kept: Any = None

    def call(way: tuple[str, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        nonlocal kept
        if way[:1] == ("new",):
            kept = None
            kept = function(*args, **kwargs)
            return None
        if way[:1] == ("method",):
            return getattr(kept, way[1])(*args, **kwargs)
        value = function(*args, **kwargs)
        if way[:1] == ("through",):
            return getattr(builtins, way[1])(value)
        if "list" in way and hasattr(value, "__iter__"):
            value = list(value)
        return (value, args) if "arguments" in way else value

    return call


def _redirect(stdin: str, output: int) -> None:
    source = stdin_with(stdin.encode("utf-8", "surrogatepass"))
    os.dup2(source, 0)
    os.close(source)
    os.set_blocking(output, True)
    os.dup2(output, 1)


def stdin_with(data: bytes) -> int:
    """A descriptor to read `data` from: a pipe if it fits, else a file without a name."""
    if len(data) < PIPE_BYTES:
        source, sink = os.pipe()
        os.write(sink, data)
    else:
        source = os.open(".stdin", os.O_RDWR | os.O_CREAT)
        os.unlink(".stdin")
        sink = os.dup(source)
        wire_all(sink, data)
        os.lseek(source, 0, os.SEEK_SET)
    os.close(sink)
    return source


def wire_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _run_script(seat: Seat, module: ModuleType) -> None:
    code = _compiled(seat)
    if code is None:
        return
    sys.argv = ["solution.py"]
    frame: tuple[Any, ...] = ("end",)
    try:
        exec(code, vars(module))
    except BaseException as error:
        frame = ("raised", describe(error, wire.ARTEFACT))
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
    except BaseException as error:
        frame = ("raised", describe(error, wire.ARTEFACT))
    seat.send(*frame)


class _Host(Peer):
    """The program, as it serves a driver. Its objects are asked by number; 0 is its module."""

    def greet(self, module: ModuleType, names: list[str], entry_point: str) -> None:
        """Say that the program is loaded, and what it defines."""
        self._own.append(module)
        self.tell((names, vars(module)[entry_point]))

    def serve(self) -> NoReturn:
        """Answer questions until the driver hangs up."""
        while True:
            try:
                self.answer(self.receive())
            except EOFError:
                os._exit(0)


_SAMPLE = """
from typing import List
def sample(values: List[int], power: float = 2.0) -> List[float]:
    \"\"\"Some of everything that programs do.\"\"\"
    total = [str(value) for value in sorted(values) if value % 2 == 0]
    for index, item in enumerate(values):
        total.append(item ** power if index else {item: len(values)}.get(item, 0))
    return total
class Sample:
    def method(self): return [self]
"""


_SAMPLE_TEST = """
def check(candidate):
    for values in [[1, 2], [3]]:
        assert len(candidate(values, power=1.0)) == len(values) and candidate(values) != [0]
"""


class _Rehearsal(driver.Remote):
    """A driver whose guest answers in the same process."""

    host: _Host

    def write(self, data: bytes) -> None:
        """Send a question and have it answered."""
        super().write(data)
        self.host.answer(self.host.receive())


def _rehearse(module: ModuleType) -> None:
    """One conversation between a guest and a driver."""
    left, right = kernel.socket_pair(kernel.STREAM)
    remote = _Rehearsal(right, 1 << 20, "sample")
    remote.host = _Host(left, QUESTION_BYTES, 1 << 20)
    remote.host.greet(module, [], "sample")
    if remote.meet():
        driver.drive(remote, {}, "check", _SAMPLE_TEST)
    os.close(left)
    os.close(right)


def warm_up(rounds: int = 20) -> None:
    """Run the seats' own code on a harmless sample in the nursery.

    The interpreter specialises code while it runs, writing into it; what is written before the fork is shared, not copied.
    """
    sink = os.open("/dev/null", os.O_WRONLY)
    for _ in range(rounds):
        request: dict[str, Any] = {
            "preamble": compile("import math", wire.PREAMBLE, "exec"),
            "entry_point": "sample",
            "ways": [],
            "calls": [(0, ([1, 2, 3],), {}), (1, (None,), {})],
        }
        seat = Seat.__new__(Seat)
        seat.artefact = marshal.dumps(compile(_SAMPLE, wire.ARTEFACT, "exec"))
        seat.request, seat.limit, seat._pipe, seat._progress = marshal.loads(marshal.dumps(request)), 1 << 20, sink, bytearray(8)
        module = ModuleType(codec.GUEST_MODULE)
        run_preamble(seat, module.__dict__)
        if _load(seat, module):
            _run_calls(seat, vars(module)["sample"])
            _rehearse(module)
            seat.request["nonce"] = b""
            room = shared.Room(seat, vars(module))
            room.run("calls", [(([1, 2, 3],), {}, [1.0], "", 0.0, True)])
            room.run("check", _SAMPLE_TEST)
        for value in ({"a": (1.5, None), 2: {3}}, True, -1, "text"):
            seat.send("value", value, 0, 0.5)
    os.close(sink)
