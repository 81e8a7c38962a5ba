"""The warden: the process outside the PID namespace that keeps the right to mount.

It serves the nursery: renews its private folder when a program has touched it, and watches from outside how much real
memory and CPU time everything below the nursery takes together. It runs no judged code and reads nothing that judged code writes.
"""

from __future__ import annotations

import os
import resource
import select
from typing import NoReturn

from . import jail
from .profiles import Profile
from .wire import DONE, EXCEEDED, LIMITS, OVERTIME, RENEW, REST, TICK_MS

_NEVER_RAN_EXEC = 0x40
"""Flag PF_FORKNOEXEC of /proc/<pid>/stat."""


class Warden:
    """Serves the nursery: renews its folder, watches what the processes that it has forked use."""

    def __init__(self, channel: int, nursery: int, processes: int, user: int, profile: Profile) -> None:
        self._channel, self._nursery, self._processes, self._user, self._profile = channel, nursery, processes, user, profile
        self._page = resource.getpagesize()
        self._ticks_per_ms = os.sysconf("SC_CLK_TCK") / 1000
        self._watches = False
        self._memory, self._ticks = 0, 0.0

    def serve(self) -> NoReturn:
        """Obey until the nursery is gone."""
        poller = select.poll()
        poller.register(self._channel, select.POLLIN)
        while True:
            if poller.poll(TICK_MS if self._watches else None):
                message = os.read(self._channel, 64)
                if not message:
                    os._exit(0)
                self._obey(message)
            elif self._watches:
                self._watch()

    def _obey(self, message: bytes) -> None:
        if message == RENEW:
            jail.renew_box(self._user, self._profile)
            os.write(self._channel, DONE)
        else:
            self._watches = message != REST
            if self._watches:
                megabytes, milliseconds = LIMITS.unpack(message[1:])
                self._memory, self._ticks = megabytes << 20, milliseconds * self._ticks_per_ms
            os.write(self._channel, DONE)

    def _watch(self) -> None:
        """Raise the alarm, once, if all descendants of the nursery together hold or have used too much."""
        shared = self._usage(self._nursery)[0]
        memory, ticks = 0, 0
        for process in self._descendants(self._nursery):
            resident, used, is_fork = self._usage(process)
            memory += max(0, resident - shared) if is_fork else resident
            ticks += used
        if memory > self._memory or ticks > self._ticks:
            self._watches = False
            os.write(self._channel, EXCEEDED if memory > self._memory else OVERTIME)

    def _descendants(self, process: int) -> list[int]:
        found = []
        for task in self._list(f"{process}/task"):
            for child in map(int, self._read(f"{process}/task/{task}/children").split()):
                found += [child, *self._descendants(child)]
        return found

    def _usage(self, process: int) -> tuple[int, int, bool]:
        """Resident bytes, CPU ticks with those of reaped children, and whether it shares memory with its parent (never ran exec)."""
        fields = self._read(f"{process}/stat").rpartition(b") ")[2].split()
        if not fields:
            return 0, 0, True
        return int(fields[21]) * self._page, sum(map(int, fields[11:15])), bool(int(fields[6]) & _NEVER_RAN_EXEC)

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
