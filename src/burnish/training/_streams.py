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
from burnish.objectives.preferences.base import divergence
from burnish.training._objective import Objective, objective
from burnish.training._preference import Preference, answer_objective, answer_rows, mismatched
from burnish.training._rows import Row, labelled_row, supervised_row
from burnish.training.config import TrainConfig
from burnish.training.curricula.history import History
from burnish.training.inputs.base import Inputs
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
        return Delivery([row for index in self._chosen(step) for row in self.rows[index]])

    def _chosen(self, step: int) -> list[int]:
        return pass_indices(len(self.rows), self._config.batch_size, self._config.seed, step)


class SupervisedStream(ExampleStream):
    """Examples to imitate, as the `sft_inputs` have them read. Under the name `validation` they are only measured."""

    def __init__(self, examples: Sequence[Example], renderer: Renderer, config: TrainConfig, *, name: str = "sft") -> None:
        """Raises `InputError` if there is no example, or one without a token to learn."""
        trained = name == "sft"
        self._renderer, self.inputs = renderer, Inputs.named(config.sft_inputs, measured=not trained)
        read = [(self.inputs.apply(supervised_row(example, renderer), example, renderer), example) for example in examples]
        self._learned = [(row, example) for row, example in read if row is not None]
        super().__init__([(row,) for row, _ in self._learned], examples, config)
        self.name = name
        provides = {"reference", "entropy", "kl_forward", "kl_reverse"} | self.inputs.provides
        provides |= {"rollout"} if all(row.rollout is not None for (row,) in self.rows) else set()
        self.objective = objective(
            config.sft_loss if trained else "nll",
            config.sft_options if trained else {},
            stream=name,
            provides=frozenset(provides),
            aggregation=config.aggregation if trained else None,
            weight=config.sft_weight if trained else None,
            weight_options=config.sft_weight_options,
        )

    async def deliver(self, step: int, order: Order = Order()) -> Delivery:
        """The examples of this delivery, with what the inputs draw for its pass."""
        seed = derive_seed(self._config.seed, "inputs", step // self.steps_per_pass)
        return Delivery([row for index in self._chosen(step) if (row := self._drawn(index, seed)) is not None])

    def _drawn(self, index: int, seed: int) -> Row | None:
        row, example = self._learned[index]
        return self.inputs.apply(row, example, self._renderer, drawn=True, seed=derive_seed(seed, index))


class PreferenceStream(ExampleStream):
    """Pairs of answers to the same prompt, the better one first; or answers judged one by one."""

    name = "preference"

    def __init__(self, pairs: Sequence[Preference], judged: Sequence[Example], renderer: Renderer, config: TrainConfig) -> None:
        """Raises `InputError` if there is no answer, one without a token to learn, or the wrong sort for the loss."""
        self.answers = answer_objective(config.preference_loss, config.preference_options)
        self.objective = self.answers
        rows = answer_rows(self.answers, pairs, judged, renderer)
        super().__init__(rows, [*(example for pair in pairs for example in pair), *judged], config)

    async def deliver(self, step: int, order: Order = Order()) -> Delivery:
        """The answers of this delivery. Where they are judged one by one, each knows how far the policy has drifted on average."""
        delivery = await super().deliver(step, order)
        if self.answers.paired:
            return delivery
        drift, rows = 0.0, mismatched(delivery.rows)
        if rows:
            assert order.score is not None
            known = order.score(rows, frozenset({"old", "reference"}), 1.0)
            drift = float(divergence(known["old"].sum(dim=1), known["reference"].sum(dim=1)))
        told = [replace(row, fields={**row.fields, "divergence": (drift,) * len(row.positions)}) for row in delivery.rows]
        return replace(delivery, rows=told)


class ValueStream(ExampleStream):
    """Examples whose steps were judged: the value head learns to tell good steps from bad ones."""

    name = "value"

    def __init__(self, examples: Sequence[Example], renderer: Renderer, config: TrainConfig) -> None:
        """Raises `InputError` if there is no example, or one without labelled steps."""
        super().__init__([(labelled_row(example, renderer),) for example in examples], examples, config)
        self.objective = objective(
            config.value_loss,
            config.value_options,
            stream=self.name,
            provides=frozenset({"value", "returns"}),
            aggregation=config.aggregation,
        )


def pass_indices(count: int, batch: int, seed: int, step: int) -> list[int]:
    """Indices of step number `step` when `count` items are gone through in passes, each shuffled by its own seed."""
    number, within = divmod(step, math.ceil(count / batch))
    order = list(range(count))
    random.Random(derive_seed(seed, "pass", number)).shuffle(order)
    return order[within * batch : (within + 1) * batch]
