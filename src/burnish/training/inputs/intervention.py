"""Intervention training: learn the right steps of a failed trace and one better step in place of the first wrong one.

What followed the wrong step is left out altogether: it is neither read nor learned. Source: objectives spec, 2 (InT;
arXiv 2601.14209).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from burnish.core.errors import InputError


class Intervention(NamedTuple):
    """Token ids and the half-open range of the learned ones."""

    ids: tuple[int, ...]
    learned: tuple[int, int]


def intervention(prompt: Sequence[int], steps: Sequence[Sequence[int]], wrong: int | None, better: Sequence[int]) -> Intervention | None:
    """Prompt, the steps before number `wrong` (from 0) and the `better` step; all but the prompt is learned.

    None if no wrong step was found or no better one was written: then there is nothing to learn from.
    Raises `InputError` if `wrong` is no step of the trace.
    """
    if wrong is None or not better:
        return None
    if not 0 <= wrong < len(steps):
        raise InputError(f"The first wrong step is number {wrong}, but the trace has {len(steps)} steps, numbered from 0.")
    ids = (*prompt, *(token for step in steps[:wrong] for token in step), *better)
    return Intervention(ids, (len(prompt), len(ids)))
