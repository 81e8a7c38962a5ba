"""The two processes of one server: a warden outside the PID namespace and the nursery, its process 1, that forks the seats.

The nursery has no privilege and keeps no secret: requests are read by the forked seats themselves. After each run it kills
everything that lives in the namespace and reaps it; as process 1 it adopts every orphan, so nothing can hide. The warden
keeps the right to mount: it renews the private folder, and it watches real memory from outside.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import mmap
import os
import random
import resource
import select
import signal
import sys
import time
from typing import Any, NoReturn

from . import jail, kernel, seats, wire

TICK_MS = 20
_RENEW, _WATCH, _REST, _DONE, _EXCEEDED = b"R", b"W", b"S", b"D", b"M"


def main(control: int, pipes: tuple[int, int, int, int, int], preload: list[str]) -> None:
    """Build the jail, then serve orders from `control` until the parent hangs up.

    `pipes` are the far ends of: guest request, guest result, driver request, driver result, output.
    """
    try:
        for name in filter(None, preload):
            importlib.import_module(name)
        processes = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
        user = jail.enter()
    except jail.LayerMissing as error:
        _report(control, {"missing": error.args[0], "reason": error.args[1]})
        return
    except Exception as error:
        _report(control, {"missing": "server", "reason": f"{type(error).__name__}: {error}"})
        return
    outside, inside = _message_pair()
    nursery = os.fork()
    if nursery == 0:
        os.close(processes)
        os.close(outside)
        _Nursery(control, pipes, inside, user).serve()
    for descriptor in (control, *pipes, inside):
        os.close(descriptor)
    _Warden(outside, nursery, processes, user).serve()


def _message_pair() -> tuple[int, int]:
    import _socket

    left, right = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    return left.detach(), right.detach()


def _report(control: int, message: dict[str, Any]) -> None:
    os.write(control, json.dumps(message).encode())


class _Warden:
    """Serves the nursery: renews its folder, watches the memory of what it has forked."""

    def __init__(self, channel: int, nursery: int, processes: int, user: int) -> None:
        self._channel, self._nursery, self._processes, self._user = channel, nursery, processes, user
        self._page = resource.getpagesize()
        self._limit = 0

    def serve(self) -> NoReturn:
        poller = select.poll()
        poller.register(self._channel, select.POLLIN)
        while True:
            if poller.poll(TICK_MS if self._limit else None):
                message = os.read(self._channel, 64)
                if not message:
                    os._exit(0)
                self._obey(message)
            elif self._limit and self._used() > self._limit:
                self._limit = 0
                os.write(self._channel, _EXCEEDED)

    def _obey(self, message: bytes) -> None:
        if message == _RENEW:
            jail.renew_box(self._user)
            os.write(self._channel, _DONE)
        elif message == _REST:
            self._limit = 0
            os.write(self._channel, _DONE)
        else:
            self._limit = int.from_bytes(message[1:], "little") << 20

    def _used(self) -> int:
        """Bytes resident in all descendants of the nursery, beyond what each shares with it."""
        shared = self._resident(self._nursery)
        return sum(max(0, self._resident(process) - shared) for process in self._descendants(self._nursery))

    def _descendants(self, process: int) -> list[int]:
        found = []
        for task in self._list(f"{process}/task"):
            for child in map(int, self._read(f"{process}/task/{task}/children").split()):
                found += [child, *self._descendants(child)]
        return found

    def _resident(self, process: int) -> int:
        fields = self._read(f"{process}/statm").split()
        return int(fields[1]) * self._page if fields else 0

    def _list(self, path: str) -> list[str]:
        try:
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._processes)
        except OSError:
            return []
        try:
            return os.listdir(folder)
        finally:
            os.close(folder)

    def _read(self, path: str) -> bytes:
        try:
            file = os.open(path, os.O_RDONLY, dir_fd=self._processes)
        except OSError:
            return b""
        try:
            return os.read(file, 1 << 16)
        except OSError:
            return b""
        finally:
            os.close(file)


class _Nursery:
    """Process 1 of the jail: forks one guest (and a driver) per order, watches the clocks, kills and reaps all."""

    def __init__(self, control: int, pipes: tuple[int, int, int, int, int], warden: int, user: int) -> None:
        self._control, self._pipes, self._warden = control, pipes, warden
        self._progress = mmap.mmap(-1, resource.getpagesize())
        self._user = user
        self._clean: tuple[int, int] = (0, 0)

    def serve(self) -> NoReturn:
        """Lock the jail, say so, then obey orders until the parent hangs up."""
        try:
            self._prepare()
            _report(self._control, {"layers": jail.lock(self._user)})
            self._clean = self._box_state()
            gc.collect()
            gc.freeze()
            while True:
                message = os.read(self._control, 64)
                if not message:
                    os._exit(0)
                if message != wire.ABORT:
                    self._obey(wire.ORDER.unpack(message))
        except jail.LayerMissing as error:
            _report(self._control, {"missing": error.args[0], "reason": error.args[1]})
        finally:
            os._exit(1)

    def _prepare(self) -> None:
        if os.getpid() != 1:
            raise jail.LayerMissing("namespaces", "the nursery is not process 1 of its namespace")
        kernel.die_with_parent(signal.SIGKILL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
        os.chdir(jail.BOX)
        random.seed(0)

    def _obey(self, order: tuple[int, ...]) -> None:
        seat_count, wall_ms, cpu_ms, memory_mb, units = order
        self._progress[0:4] = b"\0\0\0\0"
        link = _message_stream() if seat_count == 2 else (-1, -1)
        guest = self._fork(True, link)
        driver = self._fork(False, link) if seat_count == 2 else -1
        if seat_count == 2:
            os.close(link[0])
            os.close(link[1])
        reason = self._watch(guest, driver, wall_ms / 1000, cpu_ms / 1000, memory_mb, units)
        statuses, peak, seconds = _kill_all()
        if self._box_state() != self._clean:
            self._renew()
        unit = int.from_bytes(self._progress[0:4], "little")
        os.write(self._control, wire.REPLY.pack(reason, statuses.get(guest, -1), statuses.get(driver, -1), peak, int(seconds * 1e6), unit))

    def _fork(self, is_guest: bool, link: tuple[int, int]) -> int:
        process = os.fork()
        if process:
            return process
        try:
            guest_request, guest_result, driver_request, driver_result, output = self._pipes
            unused = [self._control, self._warden, link[is_guest]] if link[0] >= 0 else [self._control, self._warden]
            unused += [driver_request, driver_result] if is_guest else [guest_request, guest_result, output]
            for descriptor in unused:
                os.close(descriptor)
            if is_guest:
                seats.guest(seats.Seat(guest_request, guest_result, self._progress), link[0], output)
            else:
                seats.driver(seats.Seat(driver_request, driver_result, self._progress), link[1])
        finally:
            os._exit(wire.SETUP_FAILED)

    def _watch(self, guest: int, driver: int, wall_s: float, cpu_s: float, memory_mb: int, units: int) -> int:
        """Wait until the leading seat ends or a limit is reached. Limits are per unit, the shared page tells which runs."""
        lead = os.pidfd_open(driver if driver > 0 else guest)
        poller = select.poll()
        for descriptor in (lead, self._control, self._warden):
            poller.register(descriptor, select.POLLIN)
        started = unit_started = time.monotonic()
        unit, cpu_before, watched = b"\0\0\0\0", 0.0, False
        try:
            while True:
                ready = {descriptor for descriptor, _ in poller.poll(TICK_MS)}
                if lead in ready:
                    return wire.EXITED
                if self._control in ready:
                    if not os.read(self._control, 64):
                        os._exit(0)
                    return wire.ABORTED
                if self._warden in ready:
                    if not os.read(self._warden, 64):
                        os._exit(0)
                    return wire.MEMORY
                now, cpu = time.monotonic(), _cpu_seconds(guest) + _cpu_seconds(driver)
                if not watched:
                    watched = True
                    os.write(self._warden, _WATCH + memory_mb.to_bytes(4, "little"))
                if self._progress[0:4] != unit:
                    unit, unit_started, cpu_before = self._progress[0:4], now, cpu
                if now - unit_started > wall_s or now - started > wall_s * units:
                    return wire.WALL
                if cpu - cpu_before > cpu_s:
                    return wire.CPU
        finally:
            os.close(lead)
            if watched:
                self._ask_warden(_REST)

    def _renew(self) -> None:
        os.chdir("/")
        self._ask_warden(_RENEW)
        os.chdir(jail.BOX)
        self._clean = self._box_state()

    def _ask_warden(self, request: bytes) -> None:
        """Send a request and wait until it is done; an alarm about the run that has just ended is dropped."""
        os.write(self._warden, request)
        while (answer := os.read(self._warden, 64)) != _DONE:
            if not answer:
                os._exit(0)

    def _box_state(self) -> tuple[int, int]:
        """Changes whenever something was made, removed or changed at the top of the private folder."""
        try:
            status = os.stat(".")
            return (status.st_ctime_ns, status.st_mode) if not os.listdir(".") else (-1, -1)
        except OSError:
            return -1, -1


def _message_stream() -> tuple[int, int]:
    import _socket

    left, right = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
    return left.detach(), right.detach()


def _cpu_seconds(process: int) -> float:
    """CPU time of all threads of a process, by its clock id (see clock_getcpuclockid(3))."""
    if process <= 0:
        return 0.0
    try:
        return time.clock_gettime((~process << 3) | 2)
    except OSError:
        return 0.0


def _kill_all() -> tuple[dict[int, int], int, float]:
    """Kill and reap everything in this PID namespace. Returns wait statuses, peak resident KiB, CPU seconds.

    The kernel forbids a fork to slip through: a process with a fatal signal pending cannot complete one.
    """
    statuses: dict[int, int] = {}
    peak, seconds = 0, 0.0
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    while True:
        try:
            process, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return statuses, peak, seconds
        statuses[process] = status
        peak = max(peak, usage.ru_maxrss)
        seconds += usage.ru_utime + usage.ru_stime


def _from_command_line() -> None:
    control, *pipes = map(int, sys.argv[1].split(","))
    main(control, tuple(pipes), sys.argv[2].split(","))  # type: ignore[arg-type]
