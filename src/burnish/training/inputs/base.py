"""What an input is: how the row of an example changes before it is learned from. One module each, defining an object of its own name.

A row says what is read and where the loss looks; its `View` says what is read otherwise than token by token. Settings name
inputs with their options: `sft_inputs = {"past_generation": {"share": 0.05}}`. Source: objectives spec, 3.1.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from burnish.core.records import Example
from burnish.models.base import Renderer
from burnish.objectives.base import Formula
from burnish.training._objective import plugin
from burnish.training._rows import Row

Function = Callable[[Row, Example, Renderer, random.Random, Mapping[str, Any]], Row | None]
"""`(row, example, renderer, dice, options)` to the row as it shall be, or None: there is nothing to learn from."""


@dataclass(frozen=True, kw_only=True)
class Input(Formula):
    """An input transform. It must be a function of its arguments and of `dice`.

    `needs` may name `embeddings`: a frozen copy of the model's input embeddings. `provides` are `TokenBatch` fields that its rows
    bring. `drawn` asks for it anew in every pass over the examples. `measured` False: validation examples go without it.
    """

    kind: ClassVar[str] = "input"
    function: Function
    provides: frozenset[str] = frozenset()
    drawn: bool = False
    measured: bool = True

    def __call__(self, row: Row, example: Example, renderer: Renderer, dice: random.Random, options: Mapping[str, Any]) -> Row | None:
        """The transformed row, or None."""
        return self.function(row, example, renderer, dice, options)


@dataclass(frozen=True)
class Inputs:
    """Inputs with their options, in the order in which they apply."""

    chosen: tuple[tuple[Input, Mapping[str, Any]], ...] = ()

    @classmethod
    def named(cls, settings: Mapping[str, Mapping[str, float]], *, measured: bool = False) -> Inputs:
        """From names (or import paths) to options. `measured`: only those that hold for validation too.

        Raises `UnknownName` for an input that does not exist, `InputError` for an option that it does not have.
        """
        found = [(plugin("input", name, Input), options) for name, options in settings.items()]
        return cls(tuple((one, one.options(options)) for one, options in found if one.measured or not measured))

    @property
    def needs(self) -> frozenset[str]:
        """What they need of the trainer."""
        return frozenset[str]().union(*(one.needs for one, _ in self.chosen))

    @property
    def provides(self) -> frozenset[str]:
        """The `TokenBatch` fields that they bring."""
        return frozenset[str]().union(*(one.provides for one, _ in self.chosen))

    def apply(self, row: Row, example: Example, renderer: Renderer, *, drawn: bool = False, seed: int = 0) -> Row | None:
        """The row after all inputs that are drawn in every pass, or after all others; None as soon as one leaves the row out."""
        changed: Row | None = row
        for one, options in self.chosen:
            if changed is not None and one.drawn == drawn:
                changed = one(changed, example, renderer, random.Random(seed), options)
        return changed
