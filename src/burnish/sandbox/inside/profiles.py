"""The sorts of jail: what each shows and allows beyond the bare interpreter. Plain data."""

from __future__ import annotations

from typing import NamedTuple


class Profile(NamedTuple):
    """One sort of jail. All sorts have the same walls; they differ in what lies inside them."""

    shown: tuple[str, ...] = ()
    """Folders and files of the system that can be read (and run) inside, where they exist."""
    covered: tuple[str, ...] = ()
    """Folders below `shown` that are hidden again: not needed, and data sets may lie there."""
    executes: bool = False
    """True if programs may be run, also those in the private box."""
    box_megabytes: int = 64


PROFILES = {
    "python": Profile(),
    "tools": Profile(
        shown=("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc/alternatives", "/etc/ld.so.cache"),
        covered=("/usr/share", "/usr/src", "/usr/local/share", "/usr/local/src", "/usr/local/games", "/usr/games"),
        executes=True,
        box_megabytes=256,
    ),
}
"""`python`: the interpreter's own libraries and no exec. `tools`: the system's compilers and what they have built."""

TOOLS_PATH = "/usr/local/bin:/usr/bin:/bin"
"""Where programs are looked for in the jail of profile `tools`."""
