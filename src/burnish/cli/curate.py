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
    json: bool = False,
) -> None:
    """Make examples from verified attempts of stored runs.

    Example: burnish curate ledex runs/collect --out examples.jsonl --option kinds=abc per_task=8

    Args:
        kind: Name of the curation (see `burnish list curations`) or an import path.
        runs: Run folders.
        out: JSONL file to write.
        option: Options of the curation as name=value.
        json: Print one JSON document instead of a table.
    """
    from burnish import api

    with err.status("curating …"):
        examples = api.curate(kind, runs, out, options=api.parse_options(option))
    counts = Counter(example.kind for example in examples)
    if json:
        print_json({"out": str(out), "examples": dict(counts)})
        return
    table(f"{len(examples)} examples in {out}", ("kind", "examples"), sorted(counts.items()))
