import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.viewer.blocks import Mark
from burnish.viewer.listing import MAX_DIFF_LINES, coloured, listing, visible

CODE = st.text(st.sampled_from("ab \"'#\\\n1.()=:\r\t") | st.characters(), max_size=60)


def text_of(lines):
    return ["".join(piece.text for piece in line.pieces) for line in lines]


def expected_lines(code):
    return visible(code.replace("\r\n", "\n").rstrip("\n")).split("\n") if code.strip() else []


@given(CODE)
def test_colouring_keeps_every_character(code):
    assert "".join(piece.text for piece in coloured(code)) == code


@given(CODE, CODE)
def test_a_diff_holds_both_programs(before, code):
    lines = listing(code, before).lines
    assert text_of(line for line in lines if line.sign != "-") == expected_lines(code)
    assert text_of(line for line in lines if line.sign != "+") == expected_lines(before)
    numbers = [line.number for line in lines if line.sign != "-"]
    assert numbers == list(range(1, len(numbers) + 1))


def test_python_is_coloured():
    pieces = [(piece.text, piece.colour) for piece in coloured('def f(x):  # why\n    return len("a") + 0x1F')]
    assert [piece for piece in pieces if piece[1]] == [
        ("def", "keyword"),
        ("f", "defined"),
        ("# why", "comment"),
        ("return", "keyword"),
        ("len", "builtin"),
        ('"a"', "string"),
        ("0x1F", "number"),
    ]


def test_a_string_over_lines_is_a_string_on_each():
    assert [line.pieces[-1].colour for line in listing('x = """a\nb"""').lines] == ["string", "string"]


def test_what_changed_inside_a_line_is_marked():
    old, new = listing("total = 1.0", "total = 0.0").lines
    assert (old.sign, new.sign) == ("-", "+")
    assert [piece.text for piece in old.pieces if piece.changed] == ["0"]
    assert [piece.text for piece in new.pieces if piece.changed] == ["1"]


def test_a_line_written_anew_is_not_marked_in_parts():
    assert not any(piece.changed for line in listing("return a", "x = 12345").lines for piece in line.pieces)


def test_findings_stand_at_their_line_or_above_all():
    found = [Mark(line=2, text="here"), Mark(line=0, text="whole"), Mark(line=9, text="beyond")]
    shown = listing("a\nb", marks=found)
    assert [[mark.text for mark in line.marks] for line in shown.lines] == [[], ["here"]]
    assert [mark.text for mark in shown.general] == ["whole", "beyond"]


def test_findings_follow_the_new_program_in_a_diff():
    lines = listing("new\nb", "old\nb", [Mark(line=1, text="here")]).lines
    assert [(line.sign, len(line.marks)) for line in lines] == [("-", 0), ("+", 1), ("", 0)]


@pytest.mark.parametrize(("code", "lines"), [("", 0), ("\n\n", 0), ("a", 1), ("a\n", 1), ("a\r\nb\r\n", 2)])
def test_edges(code, lines):
    assert len(listing(code).lines) == lines


def test_the_same_program_is_no_diff():
    assert not listing("a\nb", "a\nb").is_diff
    assert listing("a", "").is_diff


def test_huge_programs_are_not_compared():
    assert not listing("a\n" * (MAX_DIFF_LINES + 1), "b").is_diff


def test_characters_that_lie_are_shown():
    assert visible("a\u202eb\x00\u200b") == "a⟨U+202E⟩b⟨U+0000⟩⟨U+200B⟩"
    assert visible("tab\tline\nümlaut 漢字 🙂") == "tab\tline\nümlaut 漢字 🙂"
