"""Strategies over tasks, and over a file of your own that needs repair."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from burnish.api._loading import load_model, load_tasks, verifier_of
from burnish.api._runs import evaluate
from burnish.core.budget import Budget
from burnish.core.records import Sampling
from burnish.signals.prompts import STOP

if TYPE_CHECKING:
    from burnish.evaluation import Evaluation
    from burnish.models.base import Policy
    from burnish.runs import Progress, SolveConfig
    from burnish.runs.repair import Repair


def solve(
    tasks: str,
    *,
    out: Path,
    strategy: str = "self_debug",
    model: str = "embedded",
    engine: str = "auto",
    engine_options: dict[str, Any] | None = None,
    teacher: str = "",
    teacher_engine: str = "auto",
    teacher_options: dict[str, Any] | None = None,
    samples: int = 1,
    limit: int | None = None,
    sampling: Sampling = Sampling(temperature=0.8, stop=STOP),
    options: dict[str, Any] | None = None,
    budget: Budget = Budget(),
    seed: int = 0,
    resume: bool = False,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Evaluation:
    """Solve tasks with a strategy into the run folder `out` and evaluate the run. See `burnish solve --help`.

    `teacher` is another model, local or a server, that strategies such as `collect` ask for repairs.
    """
    from burnish.runs import SolveConfig

    config = SolveConfig(strategy=strategy, options=options or {}, samples=samples, sampling=sampling, budget=budget, seed=seed)
    chosen = _Chosen(model, engine, engine_options or {})
    taught = _Chosen(teacher, teacher_engine, teacher_options or {})
    return _solve_all(tasks, {out: config}, chosen, taught, limit, resume, lambda _, progress: on_progress(progress))[out]


def solve_compared(
    tasks: str,
    strategies: Sequence[str],
    *,
    out: Path,
    model: str = "embedded",
    engine: str = "auto",
    engine_options: dict[str, Any] | None = None,
    teacher: str = "",
    teacher_engine: str = "auto",
    teacher_options: dict[str, Any] | None = None,
    samples: int = 1,
    limit: int | None = None,
    sampling: Sampling = Sampling(temperature=0.8, stop=STOP),
    options: dict[str, Any] | None = None,
    budget: Budget = Budget(),
    seed: int = 0,
    resume: bool = False,
    on_progress: Callable[[str, Progress], None] = lambda *_: None,
) -> dict[str, Evaluation]:
    """Solve the same tasks with several strategies under the same budget, each into a folder of its own under `out`.

    Each strategy gets those of `options` that it has; one that none of them has is an `InputError`.
    """
    from burnish.runs import SolveConfig
    from burnish.runs.several import shared_options

    given = shared_options(strategies, options or {})
    configs = {
        out / name.replace(":", "."): SolveConfig(
            strategy=name, options=given[name], samples=samples, sampling=sampling, budget=budget, seed=seed
        )
        for name in strategies
    }
    chosen = _Chosen(model, engine, engine_options or {})
    taught = _Chosen(teacher, teacher_engine, teacher_options or {})
    found = _solve_all(tasks, configs, chosen, taught, limit, resume, on_progress)
    return dict(zip(strategies, found.values(), strict=True))


class _Chosen(NamedTuple):
    """A model: its name ("": none), its engine and the engine's options."""

    model: str
    engine: str
    options: dict[str, Any]

    def noted(self, role: str) -> dict[str, Any]:
        """What a manifest says of it."""
        usual = self.engine == "auto" and not self.options
        prefix = "" if role == "model" else f"{role}_"
        return {role: self.model} | ({} if usual else {f"{prefix}engine": self.engine, f"{prefix}engine_options": self.options})

    def load(self) -> Policy:
        return load_model(self.model, engine=self.engine, options=self.options)


def _solve_all(
    tasks: str,
    configs: Mapping[Path, SolveConfig],
    chosen: _Chosen,
    taught: _Chosen,
    limit: int | None,
    resume: bool,
    on_progress: Callable[[str, Progress], None],
) -> dict[Path, Evaluation]:
    """Solve the tasks once for each run folder, one after another, with one model and perhaps a teacher."""
    from burnish.runs import check_references
    from burnish.runs.several import solve_several

    loaded = load_tasks(tasks, limit=limit)
    for config in configs.values():
        config.check()
    verifier = verifier_of(loaded)
    check_references(loaded, verifier)
    manifest: dict[str, Any] = {"kind": "solve", "tasks": tasks, "limit": limit, **chosen.noted("model")}
    if taught.model:
        manifest |= taught.noted("teacher")
    policy, teacher = chosen.load(), taught.load() if taught.model else None
    asyncio.run(solve_several(loaded, policy, verifier, configs, manifest, teacher=teacher, resume=resume, on_progress=on_progress))
    return {folder: evaluate(folder) for folder in configs}


def repair(
    file: Path,
    tests: Path,
    *,
    strategy: str = "self_debug",
    model: str | Policy = "embedded",
    samples: int = 4,
    sampling: Sampling = Sampling(temperature=0.8, max_tokens=512, stop=STOP),
    options: dict[str, Any] | None = None,
    budget: Budget = Budget(),
    seed: int = 0,
    out: Path | None = None,
    write: bool = False,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Repair:
    """Repair a Python file that fails its tests, with `write` in its place; `out` keeps the run. See `burnish repair --help`."""
    from burnish.runs import SolveConfig
    from burnish.runs.repair import repair_file

    config = SolveConfig(strategy=strategy, options=options or {}, samples=samples, sampling=sampling, budget=budget, seed=seed)
    config.check()
    policy = partial(load_model, model) if isinstance(model, str) else lambda: model
    return repair_file(file, tests, policy, config, out=out, write=write, on_progress=on_progress)
