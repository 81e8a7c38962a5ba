"""SLPW: several verified plans with a program each; a bandit decides which program to correct next (arXiv 2411.14503, version 1)."""

from __future__ import annotations

import random

from burnish.core.budget import Meter
from burnish.core.records import Attempt, Task
from burnish.signals.rewards import pass_rate
from burnish.strategies._planning import Planner, Program
from burnish.strategies._tree import Node, back_up, ucb1
from burnish.strategies.base import Best, Judge, Writer


async def slpw(
    task: Task,
    policy: Writer,
    verifier: Judge,
    budget: Meter,
    rng: random.Random,
    *,
    plans: int = 4,
    c: float = 0.5,
    plan_tries: int = 12,
    rounds: int = 12,
    retry_temperature: float = 0.6,
) -> Attempt | None:
    """Pull the arm with the highest UCB1 on its visible pass rates, `rounds` times at most; stop at the first full pass.

    Plans are drawn one after the other, so that the calls have an order. `plans` and `c` are not in the paper. None if no plan was
    accepted.
    """
    planner = Planner(task, policy, verifier, retry_temperature)
    root, arms = Node(), dict[Node, Program]()

    def record(arm: Node, program: Program) -> None:
        arms[arm] = program
        back_up(arm, pass_rate(program.verdict) or 0.0)

    for number in range(plans if task.visible() else 0):
        plan = await planner.plan(plan_tries, temperature=retry_temperature if number else 0.0)
        if plan is not None:
            record(root.add(plan.text), await planner.program(plan))
    if not arms:
        return None
    best = Best(*(program.judged for program in arms.values()))
    for round in range(1, rounds + 1):
        if best.judged[1].passed:
            break
        arm = max(arms, key=lambda arm: ucb1(arm.mean, root.visits, arm.visits, c=c))
        record(arm, await planner.corrected(arms[arm], round))
        best.offer(arms[arm].judged)
    return best.judged[0]
