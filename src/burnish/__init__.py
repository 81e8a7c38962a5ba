"""Burnish: a language model writes, a real verifier judges, the verdict becomes feedback and training signal."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from burnish.api import averify, verify, verify_batch

__all__ = ["__version__", "averify", "verify", "verify_batch"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`burnish.verify` and its kin come from `burnish.api`, which is read when one of them is first used."""
    if name not in __all__:
        raise AttributeError(f"module 'burnish' has no attribute {name!r}")
    from burnish import api

    return getattr(api, name)


# Judge and model share the cores. An OpenMP thread that waits by spinning takes the core from the one it waits for, one that
# sleeps at once wakes too late: a few thousand spins cost nothing alone and little beside others (docs/performance.md).
# torch's OpenMP reads this when it is loaded, so it must be set before; a user's own setting stays.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
