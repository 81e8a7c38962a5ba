"""Records as JSON lines: one object a line, read with errors that name the line and the field, written whole or not at all.

Fields left out have their defaults; a field that the record does not know is an error, so that a misspelt `checks` cannot
make a task without checks. NaN and infinities have no place in JSON and are refused when writing.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from burnish.core.errors import InputError
from burnish.core.records import Record, Task
from burnish.store.files import write_atomic

R = TypeVar("R", bound=Record)
_LONGEST_LINE = 64 << 20
"""Bytes. A longer one is no record, and reading it whole could fill the memory."""


def read_json_lines(path: Path | str) -> Iterator[tuple[int, dict[str, Any]]]:
    """`(line number from 1, object)` for every line that is not blank.

    Raises `InputError` with `file:line` for a file that cannot be read, text that is not UTF-8 JSON, a line that is no object,
    or one of more than 64 MiB.
    """
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE + 1), b""), start=1):
                if len(line) > _LONGEST_LINE:
                    raise InputError(f"{path}:{number}: the line is longer than {_LONGEST_LINE >> 20} MiB. Is it one JSON object a line?")
                line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if line.strip():
                    yield number, _parse(line, f"{path}:{number}")
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}. Give a file with one JSON object a line.") from error


def to_record(row: dict[str, Any], kind: type[R], where: str) -> R:
    """`row` as a record. `where` (for example `tasks.jsonl:7`) begins the message of the `InputError` if it does not fit."""
    known = kind.__struct_encode_fields__
    unknown = [name for name in row if name not in known]
    if unknown:
        raise InputError(f"{where}: a {kind.__name__} has no field {unknown[0]!r}. Its fields: {', '.join(known)}.")
    try:
        return msgspec.convert(row, kind)
    except (msgspec.ValidationError, ValueError) as error:
        raise InputError(f"{where}: not a {kind.__name__}: {str(error).replace('`$.', '`').rstrip('.')}.") from error


def read_records(path: Path | str, kind: type[R]) -> Iterator[R]:
    """The records of a file, one at a time. Raises `InputError` with `file:line` and the field that is wrong."""
    return (to_record(row, kind, f"{path}:{number}") for number, row in read_json_lines(path))


def check_tasks(tasks: Sequence[Task], where: str) -> None:
    """Raise `InputError` if there are no tasks, if two share an id, or if one has no checks and so could never pass."""
    if not tasks:
        raise InputError(f"{where} holds no tasks. Each line is a JSON object with at least id, group_id, kind, prompt and checks.")
    twice = [name for name, count in Counter(task.id for task in tasks).items() if count > 1]
    if twice:
        times = sum(task.id == twice[0] for task in tasks)
        raise InputError(f"{where}: the task id {twice[0]!r} is used {times} times. Give every task its own id.")
    bare = [task.id for task in tasks if not task.checks]
    if bare:
        named = _first(bare)
        raise InputError(
            f"{where}: {len(bare)} of {len(tasks)} tasks have no checks and can never pass: {named}. Give them checks, or take them out."
        )


def write_records(path: Path | str, records: Iterable[Record]) -> int:
    """Write records, one a line, and return how many; an existing file is replaced only once all is written.

    Raises `InputError` for a value that JSON cannot hold and `StoreError` if the file cannot be written.
    """
    written = itertools.count()
    write_atomic(path, (line for line, _ in zip(map(_line, records), written, strict=False)))
    return next(written)


def _parse(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{where}: not valid JSON: {error}.") from error
    if not isinstance(row, dict):
        raise InputError(f"{where}: expected a JSON object like {{...}}, found {type(row).__name__}.")
    return row


def _line(record: Record) -> bytes:
    try:
        line = msgspec.json.encode(record)
        msgspec.json.decode(line, type=type(record))
    except (msgspec.ValidationError, UnicodeEncodeError, TypeError, OverflowError) as error:
        name = getattr(record, "id", "")
        raise InputError(
            f"{type(record).__name__} {name!r} cannot be written as JSON (NaN, infinity or broken Unicode?): {error}."
        ) from error
    return line + b"\n"


def _first(names: Sequence[str], count: int = 5) -> str:
    return ", ".join(names[:count]) + (" …" if len(names) > count else "")
