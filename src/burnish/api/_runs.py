"""What can be done with stored runs: measure, compare, look at, carry away and back."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.api._loading import load_tasks
from burnish.core.errors import InputError, UnknownName

if TYPE_CHECKING:
    from burnish.evaluation import Comparison, Evaluation


def evaluate(run: Path, *, ks: Sequence[int] = ()) -> Evaluation:
    """All metrics of a stored run: pass@k before and after each refinement round, with intervals."""
    from burnish.evaluation import evaluate as evaluate_store
    from burnish.store.runs import RunStore

    with RunStore.open(run) as store:
        return evaluate_store(store, ks=tuple(ks)) if ks else evaluate_store(store)


def compare_runs(before: Path, after: Path) -> dict[str, Comparison]:
    """pass@1 of two runs of the same tasks, paired by task: first answers, and answers handed in."""
    from burnish.evaluation import compare

    one, other = evaluate(before), evaluate(after)
    return {"first answers": compare(one, other, which="first"), "handed in": compare(one, other, which="answers")}


def view(run: Path, after: Path | None = None, *, out: Path | None = None, tokenizer: str = "") -> Path:
    """Write the self-contained page of a run, or of two runs of the same tasks (`run` before, `after` after); returns its path.

    Without `out` it is `report.html` in the run's folder, or `comparison.html` in that of `after`. `tokenizer` is "embedded" or a
    checkpoint folder, for token texts where the run's own model is not here.
    """
    from burnish.store.runs import RunStore
    from burnish.viewer import comparison_page, run_page, write_html

    with RunStore.open(run) as store:
        if after is None:
            return write_html(out or run / "report.html", run_page(store, tokenizer=tokenizer))
        with RunStore.open(after) as later:
            return write_html(out or after / "comparison.html", comparison_page(store, later, tokenizer=tokenizer))


def export(source: Path | str, out: Path, *, to: str = "jsonl", options: Mapping[str, Any] | None = None) -> dict[str, int]:
    """Write a run folder, or the tasks of a set, as files that another tool reads; file → how many records it holds.

    `to` is one of `burnish list exports` or an import path. See `burnish export --help`.
    """
    from burnish.exports import export as write
    from burnish.store.runs import RunStore

    if Path(source).is_dir():
        with RunStore.open(source) as store:
            return write(store, out, to, options)
    try:
        tasks = load_tasks(str(source))
    except UnknownName as error:
        raise InputError(f"{source} is no run folder. {error}") from error
    with tempfile.TemporaryDirectory() as folder, RunStore.create(Path(folder) / "tasks", {"kind": "tasks", "tasks": str(source)}) as store:
        store.add_tasks(tasks)
        return write(store, out, to, options)


def import_run(folder: Path, out: Path) -> dict[str, int]:
    """Make the run folder `out` from JSONL files; how many records of each kind. Made whole, or not at all."""
    from burnish.exports.jsonl import read_jsonl
    from burnish.store.runs import RunStore

    if out.exists():
        raise InputError(f"{out} exists already. Choose another --out.")
    aside = out.with_name(f".{out.name}.importing")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        with RunStore.create(aside, {"kind": "import", "from": str(folder)}) as store:
            read_jsonl(folder, store)
            counts = {"tasks": len(store.tasks()), "attempts": sum(1 for _ in store.attempts()), "episodes": len(store.episodes())}
        aside.rename(out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return counts
