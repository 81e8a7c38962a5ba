"""Parallel thinking: sibling paths start at the same position and do not see each other; what follows a block sees all of it.

Where blocks are: `meta["parallel"]`, token ranges as a run recorded them, or the tags in the answer's text. Without a block a
row is read as ever. One level of blocks; paths inside of paths are refused.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from burnish.core.errors import InputError
from burnish.core.records import Example
from burnish.models._parallel import check_blocks
from burnish.models.base import Renderer
from burnish.text.parallel import END_PARALLEL, END_PATH, PARALLEL, PATH
from burnish.training._rows import Row, View
from burnish.training.inputs._texts import token_at
from burnish.training.inputs.base import Input

_BLOCK = re.compile(f"{re.escape(PARALLEL)}(.*?){re.escape(END_PARALLEL)}", re.DOTALL)


def _parallel_paths(row: Row, example: Example, renderer: Renderer, dice: random.Random, options: Mapping[str, float]) -> Row:
    given = example.meta.get("parallel")
    blocks = tagged_blocks(renderer, row.ids) if given is None else tuple(tuple((int(a), int(b)) for a, b in block) for block in given)
    check_blocks(len(row.ids), blocks)
    return replace(row, view=replace(row.view or View(), blocks=blocks)) if blocks else row


def tagged_blocks(renderer: Renderer, ids: Sequence[int]) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Blocks with at least two closed paths, by their tags in the decoded text. A path reaches from the end of the one before it.

    Raises `InputError` for a block inside of a block.
    """
    text, found = renderer.decode(ids), []
    for block in _BLOCK.finditer(text):
        inner = block.group(1)
        if PARALLEL in inner:
            raise InputError("Parallel paths inside of parallel paths cannot be trained. Keep such answers out.")
        if inner.count(PATH) < 2 or inner.count(PATH) != inner.count(END_PATH):
            continue
        stops = [block.start(1) + match.end() for match in re.finditer(re.escape(END_PATH), inner)]
        edges = [token_at(renderer, ids, place) for place in (block.start(1), *stops)]
        found.append(tuple(pairwise(edges)))
    return tuple(found)


parallel_paths = Input(
    name="parallel_paths",
    function=_parallel_paths,
    formula="position = base of the block + place in the path, after it base + longest path; query q does not see key k in a sibling path",
    source="code and debugging spec, Parallel-R1 (structured attention; arXiv 2509.07980)",
)
