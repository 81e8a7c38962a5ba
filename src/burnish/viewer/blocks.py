"""The blocks that a page is made of: frozen records that say what is shown, not how.

A page is a sequence of blocks (`page.render_page`). Each block has one template of its own name in `templates/blocks/`; a
new kind of block is one record here and one template there. All text is plain text and is escaped when it is rendered.
Figures are honest by construction: whoever gives an interval must name it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from burnish.core.errors import InputError
from burnish.core.records import Record, Severity

Style = Literal["number", "percent", "points"]
"""How a number is written: 0.25 as `0.25`, as `25.0%`, or (a difference of two shares) as `+25.0 points`."""


class Estimate(Record):
    """A measured value with its interval, if it has one. A value that is not finite is shown as a dash: not measured."""

    value: float
    low: float | None = None
    high: float | None = None
    style: Style = "percent"


Cell = str | int | float | Estimate | None
"""What a table cell or a tile holds. None is shown as a dash: not measured."""


class Prose(Record):
    """Plain paragraphs, separated by blank lines."""

    text: str
    heading: str = ""


class Notice(Record):
    """A banner that the reader must not miss, such as "thin run: 8 tasks, one seed"."""

    text: str


class Fact(Record):
    """One tile: a large value with what it is and, in small type, what it rests on."""

    label: str
    value: Cell
    note: str = ""


class Facts(Record):
    """A row of tiles."""

    facts: tuple[Fact, ...]
    heading: str = ""
    interval: str = ""

    def __post_init__(self) -> None:
        _need_interval_name(self.heading or "Facts", self.interval, (fact.value for fact in self.facts))


class Table(Record):
    """A table. `interval` names the intervals of its estimates, for example "95% bootstrap over 50 tasks"."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    heading: str = ""
    interval: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise InputError(f"Table {self.heading!r}: row {row!r} has {len(row)} cells for {len(self.columns)} columns.")
        _need_interval_name(self.heading, self.interval, (cell for row in self.rows for cell in row))


class Point(Record):
    """One point of a curve, with the interval of `y` if it has one. A point whose `y` is not finite breaks the line."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


class Series(Record):
    """One named line."""

    name: str
    points: tuple[Point, ...]


class Curves(Record):
    """A line chart. The y axis begins at zero if `from_zero`, else near the smallest value."""

    heading: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    style: Style = "number"
    from_zero: bool = False
    interval: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        _need_interval_name(self.heading, self.interval, (point for line in self.series for point in line.points))


class Bar(Record):
    """One bar, with its interval if it has one."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None


class Bars(Record):
    """Horizontal bars from zero, in the order given."""

    heading: str
    bars: tuple[Bar, ...]
    style: Style = "percent"
    interval: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        _need_interval_name(self.heading, self.interval, self.bars)


class Change(Record):
    """One item measured twice; both values are shares in [0, 1]."""

    label: str
    before: float
    after: float


class Changes(Record):
    """Before and after per item, largest gain first; items that did not change are only counted."""

    heading: str
    changes: tuple[Change, ...]
    before: str = "before"
    after: str = "after"
    note: str = ""


class Mark(Record):
    """A finding at a line (from 1) of a program; line 0 means the program as a whole."""

    line: int
    text: str
    severity: Severity = "error"


class CheckLine(Record):
    """The outcome of one check. `asked` is the check in words of the language, such as `add(1, 2) == 3`."""

    name: str
    outcome: str
    hidden: bool = False
    asked: str = ""
    actual: str = ""
    message: str = ""


class Token(Record, array_like=True):
    """A token that was sampled, with what is known about it; None where the run has no such figure.

    `logprob` is natural, under the sampler; `difference` is the trainer's minus the sampler's; `advantage` is what it learned with.
    """

    text: str
    logprob: float | None = None
    difference: float | None = None
    advantage: float | None = None


class SpanLine(Record):
    """A labelled part of a reply: its reward, if it had one of its own, and means over its tokens, if they are known."""

    kind: str
    text: str
    tokens: int = 0
    reward: float | None = None
    advantage: float | None = None
    logprob: float | None = None


class Turn(Record):
    """One attempt as it is shown: what the model was told, what it wrote, and what the judge said.

    `before` is the program it repairs, shown as a diff. `text` is the whole reply, kept behind a click. `depth` counts the
    branchings above it: a chain of repairs stays flush, only alternatives are indented. `group` names the run, where there are two.
    """

    title: str
    code: str
    id: str = ""
    group: str = ""
    handed_in: bool = False
    visible: str = ""
    hidden: str = ""
    prompt: str = ""
    feedback: str = ""
    explanation: str = ""
    text: str = ""
    before: str | None = None
    marks: tuple[Mark, ...] = ()
    checks: tuple[CheckLine, ...] = ()
    facts: tuple[str, ...] = ()
    spans: tuple[SpanLine, ...] = ()
    tokens: tuple[Token, ...] = ()
    depth: int = 0


class Lesson(Record):
    """One training example made from a story: the prompt, and the turn whose tokens carry the loss."""

    kind: str
    prompt: str
    target: str


class Story(Record):
    """A task, the forest of its attempts (each before its repairs), and what was trained from them.

    Stories are embedded compressed (`archive`) and drawn by the page's script.
    """

    heading: str
    problem: str
    turns: tuple[Turn, ...]
    lessons: tuple[Lesson, ...] = ()
    note: str = ""


class TaskEntry(Record):
    """One line of a task list with the story behind it. `tags` are what the list can be filtered by."""

    id: str
    summary: str
    story: Story
    tags: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()


class TaskList(Record):
    """A list with search, filters and keyboard, in a view of its own; a page has at most one. Each task opens its story."""

    heading: str
    entries: tuple[TaskEntry, ...]
    filters: tuple[str, ...] = ()
    note: str = ""


Block = Prose | Notice | Facts | Table | Curves | Bars | Changes | Story | TaskList


def _need_interval_name(heading: str, interval: str, values: Iterable[Cell | Point | Bar]) -> None:
    has_interval = any(isinstance(value, Estimate | Point | Bar) and value.low is not None for value in values)
    if has_interval and not interval:
        raise InputError(f"{heading!r} shows intervals but does not name them. Set interval='95% bootstrap over N tasks' or the like.")
