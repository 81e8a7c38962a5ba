"""A cache of verdicts: one SQLite file that any number of threads and processes share. It may be lost, it may never be wrong.

The caller's key says everything that a verdict depends on (`verifiers.cached`); what lies under a key never changes. Each
row carries a digest, so that a damaged one is noticed. A cache that cannot be used says so once, then holds nothing: judging
goes on without it. When the file is full, the quarter of the verdicts that was written first is dropped.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from burnish.core.errors import StoreError
from burnish.core.records import Verdict
from burnish.core.seeds import content_hash
from burnish.store import _database

FILE_NAME = "verdicts.sqlite"
APPLICATION_ID = 0x42564552
"""`BVER` in SQLite's application id."""
LAYOUT = 1
"""Version of the table below. A newer one is not touched."""
MAX_MB = 512.0

_TABLE = "CREATE TABLE verdicts (seq INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, digest TEXT NOT NULL, data BLOB NOT NULL)"
_OLDEST_QUARTER = "DELETE FROM verdicts WHERE seq <= (SELECT min(seq) + (max(seq) - min(seq)) / 4 FROM verdicts)"


class CacheWarning(UserWarning):
    """A verdict cache cannot be used. Verdicts are right nevertheless, they are only judged again."""


def default_path() -> Path:
    """`verdicts.sqlite` in the folder `$BURNISH_CACHE`, else `$XDG_CACHE_HOME/burnish`, else `~/.cache/burnish`."""
    named = os.environ.get("BURNISH_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return (Path(named) if named else Path(base) / "burnish").expanduser() / FILE_NAME


def _warn(reason: str) -> None:
    warnings.warn(reason, CacheWarning, stacklevel=2)


class VerdictCache:
    """Verdicts by key. Safe from any thread; a forked child opens the file anew. Close it by `close()` or a `with` block.

    `max_mb` bounds the file. `on_trouble` is called once with the reason, should the file be unusable (default: a `CacheWarning`).
    """

    def __init__(
        self,
        path: Path | str | None = None,
        *,
        max_mb: float = MAX_MB,
        on_trouble: Callable[[str], None] = _warn,
    ) -> None:
        self.path = default_path() if path is None else Path(path)
        self.trouble = ""
        self._max_bytes, self._on_trouble = int(max_mb * (1 << 20)), on_trouble
        self._mutex = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        _alive.add(self)

    def get(self, key: str) -> Verdict | None:
        """The verdict under `key`, marked `cost.cached`; None if there is none."""
        rows = self._execute("SELECT digest, data FROM verdicts WHERE key = ?", key)
        if not rows:
            return None
        digest, data = rows[0]
        try:
            if digest != content_hash(key, data):
                raise ValueError("a verdict's digest does not fit")
            return as_cached(msgspec.msgpack.decode(data, type=Verdict))
        except (msgspec.DecodeError, ValueError, TypeError) as error:
            self._give_up(error)
            return None

    def put(self, key: str, verdict: Verdict) -> None:
        """Keep a verdict, unless there is one already. Whether it may be kept at all is the caller's to know.

        A verdict that cannot be written (broken Unicode) is not kept.
        """
        try:
            data = msgspec.msgpack.encode(verdict)
        except (TypeError, ValueError, OverflowError):
            return
        self._execute("INSERT OR IGNORE INTO verdicts (key, digest, data) VALUES (?, ?, ?)", key, content_hash(key, data), data)
        while self._used_bytes() > self._max_bytes and len(self):
            self._execute(_OLDEST_QUARTER)

    def __len__(self) -> int:
        return int(self._number("SELECT count(*) FROM verdicts"))

    def close(self) -> None:
        """Close the file. Using the cache again opens it again."""
        with self._mutex:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def __enter__(self) -> VerdictCache:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _used_bytes(self) -> int:
        pages = self._number("PRAGMA page_count") - self._number("PRAGMA freelist_count")
        return pages * self._number("PRAGMA page_size")

    def _number(self, sql: str) -> int:
        rows = self._execute(sql)
        return int(rows[0][0]) if rows else 0

    def _execute(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement, a transaction of its own. Nothing comes back from a cache that is in trouble."""
        try:
            with self._mutex:
                if self.trouble:
                    return []
                if self._connection is None:
                    self._connection = _open(self.path)
                return self._connection.execute(sql, values).fetchall()
        except (sqlite3.Error, OSError, StoreError) as error:
            self._give_up(error)
            return []

    def _give_up(self, error: Exception) -> None:
        with self._mutex:
            if self.trouble:
                return
            self.trouble = (
                f"The verdict cache {self.path} is not used: {str(error).rstrip('.')}. "
                f"Everything is judged afresh. Delete the file, or name another folder in the environment variable BURNISH_CACHE."
            )
        self.close()
        self._on_trouble(self.trouble)

    def _after_fork(self) -> None:
        _left_to_the_parent.append(self._connection)
        self._connection, self._mutex = None, threading.Lock()


def as_cached(verdict: Verdict) -> Verdict:
    """The verdict, saying that it was not judged again."""
    return msgspec.structs.replace(verdict, cost=msgspec.structs.replace(verdict.cost, cached=True))


def _open(path: Path) -> sqlite3.Connection:
    """Raises `StoreError` if the file is something else or newer than this version, `sqlite3.Error` if it is damaged."""
    if not path.exists():
        _create(path)
    with contextlib.closing(_database.connect(path, write=False)) as probe:
        if probe.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise StoreError("it is no verdict cache")
        layout = probe.execute("PRAGMA user_version").fetchone()[0]
        if layout > LAYOUT:
            raise StoreError(f"it was written by a newer Burnish (layout {layout}; this one reads {LAYOUT})")
    return _database.connect(path, write=True)


def _create(path: Path) -> None:
    """Made aside and linked into place: of several processes that begin at once, one wins, and none sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with contextlib.closing(_database.connect(aside, write=True)) as connection:
            connection.execute(_TABLE)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {LAYOUT}")
        if not path.exists():
            os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink(missing_ok=True)


_alive: weakref.WeakSet[VerdictCache] = weakref.WeakSet()
_left_to_the_parent: list[sqlite3.Connection | None] = []
"""In a forked child: connections that the parent still uses. Closing one here would disturb the parent's locks."""


def _forget_all() -> None:
    for cache in list(_alive):
        cache._after_fork()


os.register_at_fork(after_in_child=_forget_all)
