"""Episodes of a written train of thought: stretches between the places where the writer starts anew (MRT).

Which openings count as a new start follows the authors' code. Source: objectives spec, 2 (MRT; arXiv 2503.07572).
"""

from __future__ import annotations

import re
from itertools import pairwise

OPENINGS = ("wait", "but wait", "alternatively", "is there another way", "but let me double-check", "but hold on")
"""Beginnings of a paragraph that starts a new attempt, in any case of letters."""

SHORTEST = 2
"""A new start at most this many paragraphs after the last one does not count."""

MOST = 49
"""Most new starts of one text; what follows belongs to the last episode."""


def paragraphs(text: str) -> list[str]:
    """The text cut after its blank lines. Joined, the pieces are the text again."""
    ends = [match.end() for match in re.finditer(r"\n[ \t]*\n\s*", text)]
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True) if start < end]


def episodes(text: str, *, merge: int = 1) -> list[str]:
    """The text cut before each new start, `merge` episodes at a time (5 in the authors' code). Joined they are the text again."""
    pieces, starts = paragraphs(text), list[int]()
    for number, piece in enumerate(pieces):
        new = number > 0 and piece.lstrip().lower().startswith(OPENINGS)
        if new and len(starts) < MOST and (not starts or number - starts[-1] > SHORTEST):
            starts.append(number)
    cuts = [*[0, *starts][::merge], len(pieces)]
    return ["".join(pieces[start:end]) for start, end in pairwise(cuts) if start < end]
