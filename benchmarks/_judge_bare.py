"""The judge's warm server with no isolation at all, so that `benchmarks.judge` can say what isolation costs. Never for real use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from burnish.sandbox.pool import Sandbox
from burnish.sandbox.worker import Server
from burnish.verifiers.python import PythonVerifier

_FOLDER = str(Path(__file__).parent)


class BareServer(Server):
    """A server that runs programs as the caller, in the caller's namespaces, on the caller's files."""

    boot = (
        f"import sys; sys.path[:0] = [sys.argv.pop(1), {_FOLDER!r}]; import _judge_bare_nursery; del sys.path[:2]; "
        "_judge_bare_nursery.from_command_line()"
    )

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        if self.layers:
            raise RuntimeError(f"the bare server has layers of the jail: {self.layers}")


class BareSandbox(Sandbox):
    """A pool of such servers."""

    server_class: type[Server] = BareServer


def bare_verifier() -> PythonVerifier:
    """A verifier with one address space, one worker and no isolation."""
    verifier = PythonVerifier(workers=1, isolation="shared")
    verifier.sandbox = BareSandbox(workers=1)
    return verifier
