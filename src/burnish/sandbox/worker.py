"""The parent's side of one server: start it, run one job at a time on it, notice when it is no longer to be trusted.

Everything that comes from the jail is untrusted bytes: frames are decoded by the safe codec, output is cut at its limit,
nothing is buffered beyond the bounds. Any doubt about the server raises `SandboxError`; the pool then replaces it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from burnish.core.errors import SandboxError, Unavailable
from burnish.sandbox.inside import codec, compiler, wire
from burnish.sandbox.jobs import Bounds, Job, Run, artefact

Stop = Callable[[tuple[Any, ...]], bool]
"""Called with every frame of the leading process; True ends the run at once."""


class Cancel:
    """Ends runs from another thread: those under way stop at once, later ones never begin."""

    def __init__(self) -> None:
        self.is_set = False
        self._lock = threading.Lock()
        self._under_way: set[_Exchange] = set()

    def set(self) -> None:
        """End every run that was given this object."""
        with self._lock:
            self.is_set = True
            for exchange in self._under_way:
                exchange.abort()

    @contextlib.contextmanager
    def over(self, exchange: _Exchange) -> Iterator[None]:
        """Watch an exchange whose order has been sent. An abort that comes too late finds the nursery idle and is ignored there."""
        with self._lock:
            self._under_way.add(exchange)
            if self.is_set:
                exchange.abort()
        try:
            yield
        finally:
            with self._lock:
                self._under_way.discard(exchange)


_HERE = Path(__file__).parent
_ENVIRONMENT = {
    "LC_ALL": "C",
    "PYTHONHASHSEED": "0",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "LD_BIND_NOW": "1",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_TOP_PAD_": "1048576",
    "MALLOC_TRIM_THRESHOLD_": "1073741824",
    "MALLOC_MMAP_THRESHOLD_": "33554432",
}
"""Fixed hash seed: the same program gets the same verdict. Numeric libraries start no threads. The rest saves page faults in seats."""
_OUTWARD = (True, False, True, False, False)
"""Directions of the pipes: guest request, guest result, driver request, driver result, output."""
_START_S, _GRACE_S, _COMPILE_S = 20.0, 10.0, 1.0
_QUIET_MS = 4
"""So long the parent sleeps until the run is over; only then it wakes for every frame, to stop, drain and cut."""
_MENDS = {
    "namespaces": "allow user namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns=0; in a container "
    "--security-opt seccomp=unconfined or --privileged)",
    "file system": "Linux 5.12 or newer with tmpfs is needed",
    "seccomp": "a kernel with CONFIG_SECCOMP_FILTER on x86-64 or aarch64 is needed",
    "landlock": "Linux 5.13 or newer with landlock in the kernel's lsm= list",
}


_NO_WEAKER_TOOLS = (
    "Compilers and the programs that they build run in the full jail only: the sandbox level 'weaker' has no room for programs that "
    "start others. Mend: unset BURNISH_SANDBOX, and see `burnish doctor` for what the full jail needs."
)


def mend(layer: str) -> str:
    """How to get a missing layer."""
    return _MENDS.get(layer, "run as a user who may create user namespaces, see `burnish doctor`")


class Server:
    """One jail with its warm nursery. Not thread-safe: one job at a time."""

    boot = "import sys; sys.path.insert(0, sys.argv.pop(1)); from inside import server; sys.path.pop(0); server.from_command_line()"
    """What the bare interpreter of a server runs; its arguments are this package's folder and a JSON object."""

    def __init__(self, preload: Sequence[str] = (), packages: Sequence[str] = (), level: str = "full", profile: str = "python") -> None:
        if level == "weaker" and profile != "python":
            raise Unavailable(_NO_WEAKER_TOOLS)
        self.runs = 0
        self.slowness = 1.0
        """By how much the time limits of a run are stretched: this machine beside the one that limits are meant for."""
        self.reusable = True
        """False once a seat may have left its request unread: the next seat would read that one, not its own."""
        self._control: socket.socket
        self._compiler: socket.socket | None = None
        self._near: list[int] = []
        self._descriptors = contextlib.ExitStack()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        arguments = {"level": level, "profile": profile, "preload": list(preload), "packages": package_folders(packages)}
        try:
            self._launch(arguments)
            self.layers = self._greeting()
        except OSError as error:
            self.close()
            raise SandboxError(f"the jail's server could not be started: {error}") from error
        except BaseException:
            self.close()
            raise
        self._request, self._driver_request = self._near[0], self._near[2]
        self._guest, self._driver, self._output = self._near[1], self._near[3], self._near[4]
        for descriptor in self._near:
            os.set_blocking(descriptor, False)
        self._poller = select.poll()
        self._poller.register(self._control, select.POLLIN)

    def compile(self, source: str, patience_s: float) -> tuple[Any, ...] | None:
        """`("code", bytes)`, the frame `("syntax", …)`, or None if the seat has to compile it itself.

        A compiler that has crashed or takes too long is not asked again: this server serves the run and is then replaced.
        """
        data = source.encode("utf-8", "surrogatepass")
        if self._compiler is None or len(data) > compiler.MOST_SOURCE:
            return None
        try:
            self._compiler.settimeout(min(_COMPILE_S, patience_s))
            self._compiler.sendall(wire.LENGTH.pack(len(data)) + data)
            answer = self._received(wire.LENGTH.unpack(self._received(4))[0])
            found = codec.decode(answer)
        except (OSError, EOFError, codec.CodecError):
            self._compiler.close()
            self._compiler = None
            return None
        return found if _is_compiled(found) else None

    def _received(self, count: int) -> bytes:
        """So many bytes from the compiler. Raises `EOFError` when it is gone or talks nonsense."""
        assert self._compiler is not None
        if count > compiler.MOST_CODE + 100:
            raise EOFError
        data = self._compiler.recv(count, socket.MSG_WAITALL)
        while len(data) < count:
            part = self._compiler.recv(count - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def answers_within(self, milliseconds: int) -> bool:
        """True if the nursery has something to say within so long."""
        return bool(self._poller.poll(milliseconds))

    def _launch(self, arguments: dict[str, Any]) -> None:
        """Start the process. What is only for the child is closed here again, whatever happens."""
        with _changing, contextlib.ExitStack() as passing:
            _living.add(self)
            _avoid_standard_streams(passing)
            if arguments["level"] == "weaker":
                self._folder = tempfile.TemporaryDirectory(prefix="burnish-")
            self._control, remote = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._descriptors.enter_context(self._control)
            passing.enter_context(remote)
            self._compiler, compiling = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            self._descriptors.enter_context(self._compiler)
            passing.enter_context(compiling)
            far = []
            for outward in _OUTWARD:
                source, sink = os.pipe()
                near_end, far_end = (sink, source) if outward else (source, sink)
                self._descriptors.callback(os.close, near_end)
                passing.callback(os.close, far_end)
                self._near.append(near_end)
                far.append(far_end)
            ends = {
                "control": remote.fileno(),
                "compiling": compiling.fileno(),
                "pipes": far,
                "folder": self._folder.name if self._folder else "",
            }
            self._process = _start(self.boot, json.dumps({**arguments, **ends}), [remote.fileno(), compiling.fileno(), *far])

    def _greeting(self) -> list[str]:
        self._control.settimeout(_START_S)
        try:
            message = self._control.recv(1 << 16)
        except TimeoutError:
            message = b""
        self._control.settimeout(None)
        if not message:
            raise SandboxError("The jail's server did not start. Run `burnish doctor` to see which layer fails.")
        report = json.loads(message)
        if report.get("transient"):
            raise SandboxError(f"the jail's server could not be started: {report['reason']}")
        if "missing" in report:
            name, reason = report["missing"], report["reason"]
            missing = f"The jail's layer {name!r} is not available here ({reason})."
            raise Unavailable(f"{missing} Mend: {mend(name)}; or choose BURNISH_SANDBOX=weaker knowingly.")
        self.slowness = float(report["slowness"])
        return list(report["layers"])

    def run(self, job: Job, bounds: Bounds, stop: Stop | None = None, cancel: Cancel | None = None) -> Run:
        """Run one job. Raises `SandboxError` if the server fails; the server must then be closed.

        It must also be closed if `reusable` is False afterwards: a seat ended before its first frame, so that its request may
        still lie in the pipe, where the next run's seat would take it for its own.
        """
        self.runs += 1
        bounds = bounds.scaled(self.slowness)
        exchange = _Exchange(self, job, bounds, stop)
        try:
            run = exchange.complete(cancel or Cancel())
        except OSError as error:
            raise SandboxError(f"the jail's server failed: {error}") from error
        self.reusable = self._compiler is not None and bool(run.guest) and (bool(run.driver) or not job.has_driver)
        return run

    def close(self) -> None:
        """Kill the server with everything in it, and reap it."""
        with _changing:
            self._descriptors.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._folder is not None:
            self._folder.cleanup()

    def forget(self) -> None:
        """In a forked child of the parent: let go of the descriptors, leave the server to its owner."""
        self._descriptors.close()
        if self._process is not None:
            self._process.returncode = 0
        if self._folder is not None:
            self._folder._finalizer.detach()  # type: ignore[attr-defined]


_living: weakref.WeakSet[Server] = weakref.WeakSet()
_changing = threading.RLock()
"""Held while descriptors of a server come and go: a fork in the midst of that would give the child some for ever."""


def _forget_all() -> None:
    for server in list(_living):
        server.forget()
    _changing.release()


os.register_at_fork(before=_changing.acquire, after_in_parent=_changing.release, after_in_child=_forget_all)


def _avoid_standard_streams(until: contextlib.ExitStack) -> None:
    """Where the parent has closed stdin, stdout or stderr, no pipe of ours may take its number: others write there."""
    descriptor = -1
    while descriptor <= 2:
        descriptor = os.open(os.devnull, os.O_RDWR)
        until.callback(os.close, descriptor)


def _start(boot: str, arguments: str, descriptors: list[int]) -> subprocess.Popen[bytes]:
    """In a session of its own: what the terminal sends to the parent's group (Ctrl-C, Ctrl-Z) must not hit judged programs."""
    return subprocess.Popen(
        [sys.executable, "-S", "-s", "-P", "-B", "-X", "utf8", "-c", boot, str(_HERE), arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=_ENVIRONMENT,
        pass_fds=descriptors,
        cwd="/",
    )


def package_folders(names: Sequence[str]) -> list[str]:
    """Folders of installed packages, and of the shared libraries that wheels put beside them. Raises `Unavailable`."""
    folders = []
    for name in names:
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise Unavailable(f"The package {name!r} is not installed here, so judged programs cannot import it. Mend: pip install {name}.")
        folder = os.path.realpath(next(iter(spec.submodule_search_locations)))
        folders += [path for path in (folder, f"{folder}.libs") if os.path.isdir(path)]
    return folders


def _is_compiled(found: Any) -> bool:
    match found:
        case ("code", bytes(code)):
            return bool(code)
        case ("syntax", str(), str(), _):
            return True
    return False


class _Exchange:
    """One job's conversation with a server."""

    def __init__(self, server: Server, job: Job, bounds: Bounds, stop: Stop | None) -> None:
        self._server, self._bounds, self._stop = server, bounds, stop
        self._units = job.units()
        self._job = job
        self._unsent: dict[int, memoryview] = {}
        self._two_seats = job.has_driver
        self._frames: dict[int, bytearray] = {server._guest: bytearray(), server._driver: bytearray()}
        self._room, self._frames_due = job.room(bounds), job.frames()
        self._output = bytearray()
        self._aborted = False
        self._ready = [False, False]
        self.run = Run()

    def complete(self, cancel: Cancel) -> Run:
        """Send the order, hold the conversation, collect what is left."""
        started = time.monotonic()
        order = wire.ORDER.pack(
            2 if self._two_seats else 1,
            int(self._bounds.wall_s * 1000),
            int(self._bounds.cpu_s * 1000),
            self._bounds.memory_mb,
            self._units,
            math.ceil(self._bounds.total_wall_s * 1000),
        )
        self._server._control.send(order)
        guest, driver = self._job.requests(self._bounds)
        self._unsent[self._server._request] = memoryview(guest)
        if not driver:
            self._send()
        compiled = self._compiled()
        if compiled and compiled[0] == "syntax" and driver:
            self._unsent.clear()
            return self._called_off(compiled, cancel)
        if driver:
            self._unsent[self._server._driver_request] = memoryview(driver)
        self._send()
        if self._unsent or not self._server.answers_within(_QUIET_MS):
            with cancel.over(self):
                self._converse(started + self._bounds.wall_s * self._units + _GRACE_S)
        self._reply()
        self._drain()
        for ready, frames in zip(self._ready, (self.run.guest, self.run.driver), strict=True):
            if ready:
                frames.insert(0, ("ready",))
        if compiled and compiled[0] == "syntax" and self.run.guest:
            self.run.guest.append(compiled)
        self.run.wall_s = time.monotonic() - started
        self.run.output = bytes(self._output)
        return self.run

    def _compiled(self) -> tuple[Any, ...] | None:
        """Have the program compiled and append it to the guest's request, or the word that it does not compile; the frame that says why."""
        if self._job.source is None:
            return None
        found = self._server.compile(self._job.source, self._bounds.wall_s / 2)
        program = self._job.source if found is None else found[1] if found[0] == "code" else None
        pipe = self._server._request
        self._unsent[pipe] = memoryview(bytes(self._unsent.get(pipe, b"")) + artefact(program))
        return found

    def _called_off(self, why: tuple[Any, ...], cancel: Cancel) -> Run:
        """The end of a run whose program does not compile: its seats have not been asked anything."""
        started = time.monotonic()
        self.abort()
        with cancel.over(self):
            self._converse(started + self._bounds.wall_s * self._units + _GRACE_S)
        self._reply()
        return Run(guest=[("ready",), why], driver=[("ready",)], guest_status=0, driver_status=0, wall_s=time.monotonic() - started)

    def _converse(self, deadline: float) -> None:
        """Send the rest of the requests, collect frames and output, until the nursery has replied."""
        server = self._server
        control = server._control.fileno()
        poller = select.poll()
        for descriptor in (control, server._guest, server._driver, server._output):
            poller.register(descriptor, select.POLLIN)
        for descriptor in self._unsent:
            poller.register(descriptor, select.POLLOUT)
        while True:
            ready = poller.poll(max(0.0, deadline - time.monotonic()) * 1000)
            if not ready:
                raise SandboxError("the jail's server did not answer in time")
            descriptors = {descriptor for descriptor, _ in ready}
            if control in descriptors:
                return
            for descriptor in descriptors:
                if descriptor not in self._unsent:
                    self._read(descriptor)
            for descriptor in self._send() & descriptors:
                poller.unregister(descriptor)
            if self.run.malformed and not self._unsent:
                self.abort()

    def _send(self) -> set[int]:
        """Write as much of the requests as the pipes take. Returns the descriptors that are done with."""
        done = set()
        for descriptor, data in list(self._unsent.items()):
            try:
                while data:
                    data = data[os.write(descriptor, data) :]
            except BlockingIOError:
                self._unsent[descriptor] = data
                continue
            del self._unsent[descriptor]
            done.add(descriptor)
        return done

    def _reply(self) -> None:
        message = self._server._control.recv(64)
        if len(message) != wire.REPLY.size:
            raise SandboxError("the jail's server ended")
        if self._unsent:
            raise SandboxError("a seat of the jail ended before it had read its request")
        run = self.run
        run.reason, run.guest_status, run.driver_status, peak, cpu, page = wire.REPLY.unpack(message)
        run.units_begun, *self._ready = wire.PAGE.unpack(page)
        run.peak_mb, run.cpu_s = peak / 1024, cpu / 1e6

    def _drain(self) -> None:
        """All writers are dead now: whatever is still in the pipes belongs to this run."""
        server = self._server
        for descriptor in (server._guest, server._driver, server._output):
            while self._read(descriptor):
                pass
        for descriptor, buffer in self._frames.items():
            if buffer and self.run.reason == wire.EXITED and not self.run.malformed:
                self._malformed(descriptor, "an unfinished frame")

    def _read(self, descriptor: int) -> bool:
        try:
            data = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return False
        if not data:
            raise SandboxError("the jail's server ended")
        if descriptor == self._server._output:
            self._collect(data)
        else:
            self._parse(descriptor, data)
        return True

    def _collect(self, data: bytes) -> None:
        room = self._bounds.output_bytes - len(self._output)
        self._output += data[:room]
        if len(data) > room and not self.run.output_exceeded:
            self.run.output_exceeded = True
            self.abort()

    def _parse(self, descriptor: int, data: bytes) -> None:
        if self.run.malformed:
            return
        self._room -= len(data)
        if self._room < 0:
            self._malformed(descriptor, "more data than any honest program sends")
            return
        buffer = self._frames[descriptor]
        buffer += data
        while len(buffer) >= 4:
            size = wire.LENGTH.unpack_from(buffer)[0]
            if len(buffer) < size + 4:
                return
            frame = bytes(buffer[4 : size + 4])
            del buffer[: size + 4]
            self._frame(descriptor, frame)

    def _frame(self, descriptor: int, data: bytes) -> None:
        try:
            frame = codec.decode(data)
        except codec.CodecError as error:
            self._malformed(descriptor, str(error))
            return
        if type(frame) is not tuple or not frame or type(frame[0]) is not str:
            self._malformed(descriptor, "not a frame")
            return
        is_guest = descriptor == self._server._guest
        frames = self.run.guest if is_guest else self.run.driver
        frames.append(frame)
        if len(frames) > self._frames_due:
            self._malformed(descriptor, "more frames than any honest program sends")
            return
        if self._stop is not None and is_guest != self._two_seats and self._stop(frame):
            self.abort()

    def _malformed(self, descriptor: int, why: str) -> None:
        self.run.malformed = why if descriptor == self._server._guest else f"tests: {why}"
        if not self._unsent:  # what is half sent would be left to the next run
            self.abort()

    def abort(self) -> None:
        """Ask the nursery to end the run now. Safe from any thread; whether the server still lives shows in its reply."""
        if not self._aborted:
            self._aborted = True
            with contextlib.suppress(OSError):
                self._server._control.send(wire.ABORT)
