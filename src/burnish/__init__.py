"""Burnish: a language model writes, a real verifier judges, the verdict becomes feedback and training signal."""

import os

__version__ = "0.1.0"

# Judge and model share the cores. An OpenMP thread that waits by spinning takes the core from the one it waits for: with one
# other busy process on 2 cores, a 64x576x1536 bfloat16 product takes 8.0 ms when threads spin and 0.6 ms when they sleep.
# Read by torch's OpenMP when it is loaded, so it must be set before; a user's own setting stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
