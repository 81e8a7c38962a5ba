"""RethinkMCTS: tree search over thoughts; a thought whose program fails is replaced before the search goes on (arXiv 2409.09584).

A node is a chain of thoughts. Its program is judged by the visible tests; if it fails, a block trace and its review lead to
another thought in its place, once, and to the next thoughts. Values travel up by maximum, discounted.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from burnish.core.budget import Meter
from burnish.core.records import Attempt, Task, Verdict
from burnish.signals import thoughts as prompts
from burnish.signals.prompts import wrong_code
from burnish.signals.rewards import pass_rate
from burnish.strategies._planning import first_failed
from burnish.strategies._tree import Node, back_up, puct, select
from burnish.strategies.base import Judge, Writer


async def rethink_mcts(
    task: Task,
    policy: Writer,
    verifier: Judge,
    budget: Meter,
    rng: random.Random,
    *,
    rollouts: int = 16,
    width: int = 3,
    rethink: bool = True,
    discount: float = 0.9,
    temperature: float = 0.0,
    most_calls: int = 768,
) -> Attempt | None:
    """Hand in the verified program with the highest value, else the program with the highest value; of equals the first.

    All rollouts are made, also after a program has passed: its value may be beaten. (The paper takes the highest value alone; a
    verified program is never dropped here for one that fails.)
    """
    search = _Search(task, policy, verifier, width, temperature)
    root = Node()
    await search.expand(root, "", 0)
    for rollout in range(rollouts):
        if budget.calls >= most_calls:
            break
        node = select(root, _score)
        value, problem = await search.simulate(node, rollout)
        if problem and rethink:
            node = await search.rethink(node, problem, rollout)
            value, problem = await search.simulate(node, rollout)
        await search.expand(node, problem, rollout)
        back_up(node, value, discount=discount)
    return search.best[1] if search.best else None


def _score(child: Node) -> float:
    parent = child.parent
    assert parent is not None
    return puct(child.best, child.prior, parent.visits + 1, child.visits)


@dataclass
class _Search:
    """The model's part: thoughts, programs, reviews; and the best program so far with `(verified, value)`."""

    task: Task
    policy: Writer
    verifier: Judge
    width: int
    temperature: float
    best: tuple[tuple[bool, float], Attempt] | None = None
    values: dict[str, float] = field(default_factory=dict)
    """Of programs that passed: judged by the model once, however often they are written."""

    async def expand(self, node: Node, problem: str, rollout: int) -> None:
        """EXPAND: one call for all children."""
        turn = prompts.ask_thoughts(self.task, node.moves(), self.width, problem)
        reply = await self._say(turn, "plan", node.attempt, rollout)
        for thought, prior in prompts.thoughts_in(reply.text, self.width):
            node.add(thought, prior).attempt = reply

    async def rethink(self, node: Node, problem: str, rollout: int) -> Node:
        """RETHINK: a new thought in the place of the node's."""
        turn = prompts.ask_new_thought(self.task, node.moves(), problem)
        reply = await self._say(turn, "rethink", node.attempt, rollout)
        fresh = node.replace(reply.text.strip())
        fresh.attempt = reply
        return fresh

    async def simulate(self, node: Node, rollout: int) -> tuple[float, str]:
        """SIMULATE: write the node's program and judge it. Its value, and what is wrong with it."""
        turn = prompts.ask_program(self.task, node.moves())
        attempt = await self.policy.write(turn, op="code", parent=node.attempt, round=rollout, temperature=self.temperature)
        node.attempt = attempt
        verdict = await self.verifier.verify(attempt)
        value = await self._value(attempt, verdict, rollout)
        if self.best is None or (verdict.passed, value) > self.best[0]:
            self.best = (verdict.passed, value), attempt
        return value, "" if verdict.passed or not verdict.scored else await self._problem(attempt, verdict, rollout)

    async def _value(self, attempt: Attempt, verdict: Verdict, rollout: int) -> float:
        """The visible pass rate; of a program that passes, 0.8 of it and 0.2 of the model's own evaluation in [-1, 1]."""
        code = wrong_code(attempt)
        if not verdict.passed:
            return pass_rate(verdict) or 0.0
        if code not in self.values:
            reply = await self._say(prompts.ask_evaluation(self.task, code), "review", attempt, rollout)
            self.values[code] = 0.8 + 0.2 * prompts.evaluation_in(reply.text)
        return self.values[code]

    async def _problem(self, attempt: Attempt, verdict: Verdict, rollout: int) -> str:
        """Failed tests, block trace, and the model's review of the blocks."""
        code = wrong_code(attempt)
        can_trace = verdict.status != "invalid" and "code" in attempt.artefacts
        trace = await self.verifier.trace(code, first_failed(self.task, verdict)[1].id) if can_trace else None
        review = await self._say(prompts.ask_faulty_block(self.task, code, verdict, trace), "review", attempt, rollout)
        return prompts.problem_text(code, self.task, verdict, review.text)

    async def _say(self, turn: prompts.Messages, op: str, parent: Attempt | None, rollout: int) -> Attempt:
        kind = "review" if op == "review" else "thoughts"
        return await self.policy.write(turn, op=op, parent=parent, round=rollout, kind=kind, temperature=self.temperature)
