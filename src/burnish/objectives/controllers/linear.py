"""From imitation to exploration on a straight line: the supervised share moves from `start` to `end` within `steps` steps."""

from __future__ import annotations

from collections.abc import Mapping

from burnish.objectives.controllers.base import Controller, ControllerState, Measured, Plan, mixed


def _linear(state: ControllerState, measured: Measured, options: Mapping[str, float]) -> tuple[ControllerState, Plan]:
    progress = min(state.step / options["steps"], 1.0) if options["steps"] > 0 else 1.0
    share = options["start"] + (options["end"] - options["start"]) * progress
    return ControllerState(step=state.step + 1), Plan(streams=mixed(share), report={"share": share})


linear = Controller(
    name="linear",
    advance=_linear,
    formula="mu sft + (1 - mu) rl, mu from start to end over steps",
    source="objectives spec, 3.1",
    defaults={"start": 1.0, "end": 0.0, "steps": 100.0},
)
