"""One writer per run: an advisory lock that the kernel drops when the writer's process ends, however it ends.

`flock` belongs to the open file, so a forked child would keep a dead parent's lock alive: children close their copy.
The lock file stays behind (removing it would race with the next writer); only the lock itself means anything.
"""

from __future__ import annotations

import fcntl
import os
import socket
import weakref
from pathlib import Path
from typing import IO

from burnish.core.errors import StoreError

_HELD: weakref.WeakSet[IO[str]] = weakref.WeakSet()


def acquire(path: Path) -> IO[str]:
    """Take the lock at `path`; closing the returned file gives it back. Raises `StoreError` naming the present holder."""
    file = open(path, "a+", encoding="utf-8")  # noqa: SIM115 - held open for as long as the lock is
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.truncate(0)
        os.write(file.fileno(), f"process {os.getpid()} on {socket.gethostname()}\n".encode())
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "another process"
        file.close()
        raise StoreError(f"{path.parent} is being written by {holder}. Wait for it or stop it, or use another run folder.") from None
    except OSError:
        file.close()
        raise
    _HELD.add(file)
    return file


def _close_in_child() -> None:
    for file in list(_HELD):
        file.close()


os.register_at_fork(after_in_child=_close_in_child)
