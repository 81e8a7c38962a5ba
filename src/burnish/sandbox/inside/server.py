"""Starts one server of the jail: a warden outside the PID namespace, a nursery inside. Run by a bare interpreter."""

from __future__ import annotations

import errno
import importlib
import json
import os
import resource
import signal
import sys
from collections.abc import Callable

from . import compiler, jail, kernel
from .nursery import Nursery, Pipes, WeakerNursery, report
from .profiles import PROFILES
from .warden import Warden

_SPARE_DESCRIPTORS = 24
"""So many the server needs beside those that it is given, to start and to serve."""


def main(
    control: int, compiling: int, pipes: Pipes, level: str, profile: str, folder: str, preload: list[str], packages: list[str]
) -> None:
    """Build the jail, then serve orders from `control` until the parent hangs up."""
    try:
        _forget_inherited_signals()
        _need_descriptors(max(control, compiling, *pipes) + _SPARE_DESCRIPTORS)
        sys.path += dict.fromkeys(map(os.path.dirname, packages))
        for name in preload:
            importlib.import_module(name)
        for name in _needed(profile, preload):
            importlib.import_module(f".{name}", __package__)
        if level == "weaker":
            _start_compiler(compiling, lambda: jail.lock_weaker(folder, packages))
            WeakerNursery(control, pipes, folder, packages).serve()
        processes = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
        user = jail.enter(packages, PROFILES[profile])
        _start_compiler(compiling, lambda: jail.lock(user, PROFILES[profile]))
        jail.separate_processes()
    except jail.LayerMissing as error:
        report(control, error.report())
        return
    except Exception as error:
        report(control, {"missing": "server", "reason": f"{type(error).__name__}: {error}", "transient": jail.is_transient(error)})
        return
    outside, inside = kernel.socket_pair(kernel.PACKETS)
    nursery = os.fork()
    if nursery == 0:
        os.close(processes)
        os.close(outside)
        Nursery(control, pipes, inside, user, PROFILES[profile]).serve()
    for descriptor in (control, *pipes, inside):
        os.close(descriptor)
    Warden(outside, nursery, processes, user, PROFILES[profile]).serve()


def _need_descriptors(count: int) -> None:
    """Raise the soft limit on open files as far as it goes. Raises `OSError` if that is not far enough."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if 0 <= hard < count:
        raise OSError(errno.EMFILE, f"the limit on open files is {hard}, the jail needs {count} here; raise it (ulimit -n)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _needed(profile: str, preload: list[str]) -> list[str]:
    """Modules of this package that only some jails need; later they could not be read any more."""
    return ["command"] * PROFILES[profile].executes + ["suite"] * ("pytest" in preload) + ["tracer"] * ("ast" in preload)


def _start_compiler(channel: int, lock: Callable[[], object]) -> None:
    """In a process of its own, outside the PID namespace: what is killed there after each run is not to be started anew."""
    if os.fork() == 0:
        compiler.serve(channel, lock)
    os.close(channel)


def _forget_inherited_signals() -> None:
    """Signals that the parent ignores or blocks stay so across exec: children would not be waited for, clocks would not strike."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(number) == signal.SIG_IGN and number not in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def from_command_line() -> None:
    """The one argument is a JSON object of `main`'s arguments."""
    arguments = json.loads(sys.argv.pop())
    main(**{**arguments, "pipes": tuple(arguments["pipes"])})
