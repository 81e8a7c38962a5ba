"""Burnish: a language model writes, a real verifier judges, the verdict becomes feedback and training signal."""

import os

__version__ = "0.1.0"

# Judge and model share the cores. An OpenMP thread that waits by spinning takes the core from the one it waits for, one that
# sleeps at once wakes too late: a few thousand spins cost nothing alone and little beside others (docs/performance.md).
# torch's OpenMP reads this when it is loaded, so it must be set before; a user's own setting stays.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
