"""Programs as numbered lines: coloured Python, a full diff to the program that was repaired, findings at their lines.

Any text may come in, not only Python that parses: colours are found by one regular expression. Characters that would be
invisible or would reorder the line are made visible, so that what is read is what was written.
"""

from __future__ import annotations

import builtins
import difflib
import keyword
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from burnish.viewer.blocks import Mark

Range = tuple[int, int]


class Piece(NamedTuple):
    """A run of characters of one colour class; `changed` marks what differs inside a changed line."""

    text: str
    colour: str
    changed: bool = False


class ListingLine(NamedTuple):
    """One line. `sign` is `+`, `-` or empty; removed lines have no `number`. `marks` are the findings at this line."""

    number: int | None
    sign: str
    pieces: tuple[Piece, ...]
    marks: tuple[Mark, ...] = ()


class Listing(NamedTuple):
    """A program ready to draw. `general` holds the findings without a line of their own."""

    lines: tuple[ListingLine, ...]
    general: tuple[Mark, ...]
    is_diff: bool


_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)
      | (?P<string>\b[rbfuRBFU]{0,2}(?:\"\"\"[\s\S]*?(?:\"\"\"|\Z)|'''[\s\S]*?(?:'''|\Z)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?)
               |\"\"\"[\s\S]*?(?:\"\"\"|\Z)|'''[\s\S]*?(?:'''|\Z)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?)
      | (?P<defined>(?<=\bdef\ )\w+|(?<=\bclass\ )\w+)
      | (?P<number>\b\d[\w.]*)
      | (?P<name>\b[^\W\d]\w*)""",
    re.VERBOSE,
)
_KEYWORDS = frozenset(keyword.kwlist)
_BUILTINS = frozenset(name for name in dir(builtins) if not name.startswith("_"))
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
MAX_DIFF_LINES = 1000
"""Beyond this many lines on either side no diff is made: its cost grows with the product."""


def listing(code: str, before: str | None = None, marks: Iterable[Mark] = ()) -> Listing:
    """The lines of `code`, as a full diff against `before` if given, with `marks` under their lines (counted from 1)."""
    new = _coloured_lines(code)
    at: dict[int, list[Mark]] = {}
    for mark in marks:
        at.setdefault(mark.line if 1 <= mark.line <= len(new) else 0, []).append(mark)
    old = _coloured_lines(before or "")
    comparable = before is not None and max(len(old), len(new)) <= MAX_DIFF_LINES
    lines = _diff(old, new) if comparable else _plain(new)
    marked = tuple(line._replace(marks=tuple(at.get(line.number or -1, ()))) for line in lines)
    return Listing(marked, tuple(at.get(0, ())), any(line.sign for line in marked))


def coloured(code: str) -> Iterator[Piece]:
    """`code` in runs of one colour class (`keyword`, `string`, `comment`, `number`, `defined`, `builtin` or none)."""
    position = 0
    for match in _TOKEN.finditer(code):
        colour = match.lastgroup or ""
        if colour == "name":
            colour = "keyword" if match.group() in _KEYWORDS else "builtin" if match.group() in _BUILTINS else ""
        if not colour:
            continue
        if match.start() > position:
            yield Piece(code[position : match.start()], "")
        yield Piece(match.group(), colour)
        position = match.end()
    if position < len(code):
        yield Piece(code[position:], "")


def visible(text: str) -> str:
    """`text` with control, zero-width and direction-changing characters written as `⟨U+202E⟩`."""
    return _UNSEEN.sub(lambda match: f"⟨U+{ord(match.group()):04X}⟩", text)


def _coloured_lines(code: str) -> list[tuple[Piece, ...]]:
    lines: list[list[Piece]] = [[]]
    for text, colour, _ in coloured(visible(code.replace("\r\n", "\n").rstrip("\n"))):
        first, *others = text.split("\n")
        lines[-1].append(Piece(first, colour))
        lines.extend([Piece(other, colour)] for other in others)
    return [tuple(piece for piece in line if piece.text) for line in lines] if code.strip() else []


def _plain(lines: Iterable[tuple[Piece, ...]]) -> Iterator[ListingLine]:
    return (ListingLine(number, "", pieces) for number, pieces in enumerate(lines, 1))


def _diff(old: Sequence[tuple[Piece, ...]], new: Sequence[tuple[Piece, ...]]) -> Iterator[ListingLine]:
    old_text, new_text = (["".join(piece.text for piece in line) for line in lines] for lines in (old, new))
    for op, a, b, c, d in difflib.SequenceMatcher(None, old_text, new_text, autojunk=False).get_opcodes():
        if op == "equal":
            yield from (ListingLine(number + 1, "", new[number]) for number in range(c, d))
            continue
        paired = b - a == d - c
        ranges = [_changed(old_text[a + i], new_text[c + i]) for i in range(d - c)] if paired else []
        for i in range(b - a):
            yield ListingLine(None, "-", _split(old[a + i], ranges[i][0]) if paired else old[a + i])
        for i in range(d - c):
            yield ListingLine(c + i + 1, "+", _split(new[c + i], ranges[i][1]) if paired else new[c + i])


def _changed(old: str, new: str) -> tuple[Range, Range]:
    """The ranges left after cutting off the common beginning and end; nothing is marked if most of the line changed."""
    shortest = min(len(old), len(new))
    head = next((i for i in range(shortest) if old[i] != new[i]), shortest)
    tail = next((i for i in range(shortest - head) if old[-1 - i] != new[-1 - i]), shortest - head)
    if head + tail < shortest / 2:
        return (0, 0), (0, 0)
    return (head, len(old) - tail), (head, len(new) - tail)


def _split(pieces: Iterable[Piece], changed: Range) -> tuple[Piece, ...]:
    """Cut pieces at the borders of the changed range and mark those inside."""
    parts, position = [], 0
    for text, colour, _ in pieces:
        cuts = [0, *(min(max(edge - position, 0), len(text)) for edge in changed), len(text)]
        parts += [Piece(text[cuts[i] : cuts[i + 1]], colour, i == 1) for i in range(3)]
        position += len(text)
    return tuple(part for part in parts if part.text)
