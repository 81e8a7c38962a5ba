"""Text from outside, quoted as data: bounded, and unable to write a line of its own into a prompt."""

from __future__ import annotations

MAX_VALUE = 200
"""Longest quoted value, in characters."""


def one_line(value: str, limit: int = MAX_VALUE) -> str:
    """`value` on one line: line ends and invisible characters become escapes; what is too long loses its middle."""
    value = _visible(value)
    return value if len(value) <= limit else f"{value[: limit // 2]} … {value[-limit // 4 :]}"


def lines(text: str, limit: int, width: int = MAX_VALUE) -> str:
    """`text` line by line, each behind a bar, so that none can be taken for a line of the prompt; at most `limit` of them.

    Of more lines the first two thirds and the last third of `limit` are kept.
    """
    rows = text.splitlines()
    if len(rows) > limit:
        end = limit // 3
        rows = [*rows[: limit - end], f"… {len(rows) - limit} lines left out …", *rows[len(rows) - end :]]
    return "\n".join(f"| {one_line(row, width)}" for row in rows)


def _visible(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
