"""A reward by name, and what it says about a verdict: a finite number, or None where nothing was decided."""

from __future__ import annotations

import math
from collections.abc import Callable

from burnish.core import plugins
from burnish.core.errors import InputError, UnknownName
from burnish.core.records import Verdict
from burnish.signals import rewards

Reward = Callable[[Verdict], float | None]
"""A pure function of a verdict; None leaves the sample out."""


def reward_named(name: str) -> Reward:
    """One of `burnish.signals.rewards`, or the function at an import path `package.module:function`. Raises `UnknownName`."""
    found: Reward | None = plugins.find("reward", name) if ":" in name else getattr(rewards, name, None)
    if found is None or not (":" in name or name in rewards.__all__):
        raise UnknownName("reward", name, rewards.__all__)
    return found


def value_of(reward: Reward, verdict: Verdict, task_id: str) -> float | None:
    """`reward(verdict)`; None for a verdict without a score, whatever the function says. Raises `InputError` if it is not finite."""
    value = reward(verdict) if verdict.scored else None
    if value is not None and not math.isfinite(value):
        raise InputError(f"The reward function returned {value} for task {task_id!r}. Return a finite number, or None for no reward.")
    return value
