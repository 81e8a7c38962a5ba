"""The nursery: process 1 of the jail. It forks a guest (and a driver) per order, watches the clocks, kills and reaps all.

It has no privilege and keeps no secret: requests are read by the forked seats themselves, results go straight to the
trusted parent. As process 1 it adopts every orphan, so that nothing can hide from its SIGKILL to all.
"""

from __future__ import annotations

import _socket
import contextlib
import gc
import json
import mmap
import os
import random
import resource
import select
import shutil
import signal
import time
from collections.abc import Sequence
from typing import Any, NoReturn

from . import driver, guest, jail, kernel, seccomp, wire
from .seat import Seat

Pipes = tuple[int, int, int, int, int]
"""Far ends of: guest request, guest result, driver request, driver result, output."""


def report(control: int, message: dict[str, Any]) -> None:
    """Tell the parent how the start went."""
    os.write(control, json.dumps(message).encode())


class Nursery:
    """The full jail's nursery."""

    limits_processes = True

    def __init__(self, control: int, pipes: Pipes, warden: int, user: int) -> None:
        self._control, self._pipes, self._warden, self._user = control, pipes, warden, user
        self._progress = mmap.mmap(-1, resource.getpagesize())
        self._no_signals = seccomp.no_signals()
        self._clean: tuple[int, int] = (0, 0)

    def serve(self) -> NoReturn:
        """Lock the jail, say so, then obey orders until the parent hangs up."""
        try:
            self._prepare()
            report(self._control, {"layers": self._lock()})
            guest.warm_up()
            gc.collect()
            gc.freeze()
            while True:
                message = os.read(self._control, 64)
                if not message:
                    os._exit(0)
                if message != wire.ABORT:
                    self._obey(wire.ORDER.unpack(message))
        except jail.LayerMissing as error:
            report(self._control, {"missing": error.args[0], "reason": error.args[1]})
        finally:
            os._exit(1)

    def _prepare(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        random.seed(0)

    def _lock(self) -> list[str]:
        if os.getpid() != 1:
            raise jail.LayerMissing("namespaces", "the nursery is not process 1 of its namespace")
        kernel.die_with_parent(signal.SIGKILL)
        os.chdir(jail.BOX)
        layers = jail.lock(self._user)
        self._clean = self._box_state()
        return layers

    def _obey(self, order: tuple[int, ...]) -> None:
        seat_count, wall_ms, cpu_ms, memory_mb, units, total_ms = order
        two_seats = seat_count == 2
        self._progress[0:4] = b"\0\0\0\0"
        link = _link() if two_seats else (-1, -1)
        guest = self._fork(True, link)
        driver = self._fork(False, link) if two_seats else -1
        for descriptor in link if two_seats else ():
            os.close(descriptor)
        reason = self._watch(guest, driver, wall_ms / 1000, cpu_ms / 1000, memory_mb, units, total_ms / 1000)
        statuses, peak, seconds = self._clear(guest, driver)
        unit = int.from_bytes(self._progress[0:4], "little")
        os.write(self._control, wire.REPLY.pack(reason, statuses.get(guest, -1), statuses.get(driver, -1), peak, int(seconds * 1e6), unit))

    def _fork(self, is_guest: bool, link: tuple[int, int]) -> int:
        process = int(kernel.fork())
        if process < 0:
            raise OSError("fork failed")
        if process:
            return process
        try:
            self._confine(is_guest and link[0] >= 0)
            self._seat(is_guest, link)
        finally:
            os._exit(wire.SETUP_FAILED)

    def _confine(self, beside_driver: bool) -> None:
        """In the seat: a guest that has a driver beside it must not be able to signal it."""
        if beside_driver:
            kernel.install_filter(self._no_signals)

    def _seat(self, is_guest: bool, link: tuple[int, int]) -> None:
        guest_request, guest_result, driver_request, driver_result, output = self._pipes
        unused = [driver_request, driver_result] if is_guest else [guest_request, guest_result, output]
        unused += [link[is_guest]] if link[0] >= 0 else []
        for descriptor in (self._control, *unused, *([self._warden] if self._warden >= 0 else [])):
            os.close(descriptor)
        if is_guest:
            guest.run(Seat(guest_request, guest_result, self._progress, self.limits_processes), link[0], output)
        else:
            driver.run(Seat(driver_request, driver_result, self._progress, self.limits_processes), link[1])

    def _watch(self, guest: int, driver: int, wall_s: float, cpu_s: float, memory_mb: int, units: int, total_s: float) -> int:
        """Wait until the leading seat ends or a limit is reached. Limits are per unit, the shared page tells which runs.

        The time for all units together only ends a run whose first unit has begun: before that, a seat may just be slow to start.
        """
        lead = os.pidfd_open(driver if driver > 0 else guest)
        try:
            poller = select.poll()
            for descriptor in (lead, self._control, self._warden):
                if descriptor >= 0:
                    poller.register(descriptor, select.POLLIN)
            reason = self._happened(poller.poll(wire.TICK_MS), lead)
            if reason is not None:
                return reason
            self._ask_warden(wire.WATCH + memory_mb.to_bytes(4, "little"))
            reason = self._watch_clocks(poller, lead, (guest, driver), wall_s, cpu_s, units, total_s)
            self._ask_warden(wire.REST)
            return reason
        finally:
            os.close(lead)

    def _watch_clocks(
        self, poller: select.poll, lead: int, processes: tuple[int, int], wall_s: float, cpu_s: float, units: int, total_s: float
    ) -> int:
        started = unit_started = time.monotonic() - wire.TICK_MS / 1000
        unit, cpu_before = b"\0\0\0\0", 0.0
        while True:
            now, cpu = time.monotonic(), sum(map(_cpu_seconds, processes))
            if self._progress[0:4] != unit:
                unit, unit_started, cpu_before = self._progress[0:4], now, cpu
            if now - unit_started > wall_s or now - started > wall_s * units:
                return wire.WALL
            if 0 < total_s < now - started and unit != b"\0\0\0\0":
                return wire.TOTAL
            if cpu - cpu_before > cpu_s:
                return wire.CPU
            reason = self._happened(poller.poll(wire.TICK_MS), lead)
            if reason is not None:
                return reason

    def _happened(self, events: Sequence[tuple[int, int]], lead: int) -> int | None:
        ready = {descriptor for descriptor, _ in events}
        if lead in ready:
            return wire.EXITED
        for descriptor, reason in ((self._control, wire.ABORTED), (self._warden, wire.MEMORY)):
            if descriptor in ready:
                if not os.read(descriptor, 64):
                    os._exit(0)
                return reason
        return None

    def _clear(self, guest: int, driver: int) -> tuple[dict[int, int], int, float]:
        """Kill and reap everything in this PID namespace, renew the folder if it was touched.

        Returns wait statuses, peak resident KiB, CPU seconds. No fork slips through the kill: the kernel completes none in a
        process with a fatal signal pending.
        """
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        reaped = _reap(None)
        if self._box_state() != self._clean:
            os.chdir("/")
            self._ask_warden(wire.RENEW)
            os.chdir(jail.BOX)
            self._clean = self._box_state()
        return reaped

    def _ask_warden(self, request: bytes) -> None:
        """Send a request and wait until it is done; an alarm about the run that has just ended is dropped."""
        os.write(self._warden, request)
        while (answer := os.read(self._warden, 64)) != wire.DONE:
            if not answer:
                os._exit(0)

    def _box_state(self) -> tuple[int, int]:
        """Changes whenever something was made, removed or changed at the top of the private folder."""
        try:
            status = os.stat(".")
            return (status.st_ctime_ns, status.st_mode) if not os.listdir(".") else (-1, -1)
        except OSError:
            return -1, -1


class WeakerNursery(Nursery):
    """The nursery of the weaker level: no namespaces, so its seats may neither fork nor signal, and an ordinary folder."""

    limits_processes = False

    def __init__(self, control: int, pipes: Pipes, folder: str, packages: Sequence[str]) -> None:
        super().__init__(control, pipes, -1, os.getuid())
        self._folder, self._packages = folder, packages
        self._no_fork = seccomp.program(allow_fork=False)

    def _lock(self) -> list[str]:
        os.chdir(self._folder)
        return jail.lock_weaker(self._folder, self._packages)

    def _confine(self, beside_driver: bool) -> None:
        kernel.die_with_parent(signal.SIGKILL)
        kernel.install_filter(self._no_signals)
        kernel.install_filter(self._no_fork)

    def _ask_warden(self, request: bytes) -> None:
        """There is none."""

    def _clear(self, guest: int, driver: int) -> tuple[dict[int, int], int, float]:
        seats_forked = [process for process in (guest, driver) if process > 0]
        for process in seats_forked:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        reaped = _reap(seats_forked)
        for folder, _, _ in os.walk("."):
            os.chmod(folder, 0o700)
        for entry in os.scandir("."):
            shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)
        return reaped


def _link() -> tuple[int, int]:
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


def _reap(processes: Sequence[int] | None) -> tuple[dict[int, int], int, float]:
    """Wait for these children, or for all there are. Returns wait statuses, peak resident KiB, CPU seconds."""
    statuses: dict[int, int] = {}
    peak, seconds = 0, 0.0
    while processes is None or len(statuses) < len(processes):
        try:
            process, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            break
        statuses[process] = status
        peak = max(peak, usage.ru_maxrss)
        seconds += usage.ru_utime + usage.ru_stime
    return statuses, peak, seconds
