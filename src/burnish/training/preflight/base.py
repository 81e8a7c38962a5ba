"""What is checked, how a check reports, and how all of them are run."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Any

from burnish.core.errors import BurnishError, InputError
from burnish.core.records import Check, Diagnostic, Example
from burnish.training._adapters import known_adapter
from burnish.training._crew import Crew
from burnish.training._preference import Preference
from burnish.training._rows import Row, supervised_row
from burnish.training.config import TrainConfig
from burnish.training.files import read_config
from burnish.training.rollouts import RolloutSource

PARTS = ("environment", "data", "judge", "sampling", "learning", "ranks")
"""Modules of checks, in the order in which they are run."""

TRIED = 4
"""Examples that the learning checks train on."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How the work is divided, and the sizes of the model that must divide by it."""

    world: int = 1
    tensor: int = 1
    pipeline: int = 1
    context: int = 1
    micro: int = 1
    accumulation: int = 1
    global_batch: int | None = None
    heads: int = 0
    key_heads: int = 0
    layers: int = 0
    vocabulary: int = 0
    rollouts: int = 0
    group: int = 1

    @property
    def data(self) -> int:
        """Data-parallel replicas."""
        return self.world // (self.tensor * self.pipeline * self.context)

    @property
    def batch(self) -> int:
        """Sequences in one optimiser step."""
        return self.micro * self.accumulation * self.data


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A run that is about to start. `config` is the settings as written, before they were checked.

    `memory` is the free memory of the device in bytes (None: measured), `requirements` the packages with their versions
    (None: those that burnish declares), `attention` the implementation that will be used (None: the model's own).
    """

    policy: Any
    config: Mapping[str, Any] = field(default_factory=dict)
    examples: Sequence[Example] = ()
    validation: Sequence[Example] = ()
    rollouts: RolloutSource | None = None
    preferences: Sequence[Preference] = ()
    judged: Sequence[Example] = ()
    labelled: Sequence[Example] = ()
    recorded: Sequence[Example] = ()
    shape: Shape = Shape()
    memory: int | None = None
    requirements: Sequence[str] | None = None
    attention: str | None = None
    crew: Crew = Crew()

    @cached_property
    def settings(self) -> TrainConfig:
        """The checked settings; the defaults if they cannot be read (P02 says so)."""
        try:
            return read_config(self.config)
        except InputError:
            return TrainConfig()

    @cached_property
    def rows(self) -> list[Row]:
        """Rows of the first examples."""
        return [supervised_row(example, self.policy.renderer) for example in self.examples[:TRIED]]

    def copy(self) -> Apprentice:
        """A policy with a copy of the model, for experiments that train."""
        model = self.policy.model
        return Apprentice(copy.deepcopy(known_adapter(model) or model), self.policy.renderer)


@dataclass
class Apprentice:
    """A policy that is only trained, never asked to write."""

    model: Any
    renderer: Any
    name: str = "copy"
    version: str = "0"

    def bump_version(self) -> None:
        """Nobody asks for the version."""

    def exclusive(self) -> AbstractContextManager[object]:
        """Nothing is generated anyway."""
        return nullcontext()


class Skipped(Exception):
    """The check does not apply to this setup; the message says why."""


class Warned(Exception):
    """The check found something that need not stop the run."""


Function = Callable[[Setup], str]
"""A check: returns what it found right; raises `Skipped`, `Warned`, or `InputError` with the mend."""


def functions() -> dict[str, Function]:
    """All checks by id. A check is a function `pNN_what` in one of the modules of `PARTS`."""
    found = {}
    for part in PARTS:
        for name, value in vars(import_module(f"burnish.training.preflight.{part}")).items():
            if name[:1] == "p" and name[1:3].isdigit():
                found[f"P{name[1:3]}"] = value
    return dict(sorted(found.items()))


def preflight(setup: Setup, only: Sequence[str] = ()) -> list[Check]:
    """Run the checks (those named in `only`, or all) and report each: pass, fail, or skip with its reason.

    A warning is a pass with a diagnostic of severity `warn`. A check that breaks down has failed.
    """
    known = functions()
    if unknown := sorted(set(only) - set(known)):
        raise InputError(f"There is no check {unknown[0]!r}. Known: {', '.join(known)}.")
    return [_run(name, function, setup) for name, function in known.items() if not only or name in only]


def _run(name: str, function: Function, setup: Setup) -> Check:
    title = function.__name__[4:].replace("_", " ")

    def report(outcome: Any, message: str, severity: Any = "info") -> Check:
        return Check(id=name, kind="preflight", outcome=outcome, diagnostics=(Diagnostic(code=title, message=message, severity=severity),))

    try:
        return report("pass", function(setup))
    except Skipped as reason:
        return report("skip", str(reason))
    except Warned as warning:
        return report("pass", str(warning), "warn")
    except (BurnishError, ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
        what = str(error) if isinstance(error, BurnishError) else f"{type(error).__name__}: {error}"
        return report("fail", what, "error")
