"""Budgets: what a strategy may spend on one task. Enforced centrally, accounted per attempt.

A `Budget` is the limit, a `Meter` is what has been spent of it. A limit of None means no limit.
"""

from __future__ import annotations

import time

from burnish.core.errors import BudgetExceeded
from burnish.core.records import Cost, Record


class Budget(Record):
    """Limits for one task: model calls, sampled tokens, verifier seconds, wall seconds."""

    calls: int | None = None
    tokens: int | None = None
    verifier_s: float | None = None
    wall_s: float | None = None


class Meter:
    """Counts what is spent of a budget and refuses what would exceed it."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.calls = 0
        self.tokens = 0
        self.verifier_s = 0.0
        self._started = time.monotonic()

    def before_call(self, max_tokens: int) -> int:
        """Reserve one model call. Returns how many tokens it may sample. Raises `BudgetExceeded` if none is left."""
        self._check_wall()
        if self.budget.calls is not None and self.calls >= self.budget.calls:
            raise BudgetExceeded(f"the budget of {self.budget.calls} model calls is spent")
        left = max_tokens if self.budget.tokens is None else min(max_tokens, self.budget.tokens - self.tokens)
        if left <= 0:
            raise BudgetExceeded(f"the budget of {self.budget.tokens} sampled tokens is spent")
        self.calls += 1
        self.tokens += left
        return left

    def after_call(self, reserved: int, cost: Cost) -> None:
        """Give back what a call had reserved and did not use."""
        self.tokens += cost.tokens_out - reserved

    def before_verify(self) -> None:
        """Raise `BudgetExceeded` if no verifier time is left."""
        self._check_wall()
        if self.budget.verifier_s is not None and self.verifier_s >= self.budget.verifier_s:
            raise BudgetExceeded(f"the budget of {self.budget.verifier_s} verifier seconds is spent")

    def after_verify(self, cost: Cost) -> None:
        """Account a verdict's time."""
        self.verifier_s += cost.wall_s

    def _check_wall(self) -> None:
        if self.budget.wall_s is not None and time.monotonic() - self._started >= self.budget.wall_s:
            raise BudgetExceeded(f"the budget of {self.budget.wall_s} seconds is spent")
