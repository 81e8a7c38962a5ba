"""Who plans the steps: stages one after another, each with its controller, and all that must be remembered between steps."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from burnish.core.errors import InputError
from burnish.core.records import Record
from burnish.objectives.controllers.base import Controller, Measured, Plan
from burnish.training._objective import plugin
from burnish.training._streams import Delivery
from burnish.training.config import Stage
from burnish.training.curricula.history import Tried, counted


class Progress(Record):
    """Where a run is. Saved with every checkpoint; a resumed run plans as if it had never stopped."""

    step: int = 0
    delivered: dict[str, int] = {}
    """How often each stream has delivered: its place in the data."""
    stage: int = 0
    stage_step: int = 0
    controller: dict[str, Any] = {}
    """State of the stage's controller."""
    measured: Measured = Measured()
    history: dict[str, Tried] = {}
    """What was tried and passed, by task: what a curriculum reads."""
    best: float | None = None
    """Lowest validation loss so far, and the step that it was measured after."""
    best_step: int | None = None
    worse: int = 0
    """Validations in a row that brought no new best."""


class Director:
    """Plans each step. `progress` is replaced, never changed."""

    def __init__(self, stages: tuple[Stage, ...], streams: Collection[str]) -> None:
        """Raises `InputError` for a stage that plans streams which are not there, `UnknownName` for an unknown controller."""
        self._stages, self._streams = stages, [name for name in streams if name != "validation"]
        self._validated = "validation" in streams
        self._controllers = [None if stage.controller is None else plugin("controller", stage.controller, Controller) for stage in stages]
        self._options = [
            {} if controller is None else controller.options(stage.controller_options)
            for controller, stage in zip(self._controllers, stages, strict=True)
        ]
        self.progress = Progress()
        self._state_after: dict[str, Any] = {}
        for stage in stages:
            self._check(stage)

    @property
    def stage(self) -> Stage:
        """The stage that the next step belongs to."""
        return self._stages[self.progress.stage]

    @property
    def controlled(self) -> bool:
        """True if some stage has a controller, which may ask for the entropy of every stream."""
        return any(controller is not None for controller in self._controllers)

    @property
    def compares(self) -> bool:
        """True if some stage has a controller that asks for the inner products of the streams' gradients."""
        return any(controller is not None and "products" in controller.needs for controller in self._controllers)

    def wants_products(self) -> bool:
        """Whether the controller needs the inner products of all streams' gradients before it plans the next step."""
        controller = self._controllers[self.progress.stage]
        return controller is not None and controller.wants_products(self._state(controller), self._options[self.progress.stage])

    def plan(self, products: Mapping[str, float]) -> Plan:
        """What the next step does. The controller's new state counts once the step is finished."""
        progress, controller = self.progress, self._controllers[self.progress.stage]
        if controller is None:
            self._state_after = {}
            return Plan(streams={"rl": 1.0} if self.stage.critic_only else self._mixed(self.stage.mix))
        measured = msgspec.structs.replace(progress.measured, products=dict(products))
        plan: Plan
        state, plan = controller.advance(self._state(controller), measured, self._options[progress.stage])
        self._state_after = msgspec.to_builtins(state)
        if not plan.streams:
            return msgspec.structs.replace(plan, streams=self._mixed(self.stage.mix))
        if controller.name == "fixed" or not set(plan.streams) - set(self._streams):
            return msgspec.structs.replace(plan, streams={name: plan.streams[name] for name in self._streams if name in plan.streams})
        missing = ", ".join(sorted(set(plan.streams) - set(self._streams)))
        raise InputError(
            f"The controller {controller.name!r} plans the stream {missing}, for which there is no data. Give it, or choose another."
        )

    def finished_step(self, measured: Measured, delivered: Mapping[str, Delivery]) -> None:
        """Note what a step measured, which streams it used up, and what was passed."""
        progress = self.progress
        counts = {**progress.delivered, **{name: progress.delivered.get(name, 0) + 1 for name in delivered}}
        self.progress = msgspec.structs.replace(
            progress,
            step=progress.step + 1,
            stage_step=progress.stage_step + 1,
            delivered=counts,
            measured=measured,
            history=counted(progress.history, (outcome for delivery in delivered.values() for outcome in delivery.outcomes)),
            controller=self._state_after,
        )

    def validated(self, loss: float) -> bool:
        """Note a validation loss. True if it is the best so far."""
        best = self.progress.best is None or loss < self.progress.best
        changes = {"best": loss, "best_step": self.progress.step, "worse": 0} if best else {"worse": self.progress.worse + 1}
        self.progress = msgspec.structs.replace(self.progress, **changes)  # type: ignore[arg-type]
        return best

    @property
    def stage_over(self) -> bool:
        """True if the present stage has had its steps, or its patience is at an end."""
        stage, progress = self.stage, self.progress
        spent = stage.steps is not None and progress.stage_step >= stage.steps
        return spent or (stage.patience is not None and progress.worse >= stage.patience)

    def next_stage(self) -> bool:
        """Go on to the next stage, with a fresh controller. False if there is none."""
        if self.progress.stage + 1 == len(self._stages):
            return False
        self.progress = msgspec.structs.replace(self.progress, stage=self.progress.stage + 1, stage_step=0, controller={}, worse=0)
        return True

    def _state(self, controller: Controller) -> Any:
        return msgspec.convert(self.progress.controller, controller.state)

    def _mixed(self, mix: Mapping[str, float]) -> dict[str, float]:
        return {name: share for name in self._streams if (share := mix.get(name, 1.0)) > 0}

    def _check(self, stage: Stage) -> None:
        if stage.controller is None and not (stage.critic_only or self._mixed(stage.mix)):
            raise InputError("There is nothing to train on: give examples, rollouts or both, with a mix coefficient above 0.")
        if stage.critic_only and "rl" not in self._streams:
            raise InputError("A stage that is critic_only learns from practice. Give tasks.")
        if stage.patience is not None and not self._validated:
            raise InputError("patience needs validation examples. Give some, or leave patience out.")
