"""The parent's side of one server: start it, run one job at a time on it, notice when it is no longer to be trusted.

Any doubt about the server raises `SandboxError`; the pool then replaces it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from burnish.core.errors import SandboxError, Unavailable
from burnish.sandbox.exchange import Cancel, Exchange, Stop
from burnish.sandbox.inside import codec, compiler, wire
from burnish.sandbox.jobs import Bounds, Job, Run

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
_START_S, _COMPILE_S = 20.0, 1.0
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
        exchange = Exchange(self, job, bounds, stop)
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
