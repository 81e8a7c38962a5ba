"""Search trees: nodes, the scores that choose among them, and how values travel back up. No model, no judge.

A node is a state of a search, reached from its parent by a `move` (a thought, a line of code). Values are recorded at the
node where they were found and at all its ancestors. Everything here is a pure function of the tree: ties go to the
first child, so the same values always lead the same way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from burnish.core.records import Attempt


@dataclass(eq=False)
class Node:
    """One state of a search. `visits` counts the values recorded here, `total` and `best` are their sum and maximum (0 before).

    `prior` is how promising the move looked before it was tried; `attempt` is what was written in this state, if anything.
    """

    move: str = ""
    parent: Node | None = None
    prior: float = 1.0
    attempt: Attempt | None = None
    children: list[Node] = field(default_factory=list)
    visits: int = 0
    total: float = 0.0
    best: float = 0.0

    @property
    def mean(self) -> float:
        """Mean of the recorded values, 0 before the first."""
        return self.total / self.visits if self.visits else 0.0

    @property
    def depth(self) -> int:
        """Moves from the root."""
        return len(self.moves())

    def moves(self) -> list[str]:
        """The moves from the root to this node; the root has none."""
        return [*self.parent.moves(), self.move] if self.parent else []

    def add(self, move: str, prior: float = 1.0) -> Node:
        """A new child, the last one."""
        self.children.append(Node(move=move, parent=self, prior=prior))
        return self.children[-1]

    def replace(self, move: str, prior: float = 1.0) -> Node:
        """A fresh node, without values or children, in the place of this one among its parent's children."""
        if self.parent is None:
            raise ValueError("the root of a tree cannot be replaced")
        fresh = Node(move=move, parent=self.parent, prior=prior)
        self.parent.children[self.parent.children.index(self)] = fresh
        return fresh

    def record(self, value: float) -> None:
        """Note one value here, and only here."""
        self.best = max(self.best, value) if self.visits else value
        self.visits += 1
        self.total += value


Score = Callable[[Node], float]
"""How much a child deserves to be chosen; it knows its parent."""


def select(root: Node, score: Score) -> Node:
    """Descend from `root` to a leaf, always to the child with the highest score (ties: the first)."""
    node = root
    while node.children:
        node = max(node.children, key=score)
    return node


def back_up(node: Node, value: float, *, discount: float = 1.0) -> None:
    """Record `value` at `node` and all its ancestors, multiplied by `discount` once more at each of them, `node` included."""
    reached: Node | None = node
    while reached is not None:
        value *= discount
        reached.record(value)
        reached = reached.parent


def puct(value: float, prior: float, parent_visits: int, visits: int, *, c_base: float = 10.0, c: float = 4.0) -> float:
    """RethinkMCTS (arXiv 2409.09584): Q + β·P·sqrt(ln N)/(1 + n) with β = ln((N + c_base + 1)/c_base) + c. N from 1 on."""
    beta = math.log((parent_visits + c_base + 1) / c_base) + c
    return value + beta * prior * math.sqrt(math.log(parent_visits)) / (1 + visits)


def uct(value: float, parent_visits: int, visits: int, *, c: float = 0.1, epsilon: float = 0.1) -> float:
    """VM-MCTS of ReST-RL (arXiv 2508.19576): V + c·sqrt((1 + ln N)/(ε + n)). N from 1 on."""
    return value + c * math.sqrt((1 + math.log(parent_visits)) / (epsilon + visits))


def ucb1(value: float, total_visits: int, visits: int, *, c: float = 1.0) -> float:
    """The bandit bound (Auer et al. 2002): value + c·sqrt(2·ln N / n); an arm that was never pulled comes first (infinity)."""
    return value + c * math.sqrt(2 * math.log(total_visits) / visits) if visits else math.inf
