"""Starts one server of the jail: a warden outside the PID namespace, a nursery inside. Run by a bare interpreter."""

from __future__ import annotations

import _socket
import importlib
import json
import os
import sys

from . import jail
from .nursery import Nursery, Pipes, WeakerNursery, report
from .profiles import PROFILES
from .warden import Warden


def main(control: int, pipes: Pipes, level: str, profile: str, folder: str, preload: list[str], packages: list[str]) -> None:
    """Build the jail, then serve orders from `control` until the parent hangs up."""
    try:
        sys.path += dict.fromkeys(map(os.path.dirname, packages))
        for name in preload:
            importlib.import_module(name)
        if level == "weaker":
            WeakerNursery(control, pipes, folder, packages).serve()
        processes = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
        user = jail.enter(packages, PROFILES[profile])
    except jail.LayerMissing as error:
        report(control, {"missing": error.args[0], "reason": error.args[1]})
        return
    except Exception as error:
        report(control, {"missing": "server", "reason": f"{type(error).__name__}: {error}"})
        return
    left, right = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    outside, inside = left.detach(), right.detach()
    nursery = os.fork()
    if nursery == 0:
        os.close(processes)
        os.close(outside)
        Nursery(control, pipes, inside, user, PROFILES[profile]).serve()
    for descriptor in (control, *pipes, inside):
        os.close(descriptor)
    Warden(outside, nursery, processes, user, PROFILES[profile]).serve()


def from_command_line() -> None:
    """The one argument is a JSON object of `main`'s arguments."""
    arguments = json.loads(sys.argv.pop())
    main(**{**arguments, "pipes": tuple(arguments["pipes"])})
