"""Where steps end: the last token of each line of a program or of each paragraph of a text.

Process reward models are labelled and read there; `objectives.credit.at_ends` lays labels or rewards on these tokens.
"""

from __future__ import annotations

from collections.abc import Sequence


def line_ends(tokens: Sequence[str]) -> tuple[int, ...]:
    """Index of the last token of each line that holds more than spaces. `tokens` are texts; one with a line break ends its line."""
    return _ends(tokens, "\n")


def paragraph_ends(tokens: Sequence[str]) -> tuple[int, ...]:
    """Index of the last token of each paragraph: paragraphs end at a blank line, however it is split into tokens."""
    return _ends(tokens, "\n\n")


def _ends(tokens: Sequence[str], separator: str) -> tuple[int, ...]:
    ends, text = [], ""
    for index, token in enumerate(tokens):
        text += token
        if separator in text or index + 1 == len(tokens):
            ends += [index] if text.strip() else []
            text = ""
    return tuple(ends)
