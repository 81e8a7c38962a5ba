"""Runs as files that other tools read: one module per target, whose function of the same name writes them.

An exporter is `function(store, out, *, options…) -> {file: records}`; a run without attempts is a set of tasks. What is shown
to a model is made of what is visible; attempts about which nothing was decided have no reward, label or score, never a zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from burnish.core import plugins
from burnish.store.files import write_atomic
from burnish.store.runs import RunStore

__all__ = ["export"]


def export(store: RunStore, out: Path, to: str = "jsonl", options: Mapping[str, Any] | None = None) -> dict[str, int]:
    """Write the run into the folder `out` as the exporter `to` does; file → how many records it holds.

    `export.json` beside them says where they come from: the run's manifest, the exporter and its options. Raises `UnknownName` or
    `InputError` for an exporter or an option that does not exist, and `Unavailable` where a package is missing.
    """
    exporter = plugins.find("export", to)
    plugins.check_options(exporter, options or {}, f"export {to!r}")
    counts: dict[str, int] = exporter(store, out, **(options or {}))
    origin = {
        "burnish": version("burnish"),
        "run": store.folder.name,
        "manifest": store.manifest,
        "to": to,
        "options": dict(options or {}),
        "files": counts,
    }
    write_atomic(out / "export.json", [msgspec.json.format(msgspec.json.encode(origin), indent=2)])
    return counts
