"""The nursery of `_judge_bare`: forks, feeds, watches the clocks and reaps as the real one, but locks, limits and renews nothing.

Runs in the server's bare interpreter, beside the sandbox's `inside` package.
"""

import contextlib
import importlib
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from inside import kernel, nursery, profiles, seat, server, wire

_kill = os.kill


class BareNursery(nursery.Nursery):
    """Every step that isolates is replaced by nothing; only its own seats are killed, never all processes."""

    def _lock(self) -> list[str]:
        return []

    def _confine(self, has_neighbour: bool) -> None:
        pass

    def _ask_warden(self, request: bytes) -> None:
        pass

    def _tidy(self) -> None:
        pass

    def _end(self, guest_process: int, driver_process: int, reason: int) -> tuple[int, int, int, float]:
        if reason == wire.EXITED and driver_process < 0:
            _, status, usage = os.wait4(guest_process, 0)
            return status, -1, usage.ru_maxrss, usage.ru_utime + usage.ru_stime
        seats = [process for process in (guest_process, driver_process) if process > 0]
        for process in seats:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return nursery._reap((guest_process, driver_process), len(seats))


def _apply_limits(request: dict[str, Any], limit_processes: bool) -> None:
    pass


def _kill_one(process: int, number: int) -> None:
    if process <= 0:
        _signal_everyone(number)
    _kill(process, number)


def _signal_everyone(number: int) -> NoReturn:
    raise RuntimeError("there is no PID namespace around this nursery: it must not signal more than its own seats")


def _check(owner: Any, name: str, function: Callable[..., Any]) -> None:
    """What has been renamed or changed in the sandbox would isolate again, or signal every process of the machine: refuse that."""
    if not hasattr(owner, name) or _arguments(getattr(owner, name)) != _arguments(function):
        raise RuntimeError(f"benchmarks/_judge_bare_nursery.py no longer fits the sandbox: look at {owner.__name__}.{name}")


def _arguments(function: Any) -> tuple[str, ...]:
    return tuple(function.__code__.co_varnames[: function.__code__.co_argcount])


def strip() -> None:
    """Take the isolation out of the sandbox's modules, in this interpreter only. Raises `RuntimeError` if they are not as expected."""
    for name, method in vars(BareNursery).items():
        if callable(method):
            _check(nursery.Nursery, name, method)
    for module, name, function in ((seat, "_apply_limits", _apply_limits), (kernel, "signal_everyone", _signal_everyone)):
        _check(module, name, function)
        setattr(module, name, function)
    os.kill = _kill_one


def from_command_line() -> None:
    """The one argument is the JSON object that `burnish.sandbox.worker.Server` gives its server."""
    arguments = json.loads(sys.argv.pop())
    try:
        strip()
    except RuntimeError as error:
        nursery.report(arguments["control"], {"missing": "bare server", "reason": str(error)})
        return
    for name in arguments["preload"]:
        importlib.import_module(name)
    server._start_compiler(arguments["compiling"], kernel.no_new_privileges)
    BareNursery(arguments["control"], tuple(arguments["pipes"]), -1, os.getuid(), profiles.PROFILES["python"]).serve()
