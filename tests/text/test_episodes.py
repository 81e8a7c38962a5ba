"""Paragraphs and episodes of a train of thought."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.text.episodes import OPENINGS, episodes, paragraphs


def thought(*openings: str) -> str:
    return "\n\n".join(f"{opening} …" for opening in openings)


def test_paragraphs_keep_every_character() -> None:
    assert paragraphs("a\nb\n\n  \nc\n \nd") == ["a\nb\n\n  \n", "c\n \n", "d"]
    assert paragraphs("") == []


@pytest.mark.parametrize("opening", ["Wait", "But wait", "alternatively", "Is there another way", "But let me double-check", "But hold on"])
def test_a_new_start_opens_an_episode(opening) -> None:
    got = episodes(thought("First", "so", "then", opening, "hence"))
    assert [len(paragraphs(episode)) for episode in got] == [3, 2]
    assert got[1].startswith(opening)


def test_a_start_right_after_another_does_not_count() -> None:
    text = thought("First", "so", "then", "Wait", "Wait", "But wait", "Wait", "end")
    assert [len(paragraphs(episode)) for episode in episodes(text)] == [3, 3, 2]
    assert len(episodes(thought("First", "Wait", "Wait"))) == 2
    assert len(episodes(thought("Wait", "so"))) == 1


def test_at_most_fifty_episodes_and_merged_ones() -> None:
    text = thought(*["Wait", "so", "then"] * 80)
    assert len(episodes(text)) == 50
    merged = episodes(text, merge=5)
    assert len(merged) == 10
    assert [len(paragraphs(episode)) for episode in merged] == [15] * 9 + [240 - 135]


@given(st.lists(st.sampled_from([*OPENINGS, "so", "\n", " \n\n"]), max_size=30), st.integers(1, 6))
def test_joined_they_are_the_text(parts, merge) -> None:
    text = "\n\n".join(parts)
    assert "".join(episodes(text, merge=merge)) == text
    assert "".join(paragraphs(text)) == text
