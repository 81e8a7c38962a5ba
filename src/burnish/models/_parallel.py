"""Parallel paths inside one sequence: sibling paths share their positions and do not see each other.

Every path of a block starts at the position after the block's opening; what follows the block goes on after the longest path
and sees all of them. Given the ranges of the paths, positions and attention derive. Source: Parallel-R1 (2509.07980), "Unseen".
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from burnish.core.errors import InputError

Blocks = Sequence[Sequence[tuple[int, int]]]
"""For each block the half-open token ranges of its paths, ascending and adjacent."""


def check_blocks(length: int, blocks: Blocks) -> None:
    """Raises `InputError` unless blocks ascend and the paths of each are adjacent, not empty, and end before the last token."""
    end = 0
    for block in blocks:
        for start, stop in block:
            if not end <= start < stop < length or (start != end and (start, stop) != block[0]):
                raise InputError(f"The parallel paths {block} do not lie one after the other within the first {length - 1} tokens.")
            end = stop


def path_positions(length: int, blocks: Blocks) -> list[int]:
    """Position of each of `length` tokens: counts up, starts again at every sibling path, goes on after the longest."""
    positions, at, place = [0] * length, 0, 0
    for block in blocks:
        first = block[0][0]
        positions[at:first] = range(place, place + first - at)
        place += first - at
        for start, stop in block:
            positions[start:stop] = range(place, place + stop - start)
        place += max(stop - start for start, stop in block)
        at = block[-1][1]
    positions[at:] = range(place, place + length - at)
    return positions


def siblings(length: int, blocks: Blocks) -> Bool[Tensor, "length length"]:
    """True where token i must not see token j: they lie in different paths of one block."""
    barred = torch.zeros(length, length, dtype=torch.bool)
    for block in blocks:
        whole = slice(block[0][0], block[-1][1])
        barred[whole, whole] = True
        for start, stop in block:
            barred[start:stop, start:stop] = False
    return barred
