"""The run store: tasks, attempts, verdicts, episodes, metrics and events of one run, in one append-only SQLite file.

A run folder holds `run.sqlite` and whatever else belongs to the run (checkpoints, a report). Every add is one
transaction, so a run that is killed keeps all that was added. Adding an identical record again does nothing; a different
record under a used id is refused, except that a verdict or an episode of status `error` may be followed by a better one.
One process writes, any number read meanwhile, from any thread.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TypeVar

import msgspec

from burnish.core.errors import InputError, StoreError
from burnish.core.records import SCHEMA, Attempt, Episode, Record, Task, Verdict, View
from burnish.store import _database, _lock
from burnish.store.labels import label_of

VIEWS: tuple[View, ...] = ("visible", "hidden", "all")
"""All views, in the order in which the parts of a label are merged."""

FILE_NAME = "run.sqlite"
_PAGE = 500
_encoder = msgspec.msgpack.Encoder()
T = TypeVar("T")


class RunStore:
    """One run. Make it with `RunStore.create` or `RunStore.open`; close it by `close()` or a `with` block."""

    def __init__(self, folder: Path, connection: sqlite3.Connection, lock: IO[str] | None) -> None:
        self.folder = folder
        self.path = folder / FILE_NAME
        self._connection = connection
        self._writer_lock = lock
        self._mutex = threading.RLock()

    @classmethod
    def create(cls, folder: Path | str, manifest: dict[str, Any]) -> RunStore:
        """Start a run in `folder` (made if needed) for writing. `manifest` says what the run is: any JSON-like values.

        Raises `StoreError` if the folder holds a run already, cannot be written, or is in use.
        """
        folder = Path(folder)
        with _database.translated(folder):
            folder.mkdir(parents=True, exist_ok=True)
        store = cls._connect(folder, write=True)
        try:
            with store._transaction():
                with _database.translated(store.path):
                    if not _database.is_empty(store._connection):
                        raise StoreError(f"{folder} already holds a run. Resume it, or choose another folder.")
                    _database.create_table(store._connection)
                store._insert("manifest", "", manifest)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def open(cls, folder: Path | str, *, write: bool = False) -> RunStore:
        """Open the run in `folder`, for reading unless `write`.

        Raises `StoreError` if there is none, it is damaged, newer than this version, or written by another process.
        """
        folder = Path(folder)
        path = folder / FILE_NAME
        if not path.is_file():
            below = sorted(str(file.parent) for depth in ("*", "*/*") for file in folder.glob(f"{depth}/{FILE_NAME}"))
            mend = f"Runs below it: {len(below)}, for example {below[0]}." if below else "Give a run's folder, or start one there."
            raise StoreError(f"There is no run in {folder}: {FILE_NAME} is missing. {mend}")
        store = cls._connect(folder, write=write)
        try:
            with _database.translated(path):
                _database.check_layout(store._connection, path)
            store.manifest  # noqa: B018 - a run without a readable manifest is not usable
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def _connect(cls, folder: Path, *, write: bool) -> RunStore:
        with _database.translated(folder / FILE_NAME):
            lock = _lock.acquire(folder / "run.lock") if write else None
            try:
                return cls(folder, _database.connect(folder / FILE_NAME, write=write), lock)
            except BaseException:
                if lock:
                    lock.close()
                raise

    def close(self) -> None:
        """Close the file and give the writer's lock back. Closing twice is fine."""
        with self._mutex:
            self._connection.close()
            if self._writer_lock:
                self._writer_lock.close()

    def __enter__(self) -> RunStore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def manifest(self) -> dict[str, Any]:
        """What the run is, as given to `create`."""
        return self._last("manifest", "", dict[str, Any]) or {}

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Make all adds inside the block one transaction: faster for many, and all or nothing."""
        with self._transaction():
            yield

    def add_tasks(self, tasks: Iterable[Task]) -> None:
        """Add tasks, all or none. Raises `StoreError` if an id is already used for a different task."""
        with self._transaction():
            for task in tasks:
                self._add("task", task.id, task, task_id=task.id)

    def tasks(self) -> list[Task]:
        """All tasks, in the order of adding."""
        return list(self._read("task", Task))

    def add_attempt(self, attempt: Attempt) -> None:
        """Add an attempt. Raises `StoreError` if its id is already used for a different one."""
        self._add("attempt", attempt.id, attempt, task_id=attempt.task_id, episode_id=attempt.episode_id)

    def attempt(self, attempt_id: str) -> Attempt | None:
        """The attempt of this id, or None."""
        return self._last("attempt", attempt_id, Attempt)

    def attempts(self, task_id: str | None = None, episode_id: str | None = None) -> Iterator[Attempt]:
        """Attempts in the order of adding, of one task or episode if given; those added after the call do not appear."""
        return self._read("attempt", Attempt, task_id=task_id, episode_id=episode_id)

    def add_verdict(self, attempt_id: str, view: View, verdict: Verdict) -> None:
        """Add the verdict on an attempt over one view of its checks. Raises `StoreError` if a settled one differs."""
        self._add(f"verdict.{view}", attempt_id, verdict)

    def verdict(self, attempt_id: str, view: View) -> Verdict | None:
        """The last verdict on an attempt over one view, or None if it was not judged."""
        return self._last(f"verdict.{view}", attempt_id, Verdict)

    def verdicts(self, view: View) -> dict[str, Verdict]:
        """Attempt id → its last verdict over one view, in the order of first adding."""
        return dict(self._read_keyed(f"verdict.{view}", Verdict))

    def label(self, attempt_id: str) -> Verdict:
        """The verdict on an attempt over all checks of its task; `unknown` where any part was not judged. See `store.labels`."""
        rows = self._execute("SELECT task_id FROM records WHERE kind = 'attempt' AND key = ?", (attempt_id,))
        task = self._last("task", rows[0][0], Task) if rows else None
        return label_of(task, *(self.verdict(attempt_id, view) for view in VIEWS)) if task else Verdict.of(())

    def labels(self) -> dict[str, Verdict]:
        """Attempt id → its label, for all attempts of known tasks, in the order of adding."""
        tasks = {task.id: task for task in self.tasks()}
        verdicts = [self.verdicts(view) for view in VIEWS]
        owners = self._execute("SELECT key, task_id FROM records WHERE kind = 'attempt' ORDER BY seq")
        return {key: label_of(tasks[task_id], *(view.get(key) for view in verdicts)) for key, task_id in owners if task_id in tasks}

    def add_episode(self, episode: Episode) -> None:
        """Add a finished episode. Raises `StoreError` if a different one of its id ended other than by `error`."""
        self._add("episode", episode.id, episode, task_id=episode.task_id, episode_id=episode.id)

    def episodes(self) -> list[Episode]:
        """The last record of every episode, in the order of first adding."""
        return list(dict(self._read_keyed("episode", Episode)).values())

    def add_metrics(self, series: str, step: int, values: dict[str, float]) -> None:
        """Add the numbers of one step of a series (`train`, `eval` …)."""
        self._insert("metrics", series, (step, values))

    def metrics(self, series: str) -> list[tuple[int, dict[str, float]]]:
        """`(step, values)` of a series by step; of a step that was redone after a resume, the last."""
        return sorted(dict(self._read("metrics", tuple[int, dict[str, float]], key=series)).items())

    def metric_series(self) -> list[str]:
        """Names of all series that have metrics, in the order of first adding."""
        return [name for (name,) in self._execute("SELECT key FROM records WHERE kind = 'metrics' GROUP BY key ORDER BY min(seq)")]

    def add_event(self, kind: str, data: dict[str, Any]) -> None:
        """Note something that happened: any JSON-like values under a kind of your own."""
        self._insert("event", kind, data)

    def events(self, kind: str) -> list[dict[str, Any]]:
        """All events of a kind, in the order of adding."""
        return list(self._read("event", dict[str, Any], key=kind))

    def _add(self, kind: str, key: str, record: Record, *, task_id: str = "", episode_id: str = "") -> None:
        with self._transaction():
            earlier = self._last(kind, key, type(record))
            if earlier is None or (getattr(earlier, "status", "") == "error" and not _same(earlier, record)):
                self._insert(kind, key, record, task_id=task_id, episode_id=episode_id)
            elif not _same(earlier, record):
                raise StoreError(f"{self.path} already has a different {kind} {key!r}. Records never change; give the new one its own id.")

    def _insert(self, kind: str, key: str, value: object, *, task_id: str = "", episode_id: str = "") -> None:
        row = (kind, key, task_id, episode_id, SCHEMA, _encode(kind, key, value))
        with self._transaction():
            self._execute("INSERT INTO records (kind, key, task_id, episode_id, schema, data) VALUES (?, ?, ?, ?, ?, ?)", row)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One transaction, or a part of the one that is open. Rolls back on any exception."""
        if self._writer_lock is None:
            raise StoreError(f"{self.path} is open for reading only. Open it with RunStore.open(folder, write=True).")
        if self._writer_lock.closed:
            raise StoreError(f"{self.path} was closed. Open it again with RunStore.open(folder, write=True).")
        with self._mutex:
            if self._connection.in_transaction:
                yield
                return
            self._execute("BEGIN IMMEDIATE")
            try:
                yield
                self._execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._execute("ROLLBACK")

    def _execute(self, sql: str, values: Iterable[object] = ()) -> list[tuple[Any, ...]]:
        with self._mutex, _database.translated(self.path):
            return self._connection.execute(sql, tuple(values)).fetchall()

    def _last(self, kind: str, key: str, of: type[T]) -> T | None:
        rows = self._execute("SELECT schema, data FROM records WHERE kind = ? AND key = ? ORDER BY seq DESC LIMIT 1", (kind, key))
        return self._decode(rows[0][0], rows[0][1], of) if rows else None

    def _read(self, kind: str, of: type[T], **filters: str | None) -> Iterator[T]:
        return (self._decode(schema, data, of) for _, schema, data in self._rows(kind, filters))

    def _read_keyed(self, kind: str, of: type[T]) -> Iterator[tuple[str, T]]:
        return ((key, self._decode(schema, data, of)) for key, schema, data in self._rows(kind, {}))

    def _rows(self, kind: str, filters: dict[str, str | None]) -> Iterator[tuple[str, int, bytes]]:
        """Pages instead of one long cursor: a slow reader must not keep the writer's log from being folded in."""
        given = {name: value for name, value in filters.items() if value is not None}
        where = "".join(f" AND {name} = ? AND {name} <> ''" if name.endswith("_id") else f" AND {name} = ?" for name in given)
        last = self._execute("SELECT coalesce(max(seq), 0) FROM records")[0][0]
        sql = f"SELECT seq, key, schema, data FROM records WHERE kind = ?{where} AND seq > ? AND seq <= ? ORDER BY seq LIMIT {_PAGE}"
        return self._pages(sql, [kind, *given.values()], last)

    def _pages(self, sql: str, values: list[str], last: int) -> Iterator[tuple[str, int, bytes]]:
        page: list[tuple[Any, ...]] = [(0,)]
        while page := self._execute(sql, (*values, page[-1][0], last)):
            yield from ((key, schema, data) for _, key, schema, data in page)

    def _decode(self, schema: int, data: bytes, of: type[T]) -> T:
        _database.check_schema(schema, self.path)
        try:
            return msgspec.msgpack.decode(data, type=of)
        except (msgspec.DecodeError, ValueError) as error:
            raise StoreError(f"{self.path} holds a damaged record ({error}). Restore the file from a copy.") from error


def _same(one: Record, other: Record) -> bool:
    return one == other or _encoder.encode(one) == _encoder.encode(other)


def _encode(kind: str, key: str, value: object) -> bytes:
    try:
        return _encoder.encode(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"The {kind} {key!r} cannot be stored: {error}. Use valid Unicode, 64-bit integers, lists and dicts.") from error
