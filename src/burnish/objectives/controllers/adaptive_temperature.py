"""The sampling temperature follows the entropy of the rollouts: hotter below the target, cooler above it.

About 0.3 nats per token explores well: at less the policy only exploits, at more it loses itself. Entropy rises with
temperature, so that the rule has one fixed point.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

from burnish.core.errors import InputError
from burnish.objectives.controllers.base import Controller, ControllerState, Measured, Plan


class TemperatureState(ControllerState):
    """The temperature in force; None before the first step."""

    temperature: float | None = None


def _adaptive_temperature(state: TemperatureState, measured: Measured, options: Mapping[str, float]) -> tuple[TemperatureState, Plan]:
    temperature = options["start"] if state.temperature is None else state.temperature
    if "rl" in measured.entropy:
        temperature *= math.exp(options["rate"] * (options["target"] - measured.entropy["rl"]))
    temperature = min(max(temperature, options["low"]), options["high"])
    return TemperatureState(step=state.step + 1, temperature=temperature), Plan(temperature=temperature)


def tempered_entropy(logits: Float[Tensor, "tokens vocabulary"], temperature: float) -> float:
    """Mean entropy in nats of softmax(logits / temperature)."""
    logp = (logits.double() / temperature).log_softmax(dim=-1)
    return float(-(logp.exp() * logp).sum(dim=-1).mean())


def temperature_for_entropy(logits: Float[Tensor, "tokens vocabulary"], target: float, *, low: float = 0.05, high: float = 5.0) -> float:
    """The temperature at which the mean entropy is `target`, by bisection. Raises `InputError` if it is not between `low` and `high`."""
    reach = tempered_entropy(logits, low), tempered_entropy(logits, high)
    if not reach[0] <= target <= reach[1]:
        raise InputError(
            f"No temperature in [{low}, {high}] gives an entropy of {target}: it reaches from {reach[0]:.4f} to {reach[1]:.4f}."
        )
    while high - low > 1e-9:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if tempered_entropy(logits, middle) < target else (low, middle)
    return 0.5 * (low + high)


adaptive_temperature = Controller(
    name="adaptive_temperature",
    advance=_adaptive_temperature,
    state=TemperatureState,
    needs=frozenset({"entropy"}),
    formula="T <- clip(T exp(rate (target - H)), low, high), H = mean entropy of the last rollouts",
    source="code and debugging spec, AceReason-Nemotron 1.1 (arXiv 2506.13284)",
    defaults={"target": 0.3, "start": 0.85, "rate": 0.5, "low": 0.3, "high": 1.5},
)
