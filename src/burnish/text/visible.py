"""Text from outside made safe to store, to print and to show to a model: bounded, and nothing in it is invisible.

Control characters, direction marks, zero-width characters, variation selectors, lone surrogates and digits that only look
like `0` to `9` become escapes such as `\\u202e`. Line feeds and tabs stay.
"""

from __future__ import annotations

SHOWN = 500
"""Longest text that is shown of one value, in characters before escaping."""

_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
"""Characters that print as nothing although Unicode counts them as printable."""


def clean(text: str, limit: int = SHOWN) -> str:
    """`text` cut to `limit` characters, with whatever does not show as what it is escaped."""
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _is_plain(char) else char.encode("unicode_escape").decode() for char in text)


def _is_plain(char: str) -> bool:
    if char.isascii():
        return char.isprintable() or char in "\n\t"
    is_selector = "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"
    return char.isprintable() and not char.isdecimal() and not is_selector and char not in _BLANK
