"""Intuitive fine-tuning: learned positions are read as a blend of the gold token and what the model would have put there.

For the losses `ift` and `ift_cumsum`. The embeddings that are blended stay those of the model that the run began with.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

from burnish.core.errors import InputError
from burnish.core.records import Example
from burnish.models.base import Renderer
from burnish.training._rows import Row, View
from burnish.training.inputs.base import Input


def _residual(row: Row, example: Example, renderer: Renderer, dice: random.Random, options: Mapping[str, float]) -> Row:
    share = options["share"]
    if not 0 <= share <= 1:
        raise InputError(f"The input 'residual' has share = {share}; it must be between 0 and 1.")
    return replace(row, view=replace(row.view or View(), blend=share)) if share else row


residual = Input(
    name="residual",
    function=_residual,
    needs=frozenset({"embeddings"}),
    measured=False,
    formula="reads (1 - share) E[y_i] + share E[argmax p(. | y_<i)] at learned positions i; E is frozen",
    source="objectives spec, 2 (IFT, temporal residual connection; arXiv 2405.11870)",
    defaults={"share": 0.2},
)
