"""Parallel-R1's rewards (arXiv 2509.07980): accuracy, and in some steps a bonus for right answers that think in parallel."""

from __future__ import annotations

from burnish.text.parallel import blocks, is_well_formed

WINDOW, ACCURACY_STEPS = 10, 8


def accuracy_reward(is_correct: bool) -> float:
    """+1 or −1."""
    return 1.0 if is_correct else -1.0


def tiered_reward(is_correct: bool, text: str) -> float:
    """+1.2 for a correct answer with well-formed parallel blocks, +1 for a correct one without any, −1 for all else."""
    if not is_correct:
        return -1.0
    if not blocks(text):
        return 1.0
    return 1.2 if is_well_formed(text) else -1.0


def cold_start_reward(is_correct: bool, text: str) -> float:
    """+1 if correct with at least one well-formed block, else −1: the small first stage."""
    return 1.0 if is_correct and blocks(text) and is_well_formed(text) else -1.0


def is_tiered(step: int) -> bool:
    """True for the last two of every ten steps (from 1): (step − 1) mod 10 ≥ 8."""
    return (step - 1) % WINDOW >= ACCURACY_STEPS


def alternating_reward(step: int, is_correct: bool, text: str) -> float:
    """The S2 schedule: accuracy in eight of ten steps, tiered in two."""
    return tiered_reward(is_correct, text) if is_tiered(step) else accuracy_reward(is_correct)
