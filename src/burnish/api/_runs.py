"""What can be done with stored runs: measure, compare, look at, carry away and back."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from burnish.core.errors import InputError

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


def export_run(run: Path, out: Path) -> dict[str, int]:
    """Write a run's records as JSONL files into `out`; how many of each."""
    from burnish.store.export import export_run as export
    from burnish.store.runs import RunStore

    with RunStore.open(run) as store:
        return export(store, out)


def import_run(folder: Path, out: Path) -> dict[str, int]:
    """Make the run folder `out` from JSONL files; how many records of each kind. Made whole, or not at all."""
    from burnish.store.export import import_run as read
    from burnish.store.runs import RunStore

    if out.exists():
        raise InputError(f"{out} exists already. Choose another --out.")
    aside = out.with_name(f".{out.name}.importing")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        with RunStore.create(aside, {"kind": "import", "from": str(folder)}) as store:
            read(folder, store)
            counts = {"tasks": len(store.tasks()), "attempts": sum(1 for _ in store.attempts()), "episodes": len(store.episodes())}
        aside.rename(out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return counts
