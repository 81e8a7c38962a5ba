"""The nursery: process 1 of the jail. It forks a guest (and a driver) per order, watches the clocks, kills and reaps all.

It has no privilege and keeps no secret: requests are read by the forked seats themselves, results go straight to the
trusted parent. As process 1 it adopts every orphan, so that nothing can hide from its SIGKILL to all.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any, NoReturn

from . import driver, guest, jail, kernel, seccomp, wire
from .profiles import Profile
from .seat import Seat, limit

Pipes = tuple[int, int, int, int, int]
"""Far ends of: guest request, guest result, driver request, driver result, output."""
CONTROL, WARDEN, DRIVER_REQUEST, DRIVER_RESULT, GUEST_REQUEST, GUEST_RESULT, OUTPUT, GO, SAY_GO, FIRST_FREE = range(3, 13)
"""The nursery's descriptors: in an order in which a seat closes what is not its own by one call."""
_UNBEGUN = b"\0\0\0\0"
_BLANK = bytes(wire.PAGE.size)


REFERENCE_S = 0.001
"""CPU seconds of the loop of `slowness` on the machine that limits are meant for: an ordinary server core with Python 3.11."""


def slowness() -> float:
    """How many times longer than on the reference core a fixed loop takes here: the best of seven, at least 1, at most 20."""
    best = REFERENCE_S * 20
    for _ in range(7):
        started, total = time.thread_time(), 0
        for number in range(30_000):
            total += number & 7
        best = min(best, time.thread_time() - started)
    return max(1.0, best / REFERENCE_S)


def report(control: int, message: dict[str, Any]) -> None:
    """Tell the parent how the start went."""
    os.write(control, json.dumps(message).encode())


class Nursery:
    """The full jail's nursery.

    A fork write-protects all its memory, and each page that it then writes costs a page fault; so what it does for every
    order is kept short and makes few objects.
    """

    limits_processes = True

    def __init__(self, control: int, pipes: Pipes, warden: int, user: int, profile: Profile) -> None:
        _arrange(control, pipes, warden)
        self._has_warden, self._user, self._profile = warden >= 0, user, profile
        self._progress = kernel.shared_page()
        self._no_signals = seccomp.no_signals()
        self._clean = (0, 0, 0)
        self._spare = 0
        self._poller = select.poll()
        for descriptor in (CONTROL, WARDEN) if self._has_warden else (CONTROL,):
            self._poller.register(descriptor, select.POLLIN)

    def serve(self) -> NoReturn:
        """Lock the jail, say so, then obey orders until the parent hangs up."""
        try:
            self._prepare()
            report(CONTROL, {"layers": self._lock(), "slowness": slowness()})
            guest.warm_up()
            if "pytest" in sys.modules:
                from . import suite

                suite.warm_up()
            gc.collect()
            gc.freeze()
            self._fork_ahead()
            while True:
                message = os.read(CONTROL, 64)
                if not message:
                    os._exit(0)
                if message != wire.ABORT:
                    self._obey(*wire.ORDER.unpack(message))
        except jail.LayerMissing as error:
            report(CONTROL, error.report())
        finally:
            os._exit(1)

    def _prepare(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if os.getsid(0) != os.getpid():
            os.setsid()  # a process group reaches across PID namespaces: kill(0, …) must not
        limit(resource.RLIMIT_CORE, 0)
        limit(resource.RLIMIT_NOFILE, 64)
        if "random" in sys.modules:
            sys.modules["random"].seed(0)

    def _lock(self) -> list[str]:
        if os.getpid() != 1:
            raise jail.LayerMissing("namespaces", "the nursery is not process 1 of its namespace")
        kernel.die_with_parent(signal.SIGKILL)
        os.chdir(jail.BOX)
        layers = jail.lock(self._user, self._profile)
        self._clean = self._box_state()
        return layers

    def _obey(self, seat_count: int, wall_ms: int, cpu_ms: int, memory_mb: int, units: int, total_ms: int) -> None:
        if seat_count == 1:
            driver_process = -1
            lead = guest_process = self._spare or self._fork_guest(-1, -1)
            os.write(SAY_GO, b"!")
        else:
            self._discard_spare()
            self._progress[0:8] = _BLANK
            link, other = kernel.socket_pair(kernel.STREAM)
            guest_process = self._fork_guest(link, other)
            lead = driver_process = self._fork_driver(link, other)
            os.close(link)
            os.close(other)
        handle = os.pidfd_open(lead)
        self._poller.register(handle, select.POLLIN)
        reason = self._happened(self._poller.poll(wire.TICK_MS), handle)
        if reason < 0:
            reason = self._watch(handle, (guest_process, driver_process), wall_ms / 1000, cpu_ms / 1000, memory_mb, units, total_ms / 1000)
        guest_status, driver_status, peak, seconds = self._end(guest_process, driver_process, reason)
        page = bytes(self._progress[0:8])
        os.write(CONTROL, wire.REPLY.pack(reason, guest_status, driver_status, peak, int(seconds * 1e6), page))
        self._poller.unregister(handle)
        os.close(handle)
        self._tidy()
        if not page[wire.GUEST_READY]:
            _empty_pipe(GO)  # a guest that was ended first has not read its word: the next would start too early
        self._fork_ahead()

    def _fork_ahead(self) -> None:
        """Fork the next order's guest while the parent is busy with this one's answers. It touches no request before it is told to."""
        self._progress[0:8] = _BLANK
        try:
            self._spare = self._fork_guest(-1, -1)
        except OSError:
            self._spare = 0

    def _discard_spare(self) -> None:
        """The order is for another sort of guest."""
        if self._spare:
            os.kill(self._spare, signal.SIGKILL)
            os.waitpid(self._spare, 0)
            self._spare = 0

    def _fork_guest(self, link: int, other: int) -> int:
        process = int(kernel.fork())
        if process > 0:
            return process
        if process < 0:
            raise OSError("fork failed")
        try:
            self._confine(link >= 0)
            os.closerange(CONTROL, GUEST_REQUEST)
            if link >= 0:
                os.close(other)
            elif not os.read(GO, 1):
                os._exit(0)
            os.closerange(GO, FIRST_FREE)
            seat = Seat(GUEST_REQUEST, GUEST_RESULT, self._progress, self.limits_processes)
            if self._profile.executes and seat.request["mode"] == "command":
                from . import command

                command.run(seat, OUTPUT)
            guest.run(seat, link, OUTPUT)
        finally:
            os._exit(wire.SETUP_FAILED)

    def _fork_driver(self, link: int, other: int) -> int:
        process = int(kernel.fork())
        if process > 0:
            return process
        if process < 0:
            raise OSError("fork failed")
        try:
            self._confine(True)
            os.closerange(CONTROL, DRIVER_REQUEST)
            os.closerange(GUEST_REQUEST, FIRST_FREE)
            os.close(link)
            driver.run(Seat(DRIVER_REQUEST, DRIVER_RESULT, self._progress, self.limits_processes), other)
        finally:
            os._exit(wire.SETUP_FAILED)

    def _confine(self, has_neighbour: bool) -> None:
        """In the seat: guest and driver must not be able to signal each other."""
        if has_neighbour:
            kernel.install_filter(self._no_signals)

    def _watch(
        self, handle: int, processes: tuple[int, int], wall_s: float, cpu_s: float, memory_mb: int, units: int, total_s: float
    ) -> int:
        """Wait until the leading seat ends or a limit is reached. Limits are per unit, the shared page tells which runs.

        The time for all units together only ends a run whose first unit has begun: before that, a seat may just be slow to start.
        """
        self._ask_warden(wire.WATCH + wire.LIMITS.pack(memory_mb, int(cpu_s * 1000) * units))
        started = unit_started = time.monotonic() - wire.TICK_MS / 1000
        unit, cpu_before, reason = _UNBEGUN, 0.0, -1
        while reason < 0:
            now, cpu = time.monotonic(), sum(map(_cpu_seconds, processes))
            if bytes(self._progress[0:4]) != unit:
                unit, unit_started, cpu_before = bytes(self._progress[0:4]), now, cpu
            if now - unit_started > wall_s or now - started > wall_s * units:
                reason = wire.WALL
            elif 0 < total_s < now - started and unit != _UNBEGUN:
                reason = wire.TOTAL
            elif cpu - cpu_before > cpu_s:
                reason = wire.CPU
            else:
                reason = self._happened(self._poller.poll(wire.TICK_MS), handle)
        self._ask_warden(wire.REST)
        return reason

    def _happened(self, events: Sequence[tuple[int, int]], handle: int) -> int:
        """Why the run is over, or -1."""
        for descriptor, _ in events:
            if descriptor == handle:
                return wire.EXITED
        for descriptor, _ in events:
            message = os.read(descriptor, 64)
            if not message:
                os._exit(0)
            return wire.ABORTED if descriptor == CONTROL else wire.CPU if message == wire.OVERTIME else wire.MEMORY
        return -1

    def _end(self, guest_process: int, driver_process: int, reason: int) -> tuple[int, int, int, float]:
        """Kill and reap everything in this PID namespace.

        Returns wait statuses of guest and driver, peak resident KiB, CPU seconds. No fork slips through the kill: the kernel
        completes none in a process with a fatal signal pending.
        """
        if reason == wire.EXITED and driver_process < 0:
            _, status, usage = os.wait4(guest_process, 0)
            ended = status, -1, usage.ru_maxrss, usage.ru_utime + usage.ru_stime
            if kernel.signal_everyone(signal.SIGKILL):
                _, _, peak, seconds = _reap((guest_process, driver_process), None)
                ended = status, -1, max(ended[2], peak), ended[3] + seconds
        else:
            kernel.signal_everyone(signal.SIGKILL)
            ended = _reap((guest_process, driver_process), None)
        return ended

    def _tidy(self) -> None:
        """Renew the private folder if it was touched."""
        if self._box_state() != self._clean:
            os.chdir("/")
            self._ask_warden(wire.RENEW)
            os.chdir(jail.BOX)
            self._clean = self._box_state()

    def _ask_warden(self, request: bytes) -> None:
        """Send a request and wait until it is done; an alarm about the run that has just ended is dropped."""
        os.write(WARDEN, request)
        while (answer := os.read(WARDEN, 64)) != wire.DONE:
            if not answer:
                os._exit(0)

    def _box_state(self) -> tuple[int, int, int]:
        """Differs whenever something was made, removed or changed at the top of the private folder: time of change, size, mode."""
        try:
            status = os.stat(".")
        except OSError:
            return -1, -1, -1
        return status.st_ctime_ns, status.st_size, status.st_mode


class WeakerNursery(Nursery):
    """The nursery of the weaker level: no namespaces, so its seats may neither fork nor signal, and an ordinary folder."""

    limits_processes = False

    def __init__(self, control: int, pipes: Pipes, folder: str, packages: Sequence[str]) -> None:
        super().__init__(control, pipes, -1, os.getuid(), Profile())
        self._folder, self._packages = folder, packages
        self._no_fork = seccomp.program(allow_fork=False)

    def _lock(self) -> list[str]:
        os.chdir(self._folder)
        return jail.lock_weaker(self._folder, self._packages)

    def _confine(self, has_neighbour: bool) -> None:
        kernel.die_with_parent(signal.SIGKILL)
        kernel.install_filter(self._no_signals)
        kernel.install_filter(self._no_fork)

    def _ask_warden(self, request: bytes) -> None:
        """There is none."""

    def _end(self, guest_process: int, driver_process: int, reason: int) -> tuple[int, int, int, float]:
        seats = [process for process in (guest_process, driver_process) if process > 0]
        for process in seats:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        ended = _reap((guest_process, driver_process), len(seats))
        return ended

    def _tidy(self) -> None:
        _empty(".")


def _empty(folder: str) -> None:
    """Remove everything in `folder`, whatever its modes."""
    os.chmod(folder, 0o700)
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            _empty(entry.path)
            os.rmdir(entry.path)
        else:
            os.unlink(entry.path)


def _empty_pipe(descriptor: int) -> None:
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    if poller.poll(0):
        os.read(descriptor, 64)


def _arrange(control: int, pipes: Pipes, warden: int) -> None:
    """Move the descriptors to the numbers that this module gives them. A missing one becomes /dev/null."""
    guest_request, guest_result, driver_request, driver_result, output = pipes
    wanted = (control, warden if warden >= 0 else 0, driver_request, driver_result, guest_request, guest_result, output, *os.pipe())
    away = max(*wanted, FIRST_FREE) + 1
    for number, descriptor in enumerate(wanted, away):
        os.dup2(descriptor, number)
    os.closerange(CONTROL, away)
    for number, descriptor in enumerate(range(away, away + len(wanted)), CONTROL):
        os.dup2(descriptor, number, inheritable=False)
        os.close(descriptor)


def _cpu_seconds(process: int) -> float:
    """CPU time of all threads of a process, by its clock id (see clock_getcpuclockid(3))."""
    if process <= 0:
        return 0.0
    try:
        return time.clock_gettime((~process << 3) | 2)
    except OSError:
        return 0.0


def _reap(seats: tuple[int, int], count: int | None) -> tuple[int, int, int, float]:
    """Wait for `count` children, or for all there are. Returns both seats' wait statuses (-1: none), peak resident KiB, CPU seconds."""
    statuses: dict[int, int] = {}
    peak, seconds = 0, 0.0
    while count is None or len(statuses) < count:
        try:
            process, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            break
        statuses[process] = status
        peak = max(peak, usage.ru_maxrss)
        seconds += usage.ru_utime + usage.ru_stime
    return statuses.get(seats[0], -1), statuses.get(seats[1], -1), peak, seconds
