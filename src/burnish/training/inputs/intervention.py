"""Intervention training: learn the right steps of a failed trace and one better step in place of the first wrong one.

The example's answer is the failed trace, its steps are its paragraphs; `meta["intervention"]` is `{"wrong": number of the
first wrong step from 0 (or null), "better": "text of the better step"}`. What followed the wrong step is left out altogether.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from burnish.core.errors import InputError
from burnish.core.records import Example
from burnish.models.base import Renderer
from burnish.training._rows import Row
from burnish.training.inputs._step_ends import paragraph_ends
from burnish.training.inputs._texts import answer_ids, pieces
from burnish.training.inputs.base import Input


class Learned(NamedTuple):
    """Token ids and the half-open range of the learned ones."""

    ids: tuple[int, ...]
    learned: tuple[int, int]


def with_better_step(prompt: Sequence[int], steps: Sequence[Sequence[int]], wrong: int | None, better: Sequence[int]) -> Learned | None:
    """Prompt, the steps before number `wrong` (from 0) and the `better` step; all but the prompt is learned.

    None if no wrong step was found or no better one was written: then there is nothing to learn from.
    Raises `InputError` if `wrong` is no step of the trace.
    """
    if wrong is None or not better:
        return None
    if not 0 <= wrong < len(steps):
        raise InputError(f"The first wrong step is number {wrong}, but the trace has {len(steps)} steps, numbered from 0.")
    ids = (*prompt, *(token for step in steps[:wrong] for token in step), *better)
    return Learned(ids, (len(prompt), len(ids)))


def _intervention(row: Row, example: Example, renderer: Renderer, dice: random.Random, options: Mapping[str, float]) -> Row | None:
    if (found := example.meta.get("intervention")) is None:
        return row
    first = row.positions[0]
    prompt, trace = row.ids[:first], row.ids[first:]
    ends = [end + 1 for end in paragraph_ends(pieces(renderer, trace))]
    steps = [trace[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    better = str(found.get("better") or "")
    learned = with_better_step(prompt, steps, found.get("wrong"), answer_ids(renderer, example, better)[:-1] if better else ())
    if learned is None:
        return None
    if row.fields or row.view is not None:
        raise InputError("The input 'intervention' changes the tokens of a row: name it before all others in sft_inputs.")
    return replace(row, ids=learned.ids, positions=tuple(range(*learned.learned)), rollout=None)


intervention = Input(
    name="intervention",
    function=_intervention,
    formula="reads and learns steps before the first wrong one, then the better step; the rest of the trace is absent",
    source="objectives spec, 2 (InT; arXiv 2601.14209)",
)
