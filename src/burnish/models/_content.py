"""Which part of a rendered conversation is a message's own text, and which is the template's scaffold.

The template is rendered once more with a mark in place of each message. What stands between the marks is the scaffold; the
messages are what is left of the real text. Nothing is searched for by a message's words, which may also stand in a header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from burnish.core.errors import InputError

MARK = re.compile("\ue0b0\\d+\ue0b1")
"""A mark, between two private-use characters that no template writes."""


def mark(index: int) -> str:
    """The mark that stands for message number `index`."""
    return f"\ue0b0{index}\ue0b1"


def message_places(text: str, scaffold: Sequence[str], contents: Sequence[str]) -> list[tuple[int, int]]:
    """Half-open character ranges of the messages in `text`; `scaffold` is what stands before, between and after them.

    Templates may trim a message, or cut something off its beginning. Raises `InputError` if one does more than that.
    """
    if len(scaffold) != len(contents) + 1 or not text.startswith(scaffold[0]):
        raise InputError(UNRECOGNISED)
    places, cursor = [], len(scaffold[0])
    for content, after in zip(contents, scaffold[1:], strict=True):
        end = _end(text, cursor, content, after)
        places.append((cursor, end))
        cursor = end + len(after)
    if cursor != len(text):
        raise InputError(UNRECOGNISED)
    return places


UNRECOGNISED = (
    "The chat template does not show every message once, in order and as it is, so a message's own tokens cannot be told from the "
    "template's. Pass chat_template=… with a template that does."
)


def _end(text: str, cursor: int, content: str, after: str) -> int:
    """Where the message that starts at `cursor` ends: as written, trimmed, or else where the scaffold goes on."""
    for written in (content, content.strip(), content.lstrip(), content.rstrip()):
        if text.startswith(written + after, cursor):
            return cursor + len(written)
    end = text.find(after, cursor)
    if end < 0 or not content.rstrip().endswith(text[cursor:end].strip()):
        raise InputError(UNRECOGNISED)
    return end


def token_range(offsets: Iterable[tuple[int, int]], start: int, end: int) -> tuple[int, int]:
    """The half-open range of the tokens that lie wholly in the characters `[start, end)`; empty if there is none."""
    inside = [index for index, (first, last) in enumerate(offsets) if start <= first and last <= end and first < last]
    return (inside[0], inside[-1] + 1) if inside else (0, 0)
