"""`burnish export` and `burnish import`: a run as files of JSON lines, and back."""

from __future__ import annotations

from pathlib import Path

from tyro.conf import Positional

from burnish.cli._console import print_json, table


def export(run: Positional[Path], *, out: Path, json: bool = False) -> None:
    """Write a run's tasks, attempts, verdicts and episodes as JSONL files.

    Example: burnish export runs/first --out first-jsonl

    Args:
        run: Run folder.
        out: Folder for the files.
        json: Print one JSON document instead of a table.
    """
    from burnish import api

    _show(f"{run} in {out}", api.export_run(run, out), json)


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
