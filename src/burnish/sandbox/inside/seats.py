"""What a freshly forked process does with its one request. It is alone: the seat's own process, limits and pipes.

The guest seat runs the judged program (`calls`, `script`, or serving a driver); the driver seat runs test code against the
guest over a socket. Frames go out as codec tuples whose first item names them; `ready` is sent just before judged code
first runs, so anything odd after it is the program's own doing. Nothing here decides whether an answer is right.
"""

from __future__ import annotations

import atexit
import builtins
import marshal
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Sequence
from itertools import islice
from types import CodeType, ModuleType, TracebackType
from typing import Any

from . import codec, wire

PIPE_BYTES = 1 << 16
TEXT = 500
"""Longest message or repr that a seat reports, in characters."""
Send = Callable[..., None]


class Seat:
    """One forked process: its request, where its frames go, and the shared page that tells the nursery which unit runs."""

    def __init__(self, request_pipe: int, result_pipe: int, progress: Any, limit_processes: bool) -> None:
        self.request: dict[str, Any] = marshal.loads(wire.read_block(request_pipe))
        os.close(request_pipe)
        os.set_blocking(result_pipe, True)
        self._pipe = result_pipe
        self._progress = progress
        self.limit = int(self.request["output_bytes"])
        _apply_limits(self.request, limit_processes)

    def send(self, *frame: Any) -> None:
        """Send one frame to the trusted parent."""
        wire.write_block(self._pipe, codec.encode(frame, self.limit + 10_000))

    def start_unit(self, unit: int) -> None:
        """Tell the nursery that a new unit begins: its clock starts now."""
        self._progress[0:4] = (unit + 1).to_bytes(4, "little")


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


def warm_up(rounds: int = 20) -> None:
    """Run the seats' own code on a harmless sample in the nursery.

    The interpreter specialises code while it runs, writing into it; what is written before the fork is shared, not copied.
    """
    sink = os.open("/dev/null", os.O_WRONLY)
    for _ in range(rounds):
        request: dict[str, Any] = {
            "source": _SAMPLE,
            "preamble": "import math",
            "entry_point": "sample",
            "calls": [(0, ([1, 2, 3],), {}), (1, (None,), {})],
        }
        seat = Seat.__new__(Seat)
        seat.request, seat.limit, seat._pipe, seat._progress = marshal.loads(marshal.dumps(request)), 1 << 20, sink, bytearray(4)
        module = ModuleType(codec.GUEST_MODULE)
        _run_preamble(seat, module.__dict__)
        if _load(seat, module):
            _run_calls(seat, vars(module)["sample"])
        for value in ({"a": (1.5, None), 2: {3}}, True, -1, "text"):
            seat.send("value", value, 0, 0.5)
    os.close(sink)


def _apply_limits(request: dict[str, Any], limit_processes: bool) -> None:
    megabyte = 1 << 20
    memory = request["memory_mb"] * megabyte
    limits = [
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_AS, memory + (1 << 30)),
        (resource.RLIMIT_FSIZE, request["file_mb"] * megabyte),
        (resource.RLIMIT_CPU, request["cpu_total_s"]),
    ]
    if limit_processes:
        limits.append((resource.RLIMIT_NPROC, request["processes"] + 3))
    for limit, value in limits:
        resource.setrlimit(limit, (value, value))


def guest(seat: Seat, link: int, output: int) -> None:
    """Run the judged program. Never returns."""
    request = seat.request
    mode = request["mode"]
    module = ModuleType("__main__" if mode == "script" else codec.GUEST_MODULE)
    sys.modules[module.__name__] = module
    _run_preamble(seat, module.__dict__)
    if mode == "script":
        _redirect(request["stdin"], output)
    os.close(output)
    seat.send("ready")
    if mode == "script":
        _run_script(seat, module)
    elif _load(seat, module):
        if mode == "calls":
            _run_calls(seat, vars(module)[request["entry_point"]])
        else:
            _serve(vars(module), link, seat.limit)
    os._exit(0)


def _run_preamble(seat: Seat, namespace: dict[str, Any]) -> None:
    try:
        exec(compile(seat.request["preamble"], wire.PREAMBLE, "exec", dont_inherit=True), namespace)
    except BaseException as error:
        seat.send("setup", f"the preamble raised {type(error).__name__}: {error}"[:TEXT])
        os._exit(wire.SETUP_FAILED)


def _compiled(seat: Seat) -> CodeType | None:
    try:
        return compile(seat.request["source"], wire.ARTEFACT, "exec", dont_inherit=True)
    except SyntaxError as error:
        place = (error.lineno or 1, error.offset or 1, error.end_lineno or error.lineno or 1, error.end_offset or error.offset or 1)
        seat.send("syntax", type(error).__name__, _text(error.msg), place)
    except (ValueError, MemoryError, RecursionError, OverflowError) as error:
        seat.send("syntax", type(error).__name__, _text(error) or "too complex to compile", None)
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
    if not callable(vars(module).get(entry)):
        seat.send("missing", [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")][:20])
        return False
    return True


def _run_calls(seat: Seat, function: Callable[..., Any]) -> None:
    current = -1
    for index, (unit, args, kwargs) in enumerate(seat.request["calls"]):
        if unit != current:
            current = unit
            seat.start_unit(unit)
        started = time.perf_counter()
        frame = _outcome(function, args, kwargs)
        seconds = time.perf_counter() - started
        try:
            seat.send(*frame, index, seconds)
        except BaseException as error:
            seat.send("unsendable", _text(error), index, seconds)


def _outcome(function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    try:
        return "value", function(*args, **kwargs)
    except BaseException as error:
        return "raised", describe(error, wire.ARTEFACT)


def _redirect(stdin: str, output: int) -> None:
    data = stdin.encode("utf-8", "surrogatepass")
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
    os.dup2(source, 0)
    os.close(source)
    os.set_blocking(output, True)
    os.dup2(output, 1)


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


def _serve(namespace: dict[str, Any], link: int, limit: int) -> None:
    """Say that the program is loaded, then answer the driver's calls until it hangs up."""
    wire.write_block(link, b"")
    while True:
        try:
            name, args, kwargs = codec.decode(wire.read_block(link, 1 << 26))
        except EOFError:
            os._exit(0)
        function = namespace.get(name)
        frame = _outcome(function, args, kwargs) if callable(function) else ("missing", name)
        try:
            data = codec.encode(frame, limit)
        except BaseException as error:
            data = codec.encode(("unsendable", _text(error)))
        wire.write_block(link, data)


def driver(seat: Seat, link: int) -> None:
    """Run test code against the guest. Never returns."""
    namespace: dict[str, Any] = {"__name__": "tests"}
    _run_preamble(seat, namespace)
    seat.send("ready")
    remote = _Remote(link, seat.limit + 1000)
    if not remote.is_loaded():
        os._exit(0)
    for index, (unit, kind, code) in enumerate(seat.request["drives"]):
        seat.start_unit(unit)
        started = time.perf_counter()
        remote.begin()
        frame = _drive(remote, dict(namespace), kind, code, seat.request["entry_point"])
        seat.send(*frame, index, time.perf_counter() - started)
        if remote.gone:
            break
    os._exit(0)


def _drive(remote: _Remote, namespace: dict[str, Any], kind: str, code: str, entry_point: str) -> tuple[Any, ...]:
    try:
        compiled = compile(code, wire.DRIVER, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        return "broken", f"{type(error).__name__}: {_text(error)}"
    candidate = remote.function(entry_point)
    namespace[entry_point] = candidate
    for name in _names(compiled):
        if name not in namespace and not hasattr(builtins, name):
            namespace[name] = remote.function(name)
    try:
        exec(compiled, namespace)
        if kind == "check":
            namespace["check"](candidate)
    except BaseException as error:
        return "failed", describe(error, wire.DRIVER), getattr(error, "remote", None), remote.last, remote.verdict()
    return "passed", remote.verdict()


def _names(code: CodeType) -> set[str]:
    nested = (_names(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*nested)


class GuestGone(BaseException):
    """The judged process ended, or answered with something that no honest process sends."""


class Foreign:
    """Stands for a value that is not plain data; equal to itself only, neither true nor false."""

    def __init__(self, opaque: codec.Opaque) -> None:
        self._opaque = opaque

    def __repr__(self) -> str:
        return self._opaque.text

    def __bool__(self) -> bool:
        raise TypeError(f"an object of type {self._opaque.type_name} is not plain data and cannot be tested for truth")


class _Remote:
    """The guest's functions as seen from test code."""

    def __init__(self, link: int, limit: int) -> None:
        self._link, self._limit = link, limit
        self.gone = ""
        self.begin()

    def begin(self) -> None:
        self.last: tuple[str, str] | None = None
        self.calls = 0
        self.claims = False

    def is_loaded(self) -> bool:
        """Wait for the guest; False if it ends before it can serve."""
        try:
            return not wire.read_block(self._link, self._limit)
        except (EOFError, OSError, ValueError):
            return False

    def verdict(self) -> tuple[int, str, bool]:
        """Calls made, why the guest is gone (or empty), whether an answer claimed to equal anything."""
        return self.calls, self.gone, self.claims

    def function(self, name: str) -> Callable[..., Any]:
        def remote(*args: Any, **kwargs: Any) -> Any:
            return self._call(name, args, kwargs)

        remote.__name__ = remote.__qualname__ = name
        return remote

    def _call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.calls += 1
        shown = ", ".join([*(_repr(value) for value in args), *(f"{key}={_repr(value)}" for key, value in kwargs.items())])
        self.last = (f"{name}({shown})"[:TEXT], "")
        request = codec.encode((name, args, kwargs), 1 << 26)
        try:
            wire.write_block(self._link, request)
            reply = codec.decode(wire.read_block(self._link, self._limit))
            kind, content = reply
        except (OSError, EOFError):
            self.gone = "ended"
            raise GuestGone("the program ended during the call") from None
        except (ValueError, TypeError):
            self.gone = "forged"
            raise GuestGone("the program's answer is malformed") from None
        return self._answer(kind, content, name)

    def _answer(self, kind: str, content: Any, name: str) -> Any:
        call = self.last[0] if self.last else ""
        if kind == "value":
            self.last = (call, _repr(content)[:TEXT])
            if isinstance(content, codec.Opaque):
                self.claims = self.claims or content.equals_anything
                return Foreign(content)
            return content
        if kind == "raised":
            self.last = (call, f"raised {_first_line(content)}")
            raise _revived(content)
        if kind == "missing":
            raise NameError(f"name {name!r} is not defined")
        if kind == "unsendable":
            self.last = (call, f"<{content}>"[:TEXT])
            return Foreign(codec.Opaque("unsendable", str(content)[:TEXT], False))
        self.gone = "forged"
        raise GuestGone("the program's answer is malformed")


def _first_line(description: Any) -> str:
    try:
        names, message, _ = description
        return f"{str(names[0]).rpartition('.')[2]}: {message}"[:TEXT]
    except (ValueError, TypeError, IndexError):
        return "?"


def _revived(description: Any) -> BaseException:
    """An exception of the same built-in type as the guest's, so that tests may catch it."""
    error: BaseException = Exception(_first_line(description))
    try:
        names, message, _ = description
        for name in names:
            kind = getattr(builtins, name.removeprefix("builtins."), None) if name.startswith("builtins.") else None
            if isinstance(kind, type) and issubclass(kind, BaseException):
                error = kind(message)
                break
    except (ValueError, TypeError, AttributeError):
        pass
    error.remote = description  # type: ignore[attr-defined]
    return error


def describe(error: BaseException, file: str) -> tuple[list[str], str, tuple[int, ...] | None]:
    """Names of the exception's classes, its message, and (line, column, end line, end column) of the deepest entry in `file`.

    Lines count from 1; columns are UTF-8 bytes from 0, as the interpreter keeps them.
    """
    names = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__[:-1]]
    return names, _text(error.code if isinstance(error, SystemExit) else error), _place(error.__traceback__, file)


def _place(trace: TracebackType | None, file: str) -> tuple[int, ...] | None:
    found = None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            found = trace
        trace = trace.tb_next
    if found is None:
        return None
    position = next(islice(found.tb_frame.f_code.co_positions(), found.tb_lasti // 2, None), (None,) * 4)
    line, end_line, column, end_column = position
    if line is None:
        return (found.tb_lineno or 1, 0, found.tb_lineno or 1, 0)
    return (line, column or 0, end_line or line, end_column or 0)


def _text(value: Any) -> str:
    try:
        return str(str(value)[:TEXT])
    except BaseException:
        return "<unprintable>"


def _repr(value: Any) -> str:
    try:
        return repr(value)
    except BaseException:
        return f"<{type(value).__name__}>"
