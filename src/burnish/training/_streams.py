"""Streams: where the rows of each step come from. What a stream delivers is a function of the order's number and the weights.

So a resumed run needs nothing but how often each stream has delivered: orders and seeds are derived, never stored.
Reinforcement learning's stream is in `_rollout_stream`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import msgspec
from jaxtyping import Float
from torch import Tensor

from burnish.core.errors import InputError
from burnish.core.records import Example
from burnish.core.seeds import content_hash, derive_seed
from burnish.models.base import Renderer
from burnish.training._objective import Objective, objective
from burnish.training._preference import Preference, preference_objective
from burnish.training._rows import Row, labelled_row, supervised_row
from burnish.training.config import TrainConfig
from burnish.training.curricula.history import History
from burnish.training.rollouts import Rollout

Score = Callable[[Sequence[Row], frozenset[str], float], dict[str, Float[Tensor, "batch time"]]]
"""`score(rows, fields, temperature)`: `old`, `reference` or `value` of the learned tokens under the weights of now."""


@dataclass(frozen=True)
class Order:
    """What a step asks a stream for: a sampling temperature other than configured, and the means to score rows beforehand."""

    temperature: float | None = None
    score: Score | None = None
    history: History = field(default_factory=dict)
    """What was tried and passed so far, by task."""


@dataclass(frozen=True)
class Delivery:
    """The rows of one step, and what the stream has to report about them (fields of `StreamStats`)."""

    rows: list[Row]
    report: dict[str, Any] = field(default_factory=dict)
    outcomes: tuple[tuple[str, bool | None], ...] = ()
    """Task and whether it was passed (None: undecided), for the history."""
    rollouts: Mapping[str, Rollout] = field(default_factory=dict)
    """All that was sampled for these rows, by the rows' ids; what became no row is there too."""


class Stream(Protocol):
    """One source of training rows with its own objective and its own denominators."""

    name: str
    steps_per_pass: int
    fingerprint: str

    @property
    def objective(self) -> Objective:
        """What the rows are trained for."""
        ...

    async def deliver(self, step: int, order: Order = Order()) -> Delivery:
        """The rows of this stream's delivery number `step`, from 0."""
        ...


class ExampleStream:
    """Examples in shuffled passes; the last batch of a pass may be smaller."""

    name: str
    objective: Objective

    def __init__(self, rows: Sequence[tuple[Row, ...]], records: Sequence[msgspec.Struct], config: TrainConfig) -> None:
        """`rows`: what is drawn together (one row, or the two of a pair). Raises `InputError` if there is nothing."""
        if not rows:
            raise InputError("There are no examples to learn from. Check the query or the file that they come from.")
        self.steps_per_pass = math.ceil(len(rows) / config.batch_size)
        self.fingerprint = content_hash(*(msgspec.json.encode(record) for record in records))
        self.rows = list(rows)
        self._config = config

    async def deliver(self, step: int, order: Order = Order()) -> Delivery:
        """The examples of this delivery."""
        chosen = pass_indices(len(self.rows), self._config.batch_size, self._config.seed, step)
        return Delivery([row for index in chosen for row in self.rows[index]])


class SupervisedStream(ExampleStream):
    """Examples to imitate. Under the name `validation` they are only measured."""

    def __init__(self, examples: Sequence[Example], renderer: Renderer, config: TrainConfig, *, name: str = "sft") -> None:
        """Raises `InputError` if there is no example, or one without a token to learn."""
        rows = [(supervised_row(example, renderer),) for example in examples]
        super().__init__(rows, examples, config)
        self.name = name
        provides = {"reference", "entropy", "kl_forward", "kl_reverse"}
        provides |= {"rollout"} if all(row.rollout is not None for (row,) in rows) else set()
        trained = name == "sft"
        self.objective = objective(
            config.sft_loss if trained else "nll",
            config.sft_options if trained else {},
            stream=name,
            provides=frozenset(provides),
            aggregation=config.aggregation if trained else None,
            weight=config.sft_weight if trained else None,
            weight_options=config.sft_weight_options,
        )


class PreferenceStream(ExampleStream):
    """Pairs of answers to the same prompt, the better one first."""

    name = "preference"

    def __init__(self, pairs: Sequence[Preference], renderer: Renderer, config: TrainConfig) -> None:
        """Raises `InputError` if there is no pair, or one without a token to learn."""
        rows = [
            tuple(replace(supervised_row(example, renderer), group=index, correct=example is pair[0]) for example in pair)
            for index, pair in enumerate(pairs)
        ]
        super().__init__(rows, [example for pair in pairs for example in pair], config)
        self.objective = preference_objective(config.preference_loss, config.preference_options)


class ValueStream(ExampleStream):
    """Examples whose steps were judged: the value head learns to tell good steps from bad ones."""

    name = "value"

    def __init__(self, examples: Sequence[Example], config: TrainConfig) -> None:
        """Raises `InputError` if there is no example, or one without labelled steps."""
        super().__init__([(labelled_row(example),) for example in examples], examples, config)
        self.objective = objective(
            config.value_loss, {}, stream=self.name, provides=frozenset({"value", "returns"}), aggregation=config.aggregation
        )


def pass_indices(count: int, batch: int, seed: int, step: int) -> list[int]:
    """Indices of step number `step` when `count` items are gone through in passes, each shuffled by its own seed."""
    number, within = divmod(step, math.ceil(count / batch))
    order = list(range(count))
    random.Random(derive_seed(seed, "pass", number)).shuffle(order)
    return order[within * batch : (within + 1) * batch]
