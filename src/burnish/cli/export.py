"""`burnish export` and `burnish import`: a run as files of other tools; as JSON lines, and back."""

from __future__ import annotations

from pathlib import Path

from tyro.conf import Positional

from burnish.cli._console import print_json, table


def export(source: Positional[str], *, out: Path, to: str = "jsonl", option: tuple[str, ...] = (), json: bool = False) -> None:
    """Write a run, or the tasks of a set, as files that another tool reads.

    `jsonl` can be read back by `burnish import`; `parquet` for tables; `inspect`, `trl`, `verl` and `verifiers` for those packages.

    Example: burnish export runs/first --to trl --out first-trl

    Args:
        source: Run folder, or a task set (`first-functions:train`, a JSONL file) to export its tasks alone.
        out: Folder for the files.
        to: Whose files (see `burnish list exports`), or an import path.
        option: Options of the exporter as name=value.
        json: Print one JSON document instead of a table.
    """
    from burnish import api

    counts = api.export(source, out, to=to, options=api.parse_options(option))
    _show(f"{source} in {out}", counts, json)


def import_run(folder: Positional[Path], *, out: Path, json: bool = False) -> None:
    """Make a run from JSONL files, as `burnish export` writes them.

    Example: burnish import first-jsonl --out runs/copy

    Args:
        folder: Folder with the files.
        out: Run folder to make.
        json: Print one JSON document instead of a table.
    """
    from burnish import api

    _show(f"{folder} in {out}", api.import_run(folder, out), json)


def _show(title: str, counts: dict[str, int], json: bool) -> None:
    if json:
        print_json(counts)
    else:
        table(title, ("records", "number"), list(counts.items()))
