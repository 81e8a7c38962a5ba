"""The same coefficients at every step."""

from __future__ import annotations

from collections.abc import Mapping

from burnish.objectives.controllers.base import Controller, ControllerState, Measured, Plan


def _fixed(state: ControllerState, measured: Measured, options: Mapping[str, float]) -> tuple[ControllerState, Plan]:
    return ControllerState(step=state.step + 1), Plan(streams={name: value for name, value in options.items() if value > 0})


fixed = Controller(
    name="fixed",
    advance=_fixed,
    formula="loss = sum over streams of coefficient x loss",
    source="objectives spec, 3.2",
    defaults={"sft": 1.0, "rl": 1.0, "preference": 1.0, "value": 1.0},
)
