"""Where a right answer differs from its near-identical wrong variant: the tokens that FAIT leans on.

The variant is `meta["wrong"]`, the whole text of the wrong answer; an example without one has no difference. Lines are
compared first, then the tokens of lines that replace each other; lines without a partner differ as a whole.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from typing import NamedTuple

from burnish.core.records import Example
from burnish.models.base import Renderer
from burnish.training._rows import Row
from burnish.training.inputs._texts import answer_ids, pieces
from burnish.training.inputs.base import Input

Range = tuple[int, int]


class FaultMasks(NamedTuple):
    """For each token of the right and of the wrong program, whether it belongs to a difference."""

    right: tuple[bool, ...]
    wrong: tuple[bool, ...]


def fault_masks(right: Sequence[str], wrong: Sequence[str]) -> FaultMasks:
    """Masks over the tokens of two programs, given as their texts. A token that holds a line break ends its line.

    Where one program only lacks tokens, its mask has the token with which it goes on: there the policy chose between the
    two. Equal programs have no difference.
    """
    right_mask, wrong_mask = [False] * len(right), [False] * len(wrong)
    for ours, theirs in _differences(right, wrong):
        _mark(right_mask, ours)
        _mark(wrong_mask, theirs)
    return FaultMasks(tuple(right_mask), tuple(wrong_mask))


def _fault_diff(row: Row, example: Example, renderer: Renderer, dice: random.Random, options: Mapping[str, float]) -> Row:
    first = row.positions[0]
    right, wrong = row.ids[first:], answer_ids(renderer, example, str(example.meta.get("wrong", "")))
    wrong = wrong if right[-1] == wrong[-1] else wrong[:-1]  # both end their turn, or neither does
    masks = fault_masks(pieces(renderer, right), pieces(renderer, wrong)) if "wrong" in example.meta else FaultMasks((), ())
    differs = {first + index for index, marked in enumerate(masks.right) if marked}
    places = tuple(first + index for index, marked in enumerate(masks.wrong) if marked)
    rival = Row(id=f"{row.id} (wrong)", ids=(*row.ids[:first], *wrong), positions=places) if places else None
    fields = {**row.fields, "fault_mask": tuple(float(position in differs) for position in row.positions)}
    return replace(row, fields=fields, rival=rival)


def _differences(right: Sequence[str], wrong: Sequence[str]) -> Iterator[tuple[Range, Range]]:
    """Token ranges that stand for each other."""
    right_lines, wrong_lines = _lines(right), _lines(wrong)
    right_starts, wrong_starts = ([start for start, _ in lines] + [len(p)] for lines, p in ((right_lines, right), (wrong_lines, wrong)))
    texts = (["".join(program[a:b]) for a, b in lines] for program, lines in ((right, right_lines), (wrong, wrong_lines)))
    for i1, i2, j1, j2 in _changes(*texts):
        paired = min(i2 - i1, j2 - j1)
        for (a, b), (c, d) in zip(right_lines[i1 : i1 + paired], wrong_lines[j1 : j1 + paired], strict=True):
            yield from (((a + k1, a + k2), (c + l1, c + l2)) for k1, k2, l1, l2 in _changes(right[a:b], wrong[c:d]))
        if i2 - i1 != j2 - j1:
            yield (right_starts[i1 + paired], right_starts[i2]), (wrong_starts[j1 + paired], wrong_starts[j2])


def _changes(first: Sequence[str], second: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    opcodes = SequenceMatcher(None, first, second, autojunk=False).get_opcodes()
    return ((i1, i2, j1, j2) for tag, i1, i2, j1, j2 in opcodes if tag != "equal")


def _lines(tokens: Sequence[str]) -> list[Range]:
    ends = [index + 1 for index, token in enumerate(tokens) if "\n" in token or index + 1 == len(tokens)]
    return list(zip([0, *ends], ends, strict=False))


def _mark(mask: list[bool], where: Range) -> None:
    start, stop = where
    if start == stop:  # nothing of its own here: the token with which it goes on
        start, stop = min(start, len(mask) - 1), min(start, len(mask) - 1) + 1
    mask[max(start, 0) : stop] = [True] * (stop - max(start, 0))


fault_diff = Input(
    name="fault_diff",
    function=_fault_diff,
    provides=frozenset({"fault_mask", "fault_logp"}),
    measured=False,
    formula='fault_mask = 1 on tokens in which answer and meta["wrong"] differ; fault_logp = mean logp of the variant\'s own',
    source="objectives spec, 2 (FAIT; arXiv 2503.16913)",
)
