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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from burnish.core.errors import SandboxError, Unavailable
from burnish.sandbox.inside import codec, wire
from burnish.sandbox.jobs import Bounds, Calls, Job, Run, Session, requests, units_of

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
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
"""Fixed hash seed: the same program gets the same verdict. Numeric libraries start no threads."""
_START_S, _GRACE_S = 20.0, 10.0
_MENDS = {
    "namespaces": "allow user namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns=0; in a container "
    "--security-opt seccomp=unconfined or --privileged)",
    "file system": "Linux 5.12 or newer with tmpfs is needed",
    "seccomp": "a kernel with CONFIG_SECCOMP_FILTER on x86-64 or aarch64 is needed",
    "landlock": "Linux 5.13 or newer with landlock in the kernel's lsm= list",
}


def mend(layer: str) -> str:
    """How to get a missing layer."""
    return _MENDS.get(layer, "run as a user who may create user namespaces, see `burnish doctor`")


class Server:
    """One jail with its warm nursery. Not thread-safe: one job at a time."""

    boot = "import sys; sys.path.insert(0, sys.argv.pop(1)); from inside import server; sys.path.pop(0); server.from_command_line()"
    """What the bare interpreter of a server runs; its arguments are this package's folder and a JSON object."""

    def __init__(self, preload: Sequence[str] = (), packages: Sequence[str] = (), level: str = "full") -> None:
        folders = package_folders(packages)
        self._folder = tempfile.TemporaryDirectory(prefix="burnish-") if level == "weaker" else None
        self._control, remote = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._near, far = _pipes()
        arguments = {
            "control": remote.fileno(),
            "pipes": far,
            "level": level,
            "folder": self._folder.name if self._folder else "",
            "preload": list(preload),
            "packages": folders,
        }
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._process = _start(self.boot, json.dumps(arguments), [remote.fileno(), *far])
        except OSError as error:
            self.close()
            raise SandboxError(f"the jail's server could not be started: {error}") from error
        finally:
            remote.close()
            for descriptor in far:
                os.close(descriptor)
        self.runs = 0
        self.is_reusable = True
        self.layers = self._greeting()
        self._request, self._driver_request = self._near[0], self._near[2]
        self._guest, self._driver, self._output = self._near[1], self._near[3], self._near[4]
        for descriptor in self._near:
            os.set_blocking(descriptor, False)

    def _greeting(self) -> list[str]:
        self._control.settimeout(_START_S)
        try:
            message = self._control.recv(1 << 16)
        except TimeoutError:
            message = b""
        self._control.settimeout(None)
        if not message:
            self.close()
            raise SandboxError("The jail's server did not start. Run `burnish doctor` to see which layer fails.")
        report = json.loads(message)
        if "missing" in report:
            self.close()
            name, reason = report["missing"], report["reason"]
            missing = f"The jail's layer {name!r} is not available here ({reason})."
            raise Unavailable(f"{missing} Mend: {mend(name)}; or choose BURNISH_SANDBOX=weaker knowingly.")
        return list(report["layers"])

    def run(self, job: Job, bounds: Bounds, stop: Stop | None = None, cancel: Cancel | None = None) -> Run:
        """Run one job. Raises `SandboxError` if the server fails; the server must then be closed.

        It must also be closed if `is_reusable` is False afterwards: a seat ended before its first frame, so that its request may
        still lie in the pipe, where the next run's seat would take it for its own.
        """
        self.runs += 1
        exchange = _Exchange(self, job, bounds, stop)
        try:
            return exchange.complete(cancel or Cancel())
        except OSError as error:
            raise SandboxError(f"the jail's server failed: {error}") from error

    def close(self) -> None:
        """Kill the server with everything in it, and reap it."""
        self._control.close()
        for descriptor in self._near:
            os.close(descriptor)
        self._near = []
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._folder is not None:
            self._folder.cleanup()

    def forget(self) -> None:
        """In a forked child of the parent: let go of the descriptors, leave the server to its owner."""
        self._control.close()
        for descriptor in self._near:
            os.close(descriptor)
        self._near = []
        if self._process is not None:
            self._process.returncode = 0
        if self._folder is not None:
            self._folder._finalizer.detach()  # type: ignore[attr-defined]


def _start(boot: str, arguments: str, descriptors: list[int]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-S", "-s", "-P", "-B", "-X", "utf8", "-c", boot, str(_HERE), arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
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


def _pipes() -> tuple[list[int], list[int]]:
    """Near and far ends of: guest request, guest result, driver request, driver result, output."""
    near, far = [], []
    for outward in (True, False, True, False, False):
        source, sink = os.pipe()
        near.append(sink if outward else source)
        far.append(source if outward else sink)
    return near, far


class _Exchange:
    """One job's conversation with a server."""

    def __init__(self, server: Server, job: Job, bounds: Bounds, stop: Stop | None) -> None:
        self._server, self._bounds, self._stop = server, bounds, stop
        self._units = units_of(job)
        guest, driver = requests(job, bounds)
        self._unsent = {server._request: memoryview(guest), server._driver_request: memoryview(driver)}
        self._two_seats = isinstance(job, Session)
        self._frames: dict[int, bytearray] = {server._guest: bytearray(), server._driver: bytearray()}
        count = len(job.calls) if isinstance(job, Calls) else len(job.drives) if isinstance(job, Session) else 1
        self._room = (bounds.output_bytes + 20_000) * (count + 2)
        self._output = bytearray()
        self._aborted = False
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
        with cancel.over(self):
            self._converse(started + self._bounds.wall_s * self._units + _GRACE_S)
        self._drain()
        self._server.is_reusable = self._has_begun()
        self.run.wall_s = time.monotonic() - started
        self.run.output = bytes(self._output)
        return self.run

    def _converse(self, deadline: float) -> None:
        """Send the requests, collect frames and output, until the nursery has replied."""
        server = self._server
        control = server._control.fileno()
        poller = select.poll()
        for descriptor in (control, server._guest, server._driver, server._output):
            poller.register(descriptor, select.POLLIN)
        self._send(poller)
        while True:
            ready = poller.poll(max(0.0, deadline - time.monotonic()) * 1000)
            if not ready:
                raise SandboxError("the jail's server did not answer in time")
            descriptors = {descriptor for descriptor, _ in ready}
            for descriptor in descriptors - {control}:
                if descriptor in self._unsent:
                    self._send(poller)
                else:
                    self._read(descriptor)
            if control in descriptors:
                self._reply()
                return

    def _has_begun(self) -> bool:
        """True if every seat has sent a frame, and so has read its request."""
        return bool(self.run.guest) and (bool(self.run.driver) or not self._two_seats)

    def _send(self, poller: select.poll) -> None:
        for descriptor, data in list(self._unsent.items()):
            try:
                while data:
                    data = data[os.write(descriptor, data) :]
            except BlockingIOError:
                poller.register(descriptor, select.POLLOUT)
                self._unsent[descriptor] = data
                continue
            del self._unsent[descriptor]
            if data is not None and self._is_polled(poller, descriptor):
                poller.unregister(descriptor)

    @staticmethod
    def _is_polled(poller: select.poll, descriptor: int) -> bool:
        try:
            poller.modify(descriptor, select.POLLOUT)
        except FileNotFoundError:
            return False
        return True

    def _reply(self) -> None:
        message = self._server._control.recv(64)
        if len(message) != wire.REPLY.size:
            raise SandboxError("the jail's server ended")
        if self._unsent:
            raise SandboxError("a seat of the jail ended before it had read its request")
        run = self.run
        run.reason, run.guest_status, run.driver_status, peak, cpu, run.units_begun = wire.REPLY.unpack(message)
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
        (self.run.guest if is_guest else self.run.driver).append(frame)
        if self._stop is not None and is_guest != self._two_seats and self._stop(frame):
            self.abort()

    def _malformed(self, descriptor: int, why: str) -> None:
        self.run.malformed = why if descriptor == self._server._guest else f"tests: {why}"
        self.abort()

    def abort(self) -> None:
        """Ask the nursery to end the run now. Safe from any thread; whether the server still lives shows in its reply."""
        if not self._aborted:
            self._aborted = True
            with contextlib.suppress(OSError):
                self._server._control.send(wire.ABORT)
