"""One job's conversation with a server: send the order and the requests, collect frames and output, stop in time.

Everything that comes from the jail is untrusted bytes: frames are decoded by the safe codec, output is cut at its limit,
nothing is buffered beyond the bounds.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from burnish.core.errors import SandboxError
from burnish.sandbox.inside import codec, wire
from burnish.sandbox.jobs import Bounds, Job, Run, artefact

if TYPE_CHECKING:
    from burnish.sandbox.worker import Server

Stop = Callable[[tuple[Any, ...]], bool]
"""Called with every frame of the leading process; True ends the run at once."""


class Cancel:
    """Ends runs from another thread: those under way stop at once, later ones never begin."""

    def __init__(self) -> None:
        self.is_set = False
        self._lock = threading.Lock()
        self._under_way: set[Exchange] = set()

    def set(self) -> None:
        """End every run that was given this object."""
        with self._lock:
            self.is_set = True
            for exchange in self._under_way:
                exchange.abort()

    @contextlib.contextmanager
    def over(self, exchange: Exchange) -> Iterator[None]:
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


_GRACE_S = 10.0
_QUIET_MS = 4
"""So long the parent sleeps until the run is over; only then it wakes for every frame, to stop, drain and cut."""


class Exchange:
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
