"""ReST-RL's reward of a completion (arXiv 2508.19576): the verdict, and a little for stopping where it should."""

from __future__ import annotations

STOPPED = 1e-3
PER_CHARACTER = 1e-6


def rest_reward(pass_rate: float, *, stopped: bool, trailing: int) -> float:
    """pass_rate + 1e-3 if a stop string was written − 1e-6 · `trailing`, the characters that came after it.

    >>> round(rest_reward(0.75, stopped=True, trailing=40), 5)
    0.75096
    """
    return pass_rate + STOPPED * stopped - PER_CHARACTER * trailing
