"""Controllers as pure functions: `(state, measured) -> (state, plan)`, asked once before each optimiser step.

The state is a plain record that is saved with the checkpoint: a resumed run continues as if it had never stopped. Random
draws derive from a seed and the step, so that every rank draws the same. Source: objectives spec, 3.1 and 3.5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any, ClassVar

from torch import Tensor

from burnish.core.records import Record
from burnish.objectives.base import Formula


class Measured(Record):
    """What the trainer measured since the controller was last asked, by name of stream. Empty at the first step."""

    gradient_norm: dict[str, float] = {}
    """Global L2 norm of the stream's gradient before clipping, for the streams of the last step."""
    entropy: dict[str, float] = {}
    """Mean entropy per token in nats."""
    products: dict[str, float] = {}
    """`inner_products` of the streams' gradients at the present weights. Only where the controller asked for them."""


class Plan(Record):
    """What the next step does. A field that the controller does not decide is left as configured."""

    streams: dict[str, float] = {}
    """Coefficient per stream; one that is not named does not run. Empty: every stream, as configured."""
    temperature: float | None = None
    """Sampling temperature of the next rollouts."""
    entropy: float | None = None
    """Coefficient of the entropy bonus."""
    report: dict[str, float] = {}
    """Numbers for the log."""


class ControllerState(Record):
    """What every controller remembers; subclasses add their own fields, all with defaults."""

    step: int = 0
    """Steps planned so far."""


def _never(state: Any, options: Mapping[str, float]) -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Controller(Formula):
    """A controller as the trainer sees it. `state()` is the start; `advance(state, measured, options)` plans the next step.

    `needs` are fields of `Measured`. `wants_products(state, options)` says whether the coming call needs the inner products of
    all streams' gradients.
    """

    kind: ClassVar[str] = "controller"
    advance: Callable[[Any, Measured, Mapping[str, Any]], tuple[Any, Plan]]
    state: type[ControllerState] = ControllerState
    wants_products: Callable[[Any, Mapping[str, Any]], bool] = _never
    experimental: bool = False


def mixed(share: float) -> dict[str, float]:
    """Coefficients of a supervised and a reinforcement-learning stream: `share` and 1 - `share`. A stream with 0 does not run."""
    return {name: value for name, value in (("sft", share), ("rl", 1.0 - share)) if value > 0}


def inner_products(gradients: Mapping[str, Sequence[Tensor]]) -> dict[str, float]:
    """Inner products of all pairs of gradients, each a list of tensors over the same parameters, by `first.second`, sorted names."""
    pairs = combinations_with_replacement(sorted(gradients), 2)
    return {f"{first}.{second}": _inner_product(gradients[first], gradients[second]) for first, second in pairs}


def _inner_product(first: Sequence[Tensor], second: Sequence[Tensor]) -> float:
    return sum(float(x.flatten().double() @ y.flatten().double()) for x, y in zip(first, second, strict=True))
