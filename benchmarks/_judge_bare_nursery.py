"""The nursery of `_judge_bare`: forks, feeds, watches the clocks and reaps as the real one, but locks, limits and renews nothing.

Runs in the server's bare interpreter, beside the sandbox's `inside` package.
"""

import contextlib
import importlib
import json
import os
import signal
import sys

from inside import nursery, seat

_kill = os.kill


def _kill_one(process: int, number: int) -> None:
    if process <= 0:
        raise RuntimeError("there is no PID namespace around this nursery: it must not signal more than its own seats")
    _kill(process, number)


class BareNursery(nursery.Nursery):
    """Every step that isolates is replaced by nothing."""

    def _lock(self) -> list[str]:
        return []

    def _confine(self, beside_driver: bool) -> None:
        pass

    def _ask_warden(self, request: bytes) -> None:
        pass

    def _clear(self, guest: int, driver: int) -> object:
        seats = [process for process in (guest, driver) if process > 0]
        for process in seats:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return nursery._reap(seats)


def _check_names() -> None:
    """A step that has been renamed would isolate again, or signal every process of the machine: refuse to start."""
    overridden = [name for name in vars(BareNursery) if name.startswith("_") and not name.startswith("__")]
    missing = [name for name in overridden if name not in vars(nursery.Nursery)] + [
        name for owner, name in ((seat, "_apply_limits"), (nursery, "_reap")) if not hasattr(owner, name)
    ]
    if missing:
        raise RuntimeError(f"benchmarks/_judge_bare_nursery.py no longer fits the nursery: it has no {missing}")


def from_command_line() -> None:
    """The one argument is the JSON object that `burnish.sandbox.worker.Server` gives its server."""
    arguments = json.loads(sys.argv.pop())
    try:
        _check_names()
    except RuntimeError as error:
        nursery.report(arguments["control"], {"missing": "bare server", "reason": str(error)})
        return
    for name in arguments["preload"]:
        importlib.import_module(name)
    os.kill = _kill_one
    seat._apply_limits = lambda request, limit_processes: None
    BareNursery(arguments["control"], tuple(arguments["pipes"]), -1, os.getuid()).serve()
