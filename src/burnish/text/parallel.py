"""Parallel thinking in one reply (Parallel-R1, arXiv 2509.07980): its tags, its format, positions and who sees whom.

A block `<Parallel>` holds two or more `<Path>`s that do not see each other and start at the same position; what follows the
block sees all of them. Pure functions over a sequence in which every tag is one item, as a special token is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

PARALLEL, PATH, SUMMARY = "<Parallel>", "<Path>", "<Summary>"
END_PARALLEL, END_PATH, END_SUMMARY = "</Parallel>", "</Path>", "</Summary>"
TAGS = (PARALLEL, END_PARALLEL, PATH, END_PATH, SUMMARY, END_SUMMARY)
_TAG = re.compile("|".join(map(re.escape, TAGS)))


class Layout(NamedTuple):
    """For each item its position, and the path that it is in of each block around it, outermost first: `(block, path)`."""

    positions: list[int]
    paths: list[tuple[tuple[int, int], ...]]

    def sees(self, query: int, key: int) -> bool:
        """True if item `query` may attend to item `key`: not a later one, and none in a sibling path."""
        mine = dict(self.paths[query])
        return key <= query and all(mine.get(block, path) == path for block, path in self.paths[key])

    def mask(self) -> list[list[bool]]:
        """`mask[query][key]`, [time, time]; True where attention is allowed."""
        return [[self.sees(query, key) for key in range(len(self.positions))] for query in range(len(self.positions))]


class _Block:
    """A block that is open: where its paths begin, and how far the longest one reaches."""

    def __init__(self, number: int, base: int) -> None:
        self.number, self.base, self.reach, self.paths = number, base, base, 0


def layout(items: Sequence[str]) -> Layout:
    """Positions and paths of a sequence; items that are no tags are anything. Tags out of place are read like other items.

    Sibling paths start at base = position of `<Parallel>` + 1; the item after the longest path of n items has position base + n.
    """
    positions: list[int] = []
    paths: list[tuple[tuple[int, int], ...]] = []
    blocks: list[_Block] = []
    inside: list[tuple[int, int]] = []
    following = count = 0
    for item in items:
        block = blocks[-1] if blocks else None
        is_in_path = bool(block and inside and inside[-1][0] == block.number)
        if item == PATH and block and not is_in_path:
            inside.append((block.number, block.paths))
            block.paths += 1
            following = block.base
        elif item == END_PARALLEL and block and not is_in_path:
            following = block.reach
            blocks.pop()
        positions.append(following)
        paths.append(tuple(inside))
        following += 1
        if item == PARALLEL:
            blocks.append(_Block(count, following))
            count += 1
        elif item == END_PATH and block and is_in_path:
            inside.pop()
            block.reach = max(block.reach, following)
    return Layout(positions, paths)


def is_well_formed(text: str) -> bool:
    """The format check: tags are nested and closed, every block has at least two paths and a summary right after it."""
    stack: list[list[str]] = [[""]]
    owes_summary = False
    for tag in _TAG.findall(text):
        inner = stack[-1]
        if not tag.startswith("</"):
            if (tag == PATH) != (inner[0] == PARALLEL) or (tag == SUMMARY) != owes_summary:
                return False
            owes_summary = False
            stack.append([tag])
            continue
        if tag != inner[0].replace("<", "</") or owes_summary or (tag == END_PARALLEL and inner.count(PATH) < 2):
            return False
        stack.pop()
        stack[-1].append(inner[0])
        owes_summary = tag == END_PARALLEL
    return len(stack) == 1 and not owes_summary


def blocks(text: str) -> int:
    """How many parallel blocks a text opens."""
    return text.count(PARALLEL)
