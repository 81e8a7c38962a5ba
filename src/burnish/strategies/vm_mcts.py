"""VM-MCTS of ReST-RL (arXiv 2508.19576): a tree over lines of code, guided by a value model instead of execution.

A state is the first lines of a program. Expanding one draws whole continuations; each one's next line is a child, and only
the children that the value model likes best stay visible. The answer is the completion that it likes best. With
`value=pass_rate` (the oracle: visible checks are run) this is the search that the value model is trained on.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from functools import partial

from burnish.core.budget import Meter
from burnish.core.errors import BudgetExceeded
from burnish.core.records import Attempt, Task
from burnish.signals.prompts import ask
from burnish.strategies._candidates import judged, known, scored, within_budget
from burnish.strategies._prefixes import code_lines, cut
from burnish.strategies._tree import Node, back_up, select, uct
from burnish.strategies.base import Judge, Prefix, Writer
from burnish.strategies.scorers.base import score
from burnish.strategies.selectors.base import choose


@dataclass(eq=False)
class State(Node):
    """The first lines of a program, the known completions that begin so, and whether nothing can follow."""

    prefix: Prefix | None = None
    completions: list[Attempt] = field(default_factory=list)
    is_terminal: bool = False


async def vm_mcts(
    task: Task,
    policy: Writer,
    verifier: Judge,
    budget: Meter,
    rng: random.Random,
    *,
    iterations: int = 15,
    samples: int = 5,
    width: int = 3,
    c: float = 0.1,
    value: str = "plausible",
    verify: bool = False,
) -> Attempt:
    """Hand in the completion with the highest value. With `verify` all completions are judged first and a verified one wins."""
    root = State()
    drawn: list[Attempt] = []
    for _ in range(iterations):
        leaf = select(root, lambda node: uct(node.mean, node.parent.visits if node.parent else 1, node.visits, c=c))
        assert isinstance(leaf, State)
        if leaf.is_terminal:
            back_up(leaf, leaf.mean)
            continue
        try:
            drawn += await expand(leaf, task, policy, verifier, samples, width, value)
        except BudgetExceeded:
            if not drawn:
                raise
            break
    candidates = await judged(drawn, verifier) if verify else known(drawn, verifier)
    return choose("reranker", await scored(candidates, value, task, policy, verifier), rng).attempt


async def expand(leaf: State, task: Task, policy: Writer, verifier: Judge, samples: int, width: int, value: str) -> list[Attempt]:
    """Draw continuations of `leaf`, make their next lines its children, keep the `width` best, and back their values up."""
    op = "continue" if leaf.prefix else "sample"
    parent = leaf.completions[0] if leaf.completions else None
    write = partial(policy.write, ask(task), op=op, parent=parent, prefix=leaf.prefix)
    drawn = await within_budget(write for _ in range(samples))
    children = children_of(leaf, drawn, policy)
    values = await asyncio.gather(*(value_of(child, value, task, policy, verifier) for child in children))
    ranked = sorted(zip(children, values, strict=True), key=lambda pair: -pair[1])
    for child, worth in ranked[:width]:
        leaf.children.append(child)
        for _ in child.completions:
            back_up(child, worth)
    leaf.is_terminal = leaf.prefix is not None and not leaf.children
    return drawn


def children_of(leaf: State, drawn: list[Attempt], policy: Writer) -> list[State]:
    """One child for each different next line, in order of first appearance; what holds no program has none."""
    depth, children = leaf.depth, dict[str, State]()
    for attempt in drawn:
        lines = code_lines(attempt)
        if not lines:
            continue
        line = lines[depth] if depth < len(lines) else ""
        if line not in children:
            is_last = depth + 1 >= len(lines)
            prefix = None if is_last else cut(attempt, depth + 1, policy.decode, leaf.prefix)
            children[line] = State(move=line, parent=leaf, prefix=prefix, is_terminal=is_last)
        children[line].completions.append(attempt)
    return [*children.values()]


async def value_of(state: State, value: str, task: Task, policy: Writer, verifier: Judge) -> float:
    """The value model's opinion of a state: of its lines, or of its whole program if nothing can follow."""
    program = state.completions[0].artefacts["code"] if state.is_terminal else "\n".join(state.moves())
    return (await score(value, task, program, state.completions, policy, verifier))[-1]
