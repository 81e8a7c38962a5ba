"""The coefficient of the entropy bonus grows while entropy is below its target and shrinks while it is above.

Above the target the bonus is not applied at all; the coefficient is remembered.
"""

from __future__ import annotations

from collections.abc import Mapping

from burnish.objectives.controllers.base import Controller, ControllerState, Measured, Plan


class BonusState(ControllerState):
    """The coefficient; None before the first step."""

    coefficient: float | None = None


def _adaptive_entropy(state: BonusState, measured: Measured, options: Mapping[str, float]) -> tuple[BonusState, Plan]:
    coefficient = options["start"] if state.coefficient is None else state.coefficient
    low = True
    if "rl" in measured.entropy:
        coefficient += options["change"] if measured.entropy["rl"] < options["target"] else -options["change"]
        low = measured.entropy["rl"] <= options["target"]
    coefficient = min(max(coefficient, options["low"]), options["high"])
    return BonusState(step=state.step + 1, coefficient=coefficient), Plan(entropy=coefficient if low else 0.0)


adaptive_entropy = Controller(
    name="adaptive_entropy",
    advance=_adaptive_entropy,
    state=BonusState,
    needs=frozenset({"entropy"}),
    formula="c <- clip(c + change, low, high) if H < target, else clip(c - change, low, high); applied if H <= target",
    source="Skywork-OR1, arXiv 2505.22312",
    defaults={"target": 0.2, "start": 0.0, "change": 0.005, "low": 0.0, "high": 1.0},
)
