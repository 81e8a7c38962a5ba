"""A place in the program is the same characters in the reply."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.core.records import Attempt, SourceSpan
from burnish.text.code import extract_code, spans_of
from burnish.text.places import in_attempt, line_starts, moved


def span(start, end):
    return SourceSpan(start=start, end=end, line=1, col=0, end_line=1, end_col=0)


def test_lines_end_in_three_ways():
    assert line_starts("a\r\nb\rc\nd") == [0, 3, 5, 7]
    assert line_starts("\x0b\x0c\u2028") == [0]


def test_a_span_is_moved_to_its_lines_and_columns():
    found = moved(span(2, 5), "é\r\n\tab\ncd", 2)
    assert (found.start, found.end) == (4, 7)
    assert (found.line, found.col, found.end_line, found.end_col) == (2, 1, 3, 0)


def test_what_lies_outside_the_text_has_no_place():
    assert moved(span(0, 3), "text", -4) is None
    assert moved(span(4, 6), "text", -4).start == 0
    assert moved(span(3, 9), "text", 0) is None


def attempt(text, name=None):
    code = extract_code(text, name)
    return Attempt(id="a", task_id="t", op="sample", messages=(), text=text, spans=spans_of(text, code)), code


@given(st.text(alphabet="é\t\r\n漢 x", max_size=20), st.text(alphabet="é\t\r\n漢 x", min_size=1, max_size=20), st.data())
def test_the_characters_are_the_same(before, program, data):
    replied, code = attempt(f"{before}\n```python\n{program}x\n```\nbye")
    start = data.draw(st.integers(0, len(code.text)))
    end = data.draw(st.integers(start, len(code.text)))
    found = in_attempt(replied, span(start, end))
    assert replied.text[found.start : found.end] == code.text[start:end]
    assert line_starts(replied.text)[found.line - 1] + found.col == found.start
    assert line_starts(replied.text)[found.end_line - 1] + found.end_col == found.end


def test_a_reply_without_a_program_has_no_places():
    assert in_attempt(attempt("no")[0], span(0, 0)) is None


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_fence_closes_whatever_ends_its_line(ending):
    text = ending.join(["Look:", "```python", "def f(): ...", "```", "Done.", ""])
    assert extract_code(text).text == f"def f(): ...{ending}"
