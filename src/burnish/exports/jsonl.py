"""A run as four files of JSON lines (tasks, attempts, verdicts, episodes), and back.

For version control and for moving records between runs. Metrics and events stay behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from burnish.core.records import Attempt, Episode, Record, Task, Verdict, View
from burnish.store.jsonl import read_records, write_records
from burnish.store.runs import VIEWS, RunStore


class Judgement(Record):
    """A line of `verdicts.jsonl`: which attempt was judged, by which checks, and the verdict."""

    attempt_id: str
    view: View
    verdict: Verdict


def jsonl(store: RunStore, out: Path) -> dict[str, int]:
    """Write the run's records to `out` and return how many each file holds. Superseded records are left out."""
    contents: dict[str, Iterable[Record]] = {
        "tasks.jsonl": store.tasks(),
        "attempts.jsonl": store.attempts(),
        "verdicts.jsonl": _judgements(store),
        "episodes.jsonl": store.episodes(),
    }
    return {name: write_records(out / name, records) for name, records in contents.items()}


def read_jsonl(folder: Path, store: RunStore) -> None:
    """Add the records of `folder` (as `jsonl` writes them) to `store`: all, or none if any line or id is wrong.

    Raises `InputError` with `file:line`, or `StoreError` where a different record has the same id.
    """
    with store.batch():
        store.add_tasks(read_records(folder / "tasks.jsonl", Task))
        for attempt in read_records(folder / "attempts.jsonl", Attempt):
            store.add_attempt(attempt)
        for row in read_records(folder / "verdicts.jsonl", Judgement):
            store.add_verdict(row.attempt_id, row.view, row.verdict)
        for episode in read_records(folder / "episodes.jsonl", Episode):
            store.add_episode(episode)


def _judgements(store: RunStore) -> Iterator[Judgement]:
    for view in VIEWS:
        for attempt_id, verdict in store.verdicts(view).items():
            yield Judgement(attempt_id=attempt_id, view=view, verdict=verdict)
