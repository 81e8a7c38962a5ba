"""The warden: the process outside the PID namespace that keeps the right to mount.

It serves the nursery: renews its private folder when a program has touched it, and watches from outside how much real
memory everything below the nursery holds together. It runs no judged code and reads nothing that judged code writes.
"""

from __future__ import annotations

import os
import resource
import select
from typing import NoReturn

from . import jail
from .wire import DONE, EXCEEDED, RENEW, REST, TICK_MS


class Warden:
    """Serves the nursery: renews its folder, watches the memory of what it has forked."""

    def __init__(self, channel: int, nursery: int, processes: int, user: int) -> None:
        self._channel, self._nursery, self._processes, self._user = channel, nursery, processes, user
        self._page = resource.getpagesize()
        self._limit = 0

    def serve(self) -> NoReturn:
        """Obey until the nursery is gone."""
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
                os.write(self._channel, EXCEEDED)

    def _obey(self, message: bytes) -> None:
        if message == RENEW:
            jail.renew_box(self._user)
            os.write(self._channel, DONE)
        else:
            self._limit = 0 if message == REST else int.from_bytes(message[1:], "little") << 20
            os.write(self._channel, DONE)

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
