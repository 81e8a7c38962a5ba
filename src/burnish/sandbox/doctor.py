"""What of the jail works here: one line per layer, found by starting a real server."""

from __future__ import annotations

from dataclasses import dataclass

from burnish.core.errors import SandboxError, Unavailable
from burnish.sandbox.worker import Server, mend

LAYERS = {
    "namespaces": "own user, mount, process, network, IPC and host-name spaces",
    "file system": "read-only minimal root, private size-limited folder",
    "capabilities": "no capability, now or later",
    "no_new_privs": "no program can gain privileges",
    "seccomp": "allow-list of system calls",
    "landlock": "file, network and signal rules of the kernel's own (an extra wall; the jail holds without it)",
}


@dataclass(frozen=True)
class Layer:
    """One layer of the jail: in force or not, why, and how to get it."""

    name: str
    on: bool
    detail: str
    mend: str = ""

    @property
    def optional(self) -> bool:
        """True if the jail holds without this layer."""
        return self.name == "landlock"


def layers() -> list[Layer]:
    """Every layer with its state. Starts and stops one server (a tenth of a second)."""
    try:
        server = Server()
    except Unavailable as error:
        return [Layer(name, False, str(error), mend(name)) for name in LAYERS]
    except SandboxError as error:
        return [Layer(name, False, str(error)) for name in LAYERS]
    server.close()
    return [Layer(name, name in server.layers, what, "" if name in server.layers else mend(name)) for name, what in LAYERS.items()]
