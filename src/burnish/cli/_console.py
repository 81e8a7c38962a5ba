"""The terminal: one progress style, one table style, JSON for machines. Progress goes to stderr, results to stdout.

Of several processes (`torchrun`) only the first shows anything.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from burnish.core.ranks import leads

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Update = Callable[[int, int, str], None]
"""`(done, total, note)`: how a long piece of work reports where it is."""


class _Rate(ProgressColumn):
    """Finished items per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.2f}/s" if speed else "-/s", style="dim")


@contextlib.contextmanager
def progress(title: str, *, quiet: bool = False) -> Iterator[Update]:
    """Show a progress bar with rate and time left; off a terminal, a line every tenth of the way."""
    if quiet or not leads():
        yield lambda done, total, note: None
        return
    if not err.is_terminal:
        yield _lines(title)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=err) as bar:
        task = bar.add_task(title, total=None, note="")
        yield lambda done, total, note: bar.update(task, completed=done, total=total, note=note)


def _lines(title: str) -> Update:
    shown, started = -1, time.monotonic()

    def update(done: int, total: int, note: str) -> None:
        nonlocal shown
        tenth = 10 * done // max(total, 1)
        if tenth > shown:
            shown = tenth
            speed = done / max(time.monotonic() - started, 1e-9)
            left = f", {(total - done) / speed:.0f} s left" if 0 < done < total else ""
            err.print(f"{title}: {done}/{total} {note} ({speed:.1f}/s{left})".replace("  ", " "))

    return update


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table to stdout."""
    if not leads():
        return
    view = Table(title=title, title_justify="left", title_style="bold")
    for index, name in enumerate(header):
        view.add_column(name, justify="left" if index == 0 else "right")
    for row in rows:
        view.add_row(*(str(cell) for cell in row))
    out.print(view)


def print_json(value: Any) -> None:
    """Print a record as one JSON document to stdout; a path is its text."""
    if not leads():
        return
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode() + "\n")
