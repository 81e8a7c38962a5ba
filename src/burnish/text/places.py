"""Places in text: from the program that was judged back to the text that the model wrote.

Verifiers point at the artefact. It is an exact range of the attempt's text, or was put behind text of the task's own; either
way a place in it is the same characters at another offset. Lines end as in Python's tokenizer: `\\n`, `\\r\\n` or `\\r`.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from burnish.core.records import Attempt, SourceSpan

_LINE_END = re.compile(r"\r\n|\r|\n")


def line_starts(text: str) -> list[int]:
    """Where each line begins, in characters."""
    return [0, *(match.end() for match in _LINE_END.finditer(text))]


def moved(span: SourceSpan, text: str, offset: int) -> SourceSpan | None:
    """The same characters in `text`, where the program begins at character `offset`; None if they are not in it.

    The offset is negative where the program is some prefix followed by `text`: then it is minus the prefix's length.
    """
    start, end = span.start + offset, span.end + offset
    if not 0 <= start <= end <= len(text):
        return None
    starts = line_starts(text)
    line, end_line = bisect_right(starts, start), bisect_right(starts, end)
    return SourceSpan(start=start, end=end, line=line, col=start - starts[line - 1], end_line=end_line, end_col=end - starts[end_line - 1])


def in_attempt(attempt: Attempt, span: SourceSpan) -> SourceSpan | None:
    """The place in the attempt's whole text of a diagnostic's span; None if the attempt has no program."""
    code = next((part for part in attempt.spans if part.kind == "code"), None)
    return moved(span, attempt.text, code.start) if code else None
