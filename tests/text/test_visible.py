"""Nothing that reaches a reader is invisible."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.text.visible import SHOWN, clean


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text\n\tand more", "plain text\n\tand more"),
        ("é 漢字 → 😀", "é 漢字 → 😀"),
        ("a\x00b\x1b[31m\r\x7f", "a\\x00b\\x1b[31m\\r\\x7f"),
        ("user\u202etxt.exe", "user\\u202etxt.exe"),
        ("\u2066a\u2069\u200f", "\\u2066a\\u2069\\u200f"),
        ("ze\u200bro\u200d\ufeff\u2060", "ze\\u200bro\\u200d\\ufeff\\u2060"),
        ("\ud800", "\\ud800"),
        ("\U000e0041\U000e0100\ufe0f", "\\U000e0041\\U000e0100\\ufe0f"),
        ("1\u0661\uff11", "1\\u0661\\uff11"),
        ("a\xa0b\u2028c\u3164\u2800", "a\\xa0b\\u2028c\\u3164\\u2800"),
    ],
)
def test_what_does_not_show_is_escaped(text, shown):
    assert clean(text) == shown
    assert clean(shown) == shown


@given(st.text(st.characters(exclude_categories=())))
def test_clean_text_is_visible_storable_and_bounded(text):
    shown = clean(text)
    shown.encode()
    assert clean(shown, len(shown)) == shown
    assert len(shown) <= 10 * SHOWN
    assert all(char.isprintable() or char in "\n\t" for char in shown)


def test_long_text_is_cut():
    assert clean("x" * 1000) == "x" * (SHOWN - 1) + "…"
    assert clean("abc", 2) == "a…"
