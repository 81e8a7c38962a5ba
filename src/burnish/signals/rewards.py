"""Rewards: pure functions from a verdict to a number, or None where nothing was decided.

None masks the sample out of the loss and of its group's statistics; an infrastructure fault is never a zero.
"""

from __future__ import annotations

from burnish.core.records import Verdict

__all__ = ["all_passed", "pass_rate", "shaped"]


def all_passed(verdict: Verdict) -> float | None:
    """1 if every required check passed, else 0 (AceReason, DRIVE)."""
    return float(verdict.passed) if verdict.scored else None


def pass_rate(verdict: Verdict) -> float | None:
    """Share of the decided weight that passed, in [0, 1] (LeDex S_ut, ReST-RL)."""
    return verdict.score


def shaped(verdict: Verdict) -> float | None:
    """Half for the share of passed checks, half for passing all: separates nearly right from right.

    reward = 0.5 * pass_rate + 0.5 * all_passed, in [0, 1]. Ours, not from a paper.
    """
    if verdict.score is None:
        return None
    return 0.5 * verdict.score + 0.5 * float(verdict.passed)
