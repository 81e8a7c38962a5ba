"""P09, P10 and P19: rewards, the jail, and what becomes of rewards."""

from __future__ import annotations

import math

import torch

from burnish.core.errors import InputError
from burnish.core.records import Check, CheckSpec, Task, Verdict
from burnish.objectives.base import Advantage, AdvantageBatch
from burnish.training._objective import plugin
from burnish.training.preflight.base import Setup, Skipped, Warned
from burnish.training.rollouts import RolloutSource
from burnish.verifiers.base import Limits, view

JUNK = ("", "\x00", "]][[ not an answer ((")


def _source(setup: Setup) -> RolloutSource:
    if setup.rollouts is None:
        raise Skipped("There are no rollouts to reward.")
    return setup.rollouts


def p09_reward(setup: Setup) -> str:
    """A reference answer earns more than junk, an undecided verdict earns nothing at all, and judging twice agrees."""
    source = _source(setup)
    fault = Verdict.of([Check(id="c", kind="probe", outcome="error")])
    if fault.scored:
        raise InputError("A fault of the judge counts as a score.")
    task = next((task for task in source.tasks if task.refs), source.tasks[0])
    worst = [_reward(source, task, junk) for junk in JUNK]
    if [_reward(source, task, junk) for junk in JUNK] != worst:
        raise InputError(f"Judging junk twice for task {task.id!r} gives different rewards. The judge or the reward is not deterministic.")
    if not task.refs:
        raise Warned(f"No task has a reference answer; junk earns {_shown(worst)}.")
    best = _reward(source, task, task.refs[0])
    if best is None or any(junk is not None and junk >= best for junk in worst):
        raise InputError(f"The reference of task {task.id!r} earns {best}, junk earns {_shown(worst)}. Mend the reward or the checks.")
    return f"reference {best}, junk {_shown(worst)}"


def _reward(source: RolloutSource, task: Task, artefact: str) -> float | None:
    verdict = source.verifier.verify(view(task, "all"), artefact, limits=source.limits)
    value = source.reward(verdict) if verdict.scored else None
    if value is not None and not math.isfinite(value):
        raise InputError(f"The reward of task {task.id!r} is {value}. Return a finite number, or None for no reward.")
    return value


def _shown(values: list[float | None]) -> str:
    return ", ".join(map(str, values))


ESCAPES = {
    "runs for ever": "while True: pass\ndef f(): return 1",
    "takes all memory": "x = bytearray(4 << 30)\ndef f(): return 1",
    "starts a process": "import os\nos.fork()\nos.execv('/bin/sh', ['sh'])\ndef f(): return 1",
    "opens a connection": "import socket\nsocket.create_connection(('127.0.0.1', 9), 1)\ndef f(): return 1",
    "writes outside of its folder": "open('/usr/burnish-was-here', 'w').close()\ndef f(): return 1",
}


def p10_sandbox(setup: Setup) -> str:
    """Programs that hang, hoard, escape or flood are stopped, and none of them passes."""
    source = _source(setup)
    if source.tasks[0].kind != "python":
        raise Skipped(f"Tasks of kind {source.tasks[0].kind!r} bring their own sandbox; see burnish doctor.")
    check = CheckSpec(id="c", kind="assert", data={"code": "assert f() == 1"})
    task = Task(id="probe", group_id="probe", kind="python", prompt="", checks=(check,), context={"entry_point": "f"})
    limits = Limits(wall_s=1.0, cpu_s=0.5, memory_mb=256, total_wall_s=2.0)
    for what, program in ESCAPES.items():
        if source.verifier.verify(task, program, limits=limits).passed:
            raise InputError(f"A program that {what} passes its check. Judge only in the sandbox: see burnish doctor.")
    if not source.verifier.verify(task, "def f(): return 1", limits=limits).passed:
        raise InputError("A right program fails in the sandbox. See burnish doctor.")
    return f"{len(ESCAPES)} escapes stopped"


def p19_advantages(setup: Setup) -> str:
    """Equal rewards give no signal, unscored samples none either, and a reward that is no number is refused."""
    _source(setup)
    advantage: Advantage = plugin("advantage", setup.settings.advantage, Advantage)
    options = advantage.options(setup.settings.advantage_options)
    if advantage.reads(options) - {"mask"}:
        raise Skipped(f"{advantage.name!r} also needs {', '.join(sorted(advantage.reads(options) - {'mask'}))}: nothing to try it on.")
    equal = _advantages(advantage, options, [0.5] * 4)
    if float(equal.abs().max()) > 1e-6:
        raise InputError(f"The advantage {advantage.name!r} of four equal rewards is {equal.tolist()}, not 0.")
    mixed = _advantages(advantage, options, [1.0, torch.nan, 0.0, 0.0])
    if not bool(mixed.isfinite().all()) or bool(mixed[1].any()):
        raise InputError(f"The advantage {advantage.name!r} of an unscored sample is {mixed[1].tolist()}, not 0.")
    return f"{advantage.name}: no signal from equal rewards"


def _advantages(advantage: Advantage, options: dict[str, float], rewards: list[float]) -> torch.Tensor:
    batch = AdvantageBatch(
        reward=torch.tensor(rewards), group=torch.zeros(len(rewards), dtype=torch.long), mask=torch.ones(len(rewards), 2)
    )
    return advantage.function(batch, options)
