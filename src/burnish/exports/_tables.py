"""Parquet files, written batch by batch so that a long run need not fit into memory as Python objects. Needs pyarrow."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from burnish.core.errors import Unavailable
from burnish.store.files import write_atomic

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as error:
    raise Unavailable(f"Parquet files need pyarrow ({error}): pip install 'burnish[parquet]'") from error

ROWS = 512
"""Rows of one batch."""
TEXT, WHOLE, NUMBER, FLAG = pa.string(), pa.int64(), pa.float64(), pa.bool_()
MESSAGES = pa.list_(pa.struct({"role": TEXT, "content": TEXT}))
IDS, RANGES, NUMBERS = pa.list_(pa.int32()), pa.list_(pa.list_(pa.int32())), pa.list_(NUMBER)
ORIGIN = dict.fromkeys(("task_id", "group_id", "attempt_id", "policy", "policy_version", "verifier"), TEXT)


def struct(fields: Mapping[str, Any]) -> Any:
    """The type of a column that holds several values."""
    return pa.struct(fields)


def write_table(path: Path, rows: Iterable[dict[str, Any]], columns: Mapping[str, Any]) -> int:
    """Write `rows` with these columns and types; how many. A missing or None value is null. Whole or not there."""
    buffer, rows, count, schema = io.BytesIO(), iter(rows), 0, pa.schema(columns)
    with pq.ParquetWriter(buffer, schema, compression="zstd") as writer:
        while batch := list(itertools.islice(rows, ROWS)):
            writer.write_table(pa.Table.from_pylist(batch, schema))
            count += len(batch)
    write_atomic(path, [buffer.getvalue()])
    return count
