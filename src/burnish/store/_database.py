"""The SQLite file under a run store: one append-only table, opened safely, with errors that say how to mend them.

Write-ahead logging: readers in other processes never wait for the writer, and a killed writer loses at most the add
that was under way. Triggers refuse UPDATE and DELETE, so that what was written stays as evidence.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from burnish.core.errors import StoreError
from burnish.core.records import SCHEMA

APPLICATION_ID = 0x4255524E
"""`BURN` in SQLite's application id: tells a run from any other database."""

_TABLE = """
CREATE TABLE records (
  seq INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  task_id TEXT NOT NULL,
  episode_id TEXT NOT NULL,
  schema INTEGER NOT NULL,
  data BLOB NOT NULL
);
CREATE INDEX by_key ON records (kind, key);
CREATE INDEX by_task ON records (kind, task_id) WHERE task_id <> '';
CREATE INDEX by_episode ON records (kind, episode_id) WHERE episode_id <> '';
CREATE TRIGGER no_update BEFORE UPDATE ON records BEGIN SELECT RAISE(ABORT, 'a run is append-only'); END;
CREATE TRIGGER no_delete BEFORE DELETE ON records BEGIN SELECT RAISE(ABORT, 'a run is append-only'); END;
"""


def connect(path: Path, *, write: bool) -> sqlite3.Connection:
    """A connection in autocommit mode that any thread may use under a lock. A missing file is created only if `write`."""
    mode = "rwc" if write else "ro"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False, timeout=30
    )
    try:
        if write:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def create_table(connection: sqlite3.Connection) -> None:
    """Lay out an empty database; run it inside a transaction so that a killed creation leaves nothing."""
    for statement in _TABLE.split(";\n"):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA}")


def is_empty(connection: sqlite3.Connection) -> bool:
    """True if nothing was ever laid out in this database."""
    return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None


def check_layout(connection: sqlite3.Connection, path: Path) -> None:
    """Raises `StoreError` unless this is a run that this version can read."""
    if is_empty(connection):
        raise StoreError(f"{path} is empty: its run was stopped before it began. Delete it and start the run again.")
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise StoreError(f"{path} is a database, but not a Burnish run. Give the folder of a run.")
    check_schema(connection.execute("PRAGMA user_version").fetchone()[0], path)


def check_schema(found: int, path: Path) -> None:
    """Raises `StoreError` for a record layout newer than this version's."""
    if found > SCHEMA:
        raise StoreError(f"{path} was written by a newer Burnish (record layout {found}; this one reads {SCHEMA}). Upgrade Burnish.")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's and the system's errors into a `StoreError` with the mend."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(_explain(error, path)) from error
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise StoreError(_disk_full(path) if full else f"{path} cannot be used: {error.strerror}.") from error


def _explain(error: sqlite3.Error, path: Path) -> str:
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_FULL":
        return _disk_full(path)
    if name == "SQLITE_NOTADB":
        return f"{path} is not a database. Give the folder of a run, or restore the file from a copy."
    if name.startswith("SQLITE_CORRUPT"):
        return f"{path} is damaged ({error}). Restore it from a copy, or save what is left with: sqlite3 {path} .recover"
    if name.startswith("SQLITE_READONLY") or name == "SQLITE_CANTOPEN":
        return f"{path} cannot be opened ({error}). A run's folder must be writable even for reading; copy it or change its rights."
    return f"{path} cannot be used: {error}."


def _disk_full(path: Path) -> str:
    return f"disk full: nothing more could be written to {path}. Everything written before is intact; free some space and resume."
