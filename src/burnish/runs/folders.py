"""Run folders: make a new one, or go on with one that was started the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from burnish.core.errors import InputError
from burnish.store.runs import FILE_NAME, RunStore


def open_run(folder: Path, manifest: dict[str, Any], *, resume: bool) -> RunStore:
    """The run in `folder`, open for writing: a new one, or with `resume` the one that is there.

    Raises `InputError` if there is a run and `resume` is not given, or if it was started with another manifest.
    """
    manifest = msgspec.json.decode(msgspec.json.encode(manifest))  # as it will be read back: lists for tuples
    if not (folder / FILE_NAME).exists():
        return RunStore.create(folder, manifest)
    if not resume:
        raise InputError(f"{folder} already holds a run. Add --resume to go on with it, or choose another --out.")
    store = RunStore.open(folder, write=True)
    differing = sorted(key for key in {*store.manifest, *manifest} if store.manifest.get(key) != manifest.get(key))
    if differing:
        was, wanted = store.manifest, manifest
        store.close()
        changes = ", ".join(f"{key}: {was.get(key)!r} then, {wanted.get(key)!r} now" for key in differing)
        raise InputError(f"{folder} was started differently ({changes}). Repeat the old options to resume, or choose another --out.")
    return store
