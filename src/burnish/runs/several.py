"""Several runs with one model: strategies on the same tasks one after another, or any runs at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from burnish.core import plugins
from burnish.core.errors import InputError
from burnish.core.records import Task
from burnish.models.base import Policy
from burnish.runs.folders import open_run
from burnish.runs.solve import Progress, SolveConfig, solve
from burnish.store.runs import RunStore
from burnish.verifiers.base import Verifier


async def solve_several(
    tasks: Sequence[Task],
    policy: Policy,
    verifier: Verifier,
    configs: Mapping[Path, SolveConfig],
    manifest: Mapping[str, Any],
    *,
    teacher: Policy | None = None,
    resume: bool = False,
    on_progress: Callable[[str, Progress], None] = lambda *_: None,
) -> None:
    """Solve `tasks` once for each run folder and close policy and teacher. `manifest` is what the runs have in common."""
    try:
        for folder, config in configs.items():
            with open_run(folder, {**manifest, "config": msgspec.to_builtins(config)}, resume=resume) as store:
                await solve(tasks, policy, verifier, store, config, teacher=teacher, on_progress=partial(on_progress, config.strategy))
    finally:
        await policy.aclose()
        if teacher is not None:
            await teacher.aclose()


class Part(NamedTuple):
    """One of several runs: what is solved, who judges it, into which open store it goes, and how."""

    tasks: Sequence[Task]
    verifier: Verifier
    store: RunStore
    config: SolveConfig


async def solve_together(
    parts: Sequence[Part],
    policy: Policy,
    *,
    teacher: Policy | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> None:
    """Solve all parts at once, so that the model's batch stays full to the end of the last. Progress is that of all together.

    Each part comes out as `solve` alone would leave it, and is resumed like that. Raises what `solve` raises, for the first part that does.
    """
    latest = [Progress(done=0, total=len(part.tasks) * part.config.samples, solved=0, errors=0, tokens=0) for part in parts]

    def note(number: int, now: Progress) -> None:
        latest[number] = now
        on_progress(Progress(**{name: sum(getattr(one, name) for one in latest) for name in Progress.__struct_fields__}))

    try:
        async with asyncio.TaskGroup() as group:
            for number, (tasks, verifier, store, config) in enumerate(parts):
                work = solve(tasks, policy, verifier, store, config, teacher=teacher, on_progress=partial(note, number))
                group.create_task(work)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


def shared_options(strategies: Sequence[str], options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Strategy → those of the options that it has.

    Raises `InputError` for an option that none has, and unless each strategy is named once.
    """
    if len(set(strategies)) != len(strategies) or not strategies:
        raise InputError(f"Name each strategy to be compared once, for example sample,best_of_n; found {','.join(strategies) or 'none'}.")
    known = {name: plugins.options_of(plugins.find("strategy", name)) for name in strategies}
    for option in options:
        if not any(option in names for names in known.values()):
            listed = "; ".join(f"{name}: {', '.join(names) or 'none'}" for name, names in known.items())
            raise InputError(f"None of these strategies has an option {option!r}. Their options: {listed}.")
    return {name: {option: value for option, value in options.items() if option in names} for name, names in known.items()}
