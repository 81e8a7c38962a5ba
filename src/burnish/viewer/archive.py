"""The data of a page that is drawn only when it is asked for: stories and turns, in compressed chunks.

Each chunk is base64 of gzip of a JSON list, an alphabet that cannot end the script element that holds it. Opening a task unpacks
one chunk of stories and one of turns, however many attempts the page has. Colours and diffs are computed here, once.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from burnish.viewer.blocks import Mark, Story, TaskList, Turn
from burnish.viewer.listing import listing, visible

PER_CHUNK = 40
"""Stories, or turns, that are compressed together."""


class Archive:
    """Collects what a page shows while its templates are rendered; `chunks` then gives it packed."""

    def __init__(self) -> None:
        self._stories: list[Story] = []
        self._firsts: list[int] = []
        self._turns = 0
        self._index = ""

    def add(self, story: Story) -> int:
        """Keep a story. Returns its number, by which the page's script asks for it."""
        self._stories.append(story)
        self._firsts.append(self._turns)
        self._turns += len(story.turns)
        return len(self._stories) - 1

    def add_list(self, block: TaskList) -> None:
        """Keep the stories of a task list, and its lines as one chunk named `index`."""
        names = list(block.filters)
        rows = [
            (entry.id, entry.summary, [tag for tag in entry.tags if tag in names], " · ".join(entry.facts), self.add(entry.story))
            for entry in block.entries
        ]
        self._index = _packed(rows)

    def chunks(self) -> Iterator[tuple[str, str]]:
        """`(name, data)`: `index` if there is a list, `stories-0` …, `turns-0` …"""
        if self._index:
            yield "index", self._index
        stories = [_story_data(story, first) for story, first in zip(self._stories, self._firsts, strict=True)]
        yield from _parts("stories", stories)
        turns = [turn for story in self._stories for turn in story.turns]
        for number in range(0, len(turns), PER_CHUNK):
            yield f"turns-{number // PER_CHUNK}", _packed([_turn_data(turn) for turn in turns[number : number + PER_CHUNK]])


def _parts(name: str, rows: Sequence[Any]) -> Iterator[tuple[str, str]]:
    for number in range(0, len(rows), PER_CHUNK):
        yield f"{name}-{number // PER_CHUNK}", _packed(rows[number : number + PER_CHUNK])


def _packed(rows: Sequence[Any]) -> str:
    return base64.b64encode(gzip.compress(msgspec.json.encode(_readable(rows)), compresslevel=6, mtime=0)).decode()


def _readable(value: Any) -> Any:
    """`value` as JSON-like data with every text made visible: no control characters, nothing that reorders a line."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {key: _readable(item) for key, item in value.items()}
    return [_readable(item) for item in value] if isinstance(value, list | tuple) else value


def _story_data(story: Story, first: int) -> dict[str, Any]:
    """A story without what its turns hold: for each turn only its line in the forest. `first` is the number of its first turn."""
    lines = [(turn.title, turn.depth, turn.visible, turn.hidden, turn.handed_in, turn.group, turn.id) for turn in story.turns]
    lessons = [msgspec.to_builtins(lesson) for lesson in story.lessons]
    return {"problem": story.problem, "note": story.note, "first": first, "turns": lines, "lessons": lessons}


def _turn_data(turn: Turn) -> dict[str, Any]:
    """All of a turn; of its program the lines ready to draw: number, sign, pieces of one colour, findings."""
    shown = listing(turn.code, turn.before, turn.marks)
    lines = [(line.number, line.sign, [tuple(piece) for piece in line.pieces], _marks(line.marks)) for line in shown.lines]
    hidden = ("code", "before", "marks", "depth", "group")
    rest = {name: value for name, value in msgspec.to_builtins(turn).items() if name not in hidden}
    return rest | {"lines": lines, "general": _marks(shown.general), "is_diff": shown.is_diff, "repairs": turn.before is not None}


def _marks(marks: Sequence[Mark]) -> list[tuple[str, str]]:
    return [(mark.severity, mark.text) for mark in marks]
