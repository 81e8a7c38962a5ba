"""`burnish curate`: turn stored runs into training examples."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tyro.conf import Positional

from burnish.cli._console import err, print_json, table


def curate(
    kind: Positional[str],
    runs: Positional[tuple[Path, ...]],
    *,
    out: Path = Path("examples.jsonl"),
    option: tuple[str, ...] = (),
    against: tuple[str, ...] = (),
    words: int = 9,
    json: bool = False,
) -> None:
    """Make examples from verified attempts of stored runs.

    Example: burnish curate ledex runs/collect --out examples.jsonl --option kinds=abc per_task=8

    Args:
        kind: Name of the curation (see `burnish list curations`) or an import path.
        runs: Run folders.
        out: JSONL file to write.
        option: Options of the curation as name=value.
        against: Task sets that are used for measuring: examples of tasks that overlap with them are left out, into a file beside `out`.
        words: How many words in a row give an evaluation task away.
        json: Print one JSON document instead of a table.
    """
    from burnish import api

    with err.status("curating …"):
        examples = api.curate(kind, runs, out, options=api.parse_options(option), against=against, words=words)
    counts = Counter(example.kind for example in examples)
    left_out = _left_out(api.left_out_file(out)) if against else {}
    if json:
        print_json({"out": str(out), "examples": dict(counts), "left_out": dict(left_out)})
        return
    table(f"{len(examples)} examples in {out}", ("kind", "examples"), sorted(counts.items()))
    if against:
        rows = [(reason, f"{count}") for reason, count in sorted(left_out.items())]
        table(f"left out, in {api.left_out_file(out)}", ("overlap by", "examples"), rows)


def _left_out(path: Path) -> Counter[str]:
    """Reason → examples that were left out for it."""
    from burnish.curation._decontamination import LeftOut
    from burnish.store.jsonl import read_records

    return Counter(row.overlap.reason for row in read_records(path, LeftOut))
