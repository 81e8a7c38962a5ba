"""`burnish repair`: mend one failing Python file of one's own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from burnish.cli._console import err, print_json, progress
from burnish.cli._console import out as stdout

if TYPE_CHECKING:
    from burnish.runs.repair import Repair


def repair(
    file: Positional[Path],
    *,
    tests: Path,
    strategy: str = "self_debug",
    model: str = "embedded",
    samples: int = 4,
    option: tuple[str, ...] = (),
    temperature: float = 0.8,
    max_tokens: int = 512,
    budget: tuple[str, ...] = (),
    seed: int = 0,
    out: Path | None = None,
    write: bool = False,
    json: bool = False,
) -> None:
    """Repair a Python file that fails its tests, and show the change as a diff. Exit code 1 if no repair passes all tests.

    Example: burnish repair shop.py --tests test_shop.py --write

    Args:
        file: The Python file.
        tests: Python file with its tests: assert statements, functions `test_…` without arguments, or test classes.
        strategy: Name of the strategy (see `burnish list strategies`) or an import path.
        model: `embedded`, a local model folder, or a hub name.
        samples: Runs of the strategy; the first repair that passes all tests is taken.
        option: Options of the strategy as name=value, for example `rounds=2`.
        temperature: Sampling temperature; 0 is greedy.
        max_tokens: Most tokens per completion; a whole file must fit.
        budget: What each run of the strategy may spend, as name=value: `calls`, `tokens`, `verifier_s`, `wall_s`.
        seed: Seed of the search.
        out: Folder to keep all attempts in, as a run that `burnish view` shows.
        write: Put the repaired file in place of the old one.
        json: Print one JSON document instead of the diff.
    """
    from burnish import api

    with progress(f"repair {file.name}", quiet=json) as update:
        found = api.repair(
            file,
            tests,
            strategy=strategy,
            model=model,
            samples=samples,
            sampling=api.Sampling(temperature=temperature, max_tokens=max_tokens, stop=api.STOP),
            options=api.parse_options(option),
            budget=api.parse_budget(budget),
            seed=seed,
            out=out,
            write=write,
            on_progress=lambda p: update(p.done, p.total, f"repaired {p.solved} · {p.tokens} tokens"),
        )
    if json:
        print_json(found)
    else:
        _show(file, found, write)
    if found.status == "not repaired":
        sys.exit(1)


def _show(file: Path, found: Repair, write: bool) -> None:
    if found.status == "passes":
        err.print(f"{file} passes all {found.tests} tests already.")
    elif found.status == "repaired":
        stdout.print(found.diff, markup=False, soft_wrap=True)
        verb = "Written" if write else "Not written; add --write to put it in place"
        err.print(f"All {found.tests} tests pass, {found.passed_before} did before. {found.attempts} attempts. {verb}: {file}")
    else:
        best = f"at most {found.passed} of {found.tests} tests pass, {found.passed_before} did before"
        err.print(f"No repair of {file} passes all tests: {best}. {found.attempts} attempts. Give it more --samples, or another --model.")
