"""The command seat: runs one program of the system, or one that was built here, and reports how it ended.

The seat itself is the judge's code and stays apart: the program is a child process of another image. It gets standard input,
output and error, perhaps one private socket, and nothing else; it cannot signal the seat. So whatever it does, the report is the seat's.
"""

from __future__ import annotations

import _socket
import contextlib
import fcntl
import os
import resource
import select
import signal
import stat
from typing import Any, NoReturn

from . import jail, kernel, seccomp, wire
from .guest import stdin_with, wire_all
from .profiles import TOOLS_PATH
from .seat import Seat, limit, text_of

_STACK_BYTES = 64 << 20
"""Deep recursion is honest in such programs; a thread's stack has the same size, so more would forbid threads."""
_PRIVATE = 3
"""The descriptor of the private socket in a program that must prove how far it came."""
_PROOF_BYTES = 16
_MOST_DESCRIPTORS = 64


def run(seat: Seat, output: int) -> NoReturn:
    """Run the command and send one frame about it. Never returns."""
    request = seat.request
    seat.limit += request["fetch_bytes"]
    for name, data in request["files"].items():
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700)
        wire_all(file, data)
        os.close(file)
    child = _Child(request, output)
    seat.ready(wire.GUEST_READY)
    seat.start_unit(0)
    trouble = child.started()
    if trouble:
        seat.send("not_started", trouble)
    else:
        status, errors = child.wait(request["error_bytes"])
        seat.send("ended", status, errors, child.has_proof(), _fetch(request["fetch"], request["fetch_bytes"]))
    os._exit(0)


class _Child:
    """The program's process, as seen from the seat."""

    def __init__(self, request: dict[str, Any], output: int) -> None:
        self._errors, errors = os.pipe()
        self._exec_failure, exec_failure = os.pipe()
        self._secret = os.urandom(_PROOF_BYTES)
        near, far = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
        self._near = near.detach()
        private = far.detach() if request["must_prove"] else -1
        os.write(self._near, self._secret)
        confinement = seccomp.no_signals_to(os.getpid())
        source = stdin_with(request["stdin"])
        os.set_blocking(output, True)
        self._process = int(kernel.fork())
        if self._process == 0:
            exec_failure = fcntl.fcntl(exec_failure, fcntl.F_DUPFD_CLOEXEC, _PRIVATE + 1)
            try:
                _become(request, (source, output, errors), private, exec_failure, confinement)
            except BaseException as error:
                os.write(exec_failure, text_of(error).encode()[:1000] or b"?")
            finally:
                os._exit(127)
        if self._process < 0:
            raise OSError("fork failed")
        for descriptor in (source, output, errors, exec_failure, *([private] if private >= 0 else [])):
            os.close(descriptor)

    def started(self) -> str:
        """Empty as soon as the program runs, else why it does not."""
        return os.read(self._exec_failure, 1000).decode("utf-8", "replace")

    def wait(self, limit: int) -> tuple[int, bytes]:
        """Wait for the end of the program. Returns its wait status and the first `limit` bytes of its standard error."""
        end = os.pidfd_open(self._process)
        poller = select.poll()
        poller.register(end, select.POLLIN)
        poller.register(self._errors, select.POLLIN)
        os.set_blocking(self._errors, False)
        text = bytearray()
        while end not in dict(poller.poll()):
            part = os.read(self._errors, 1 << 16)
            text += part[: limit - len(text)]
            if not part:  # every writer has closed it
                poller.unregister(self._errors)
        with contextlib.suppress(BlockingIOError):
            while len(text) < limit and (part := os.read(self._errors, limit - len(text))):
                text += part
        return os.waitpid(self._process, 0)[1], bytes(text)

    def has_proof(self) -> bool:
        """True if the program has sent its secret back, and nothing else."""
        os.set_blocking(self._near, False)
        try:
            return os.read(self._near, _PROOF_BYTES + 1) == self._secret
        except OSError:
            return False


def _become(request: dict[str, Any], streams: tuple[int, int, int], private: int, exec_failure: int, confinement: bytes) -> None:
    """In the child: keep standard streams and the private socket, drop the rest, become the program."""
    kept = [descriptor for descriptor in (*streams, private) if descriptor >= 0]
    for target, descriptor in enumerate(kept):
        os.dup2(descriptor, target)
        os.set_inheritable(target, True)
    os.closerange(len(kept), exec_failure)
    os.closerange(exec_failure + 1, _MOST_DESCRIPTORS)
    limit(resource.RLIMIT_STACK, _STACK_BYTES)
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    kernel.install_filter(confinement)
    environment = {"PATH": TOOLS_PATH, "HOME": jail.BOX, "TMPDIR": jail.BOX, "LC_ALL": "C"}
    os.execvpe(request["argv"][0], request["argv"], environment)


def _fetch(name: str, limit: int) -> bytes | None:
    """The bytes of a file that the program was to leave. None if it did not; a file beyond `limit` is cut one byte after it."""
    if not name:
        return None
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(file).st_mode):
        return None
    data = bytearray()
    while len(data) <= limit and (part := os.read(file, min(1 << 20, limit + 1 - len(data)))):
        data += part
    return bytes(data)
