"""Checks before a long run: twenty small experiments on the real parts, each finding one family of faults (P01-P20).

`preflight(setup)` runs them all and changes nothing: what trains, trains a copy. A failed check should stop the run; a
warning should be read. Source: testing and tools spec, preflight checks (after arXiv 2506.10426).
"""

from __future__ import annotations

from burnish.training.preflight.base import Setup, preflight

__all__ = ["Setup", "preflight"]
