"""Everything the command line does, as plain functions: `api.solve(...)`, `api.evaluate(...)` and so on; and the judge for people.

`verify`, `averify` and `verify_batch` judge programs from Python; they are also `burnish.verify` and so on. Each other function
takes names (a task set, a model, a strategy), does one whole piece of work with progress reported to a callback, leaves its
result on disk, and returns a record. Errors are `BurnishError`s whose text is meant for the user.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from burnish.core import plugins
from burnish.core.budget import Budget
from burnish.core.errors import InputError, UnknownName
from burnish.core.options import parse_budget, parse_options
from burnish.core.records import Check, CheckSpec, Example, Record, Sampling, Task, Verdict
from burnish.signals.prompts import STOP
from burnish.verifiers.base import Limits

if TYPE_CHECKING:
    from burnish.evaluation import Comparison, Evaluation
    from burnish.models import Need
    from burnish.models.base import Policy
    from burnish.objectives.base import Formula
    from burnish.recipes._demo_records import DemoResult
    from burnish.recipes.demo import Stage
    from burnish.runs import Progress, SolveConfig
    from burnish.runs.repair import Repair
    from burnish.store.verdicts import VerdictCache
    from burnish.training.config import TrainConfig
    from burnish.training.files import TrainPlan
    from burnish.training.rollouts import RolloutSource
    from burnish.training.stats import StepStats
    from burnish.training.trainer import TrainResult
    from burnish.verifiers.base import ToolReport, Verifier

Update = Callable[[int, int, str], None]
"""`(done, total, note)`: called as a long piece of work goes on."""

Judged = Task | Sequence[CheckSpec | str]
"""What a program is judged by: a task, or a list of checks; text in that list is Python code with assert statements."""

__all__ = [
    "STOP",
    "Budget",
    "Limits",
    "Sampling",
    "averify",
    "check_file",
    "compare_runs",
    "curate",
    "demo",
    "doctor",
    "evaluate",
    "export_run",
    "import_run",
    "list_formulas",
    "list_models",
    "list_plugins",
    "load_model",
    "load_tasks",
    "parse_budget",
    "parse_options",
    "repair",
    "solve",
    "solve_compared",
    "train_file",
    "train_grpo",
    "train_sft",
    "verify",
    "verify_batch",
    "verify_samples",
    "view",
]


def load_tasks(tasks: str, *, limit: int | None = None) -> list[Task]:
    """The tasks of a set (`humaneval`, `first-functions:train`) or of a JSONL file; only the first `limit` if given."""
    from burnish.tasks import load

    loaded = load(tasks)
    if not loaded:
        raise InputError(f"{tasks!r} holds no tasks.")
    return loaded[:limit]


def load_model(
    model: str, *, engine: str = "auto", needs: Collection[Need] | None = None, options: Mapping[str, Any] | None = None
) -> Policy:
    """A policy: `embedded`, a local folder, a hub name, a GGUF file, or a server's address. See `burnish.models.load`."""
    from burnish.models import load

    return load(model, engine, needs=needs, **(options or {}))


def verifier_of(tasks: Sequence[Task], options: Mapping[str, Any] | None = None) -> Verifier:
    """The one verifier that judges these tasks: the shared one, or one of your own if you give `options` (`{"workers": 8}`).

    Raises `InputError` if they need several, or if there is no such option.
    """
    kinds = {task.kind for task in tasks}
    if len(kinds) != 1:
        raise InputError(f"These tasks need several verifiers ({', '.join(sorted(kinds))}). Handle each kind by itself.")
    kind = kinds.pop()
    verifier: Verifier = plugins.find("verifier", kind)
    if not options:
        return verifier
    plugins.check_options(type(verifier), options, f"verifier {kind!r}")
    own: Verifier = type(verifier)(**options)
    return own


def verify(
    task: Judged,
    program: str,
    *,
    entry_point: str = "",
    limits: Limits = Limits(),
    first_fail: bool = False,
    cache: VerdictCache | None = None,
) -> Verdict:
    """Judge one program in the jail. `entry_point` names the function that a list of checks is about.

    `first_fail` skips what comes after the first failure; `cache` (`burnish.store.verdicts.VerdictCache()`) keeps settled
    verdicts. Raises `InputError` for checks that cannot be read and `Unavailable` if there is no jail here.

    >>> import burnish
    >>> verdict = burnish.verify(["assert add(1, 2) == 3"], "def add(a, b): return a - b", entry_point="add")
    >>> verdict.status, verdict.checks[0].counterexample.input, verdict.checks[0].counterexample.actual
    ('fail', 'add(1, 2)', '-1')
    """
    task = _task_of(task, entry_point)
    return _judge([task], cache).verify(task, program, limits=limits, first_fail=first_fail)


async def averify(
    task: Judged,
    program: str,
    *,
    entry_point: str = "",
    limits: Limits = Limits(),
    first_fail: bool = False,
    cache: VerdictCache | None = None,
) -> Verdict:
    """As `verify`, without blocking the event loop; any number may be awaited at once. Cancelling it ends the judged program.

    >>> import asyncio, burnish
    >>> async def two():
    ...     programs = ["def one(): return 1", "def one(): return 2"]
    ...     return await asyncio.gather(*(burnish.averify(["assert one() == 1"], text, entry_point="one") for text in programs))
    >>> [verdict.status for verdict in asyncio.run(two())]
    ['pass', 'fail']
    """
    task = _task_of(task, entry_point)
    return await _judge([task], cache).averify(task, program, limits=limits, first_fail=first_fail)


def verify_batch(
    items: Sequence[tuple[Judged, str]],
    *,
    entry_point: str = "",
    limits: Limits = Limits(),
    first_fail: bool = False,
    workers: int | None = None,
    cache: VerdictCache | None = None,
) -> Iterator[Verdict]:
    """Judge many `(task or checks, program)`, `workers` at a time (default and most: one per core).

    Verdicts come in the order of `items`, each as soon as it and all before it are there. All tasks must be of one kind.

    >>> import burnish
    >>> programs = ["def one(): return 1", "def one(): return 2", "def one() return 1"]
    >>> verdicts = burnish.verify_batch([(["assert one() == 1"], text) for text in programs], entry_point="one")
    >>> [verdict.status for verdict in verdicts]
    ['pass', 'fail', 'invalid']
    """
    pairs = [(_task_of(task, entry_point), program) for task, program in items]
    if not pairs:
        return iter(())
    judge = _judge([task for task, _ in pairs], cache)
    return judge.verify_batch(pairs, limits=limits, first_fail=first_fail, workers=workers)


def _task_of(judged: Judged, entry_point: str) -> Task:
    if isinstance(judged, Task):
        return judged
    if isinstance(judged, str):
        raise InputError(f"Give a Task or a list of checks, not the text {judged!r}. The tasks of a set: load_tasks({judged!r}).")
    checks = (CheckSpec(id=f"{n}", kind="assert", data={"code": c}) if isinstance(c, str) else c for n, c in enumerate(judged, start=1))
    context = {"entry_point": entry_point} if entry_point else {}
    return Task(id="checks", group_id="checks", kind="python", prompt="", context=context, checks=tuple(checks))


def _judge(tasks: Sequence[Task], cache: VerdictCache | None) -> Verifier:
    verifier = verifier_of(tasks)
    if cache is None:
        return verifier
    from burnish.verifiers.cached import CachedVerifier

    return CachedVerifier(verifier, cache)


def solve(
    tasks: str,
    *,
    out: Path,
    strategy: str = "self_debug",
    model: str = "embedded",
    engine: str = "auto",
    engine_options: dict[str, Any] | None = None,
    samples: int = 1,
    limit: int | None = None,
    sampling: Sampling = Sampling(temperature=0.8, stop=STOP),
    options: dict[str, Any] | None = None,
    budget: Budget = Budget(),
    seed: int = 0,
    resume: bool = False,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Evaluation:
    """Solve tasks with a strategy into the run folder `out` and evaluate the run. See `burnish solve --help`."""
    from burnish.runs import SolveConfig

    config = SolveConfig(strategy=strategy, options=options or {}, samples=samples, sampling=sampling, budget=budget, seed=seed)
    chosen = (model, engine, engine_options or {})
    return _solve_all(tasks, {out: config}, chosen, limit, resume, lambda _, progress: on_progress(progress))[out]


def solve_compared(
    tasks: str,
    strategies: Sequence[str],
    *,
    out: Path,
    model: str = "embedded",
    engine: str = "auto",
    engine_options: dict[str, Any] | None = None,
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
    found = _solve_all(tasks, configs, (model, engine, engine_options or {}), limit, resume, on_progress)
    return dict(zip(strategies, found.values(), strict=True))


def _solve_all(
    tasks: str,
    configs: Mapping[Path, SolveConfig],
    chosen: tuple[str, str, dict[str, Any]],
    limit: int | None,
    resume: bool,
    on_progress: Callable[[str, Progress], None],
) -> dict[Path, Evaluation]:
    """Solve the tasks once for each run folder, one after another, with one model: its name, its engine and the engine's options."""
    from burnish.runs import check_references
    from burnish.runs.several import solve_several

    loaded = load_tasks(tasks, limit=limit)
    for config in configs.values():
        config.check()
    verifier = verifier_of(loaded)
    check_references(loaded, verifier)
    model, engine, engine_options = chosen
    manifest: dict[str, Any] = {"kind": "solve", "tasks": tasks, "limit": limit, "model": model}
    if engine != "auto" or engine_options:
        manifest |= {"engine": engine, "engine_options": engine_options}
    policy = load_model(model, engine=engine, options=engine_options)
    asyncio.run(solve_several(loaded, policy, verifier, configs, manifest, resume=resume, on_progress=on_progress))
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


class VerifySummary(Record):
    """What `verify_samples` found: `errors` could not be judged and count nowhere else, `cached` were judged before.

    `tasks` of the set's `all_tasks` have samples that were judged; pass@k is a mean over those.
    """

    judged: int
    passed: int
    errors: int
    cached: int
    tasks: int
    all_tasks: int
    pass_at_k: dict[str, float]


def verify_samples(
    tasks: str,
    samples: Path,
    out: Path,
    *,
    resume: bool = False,
    limits: Limits = Limits(),
    first_fail: bool = False,
    options: Mapping[str, Any] | None = None,
    ks: Sequence[int] = (1, 10, 100),
    cache: VerdictCache | None = None,
    on_progress: Update = lambda *_: None,
) -> VerifySummary:
    """Judge a sample file and write the results to `out`. See `burnish verify --help`. `options` are the verifier's, as in `verifier_of`.

    pass@k is given for those `ks` of which every task with samples has enough.
    """
    from burnish.runs.verify import read_samples
    from burnish.runs.verify import verify_samples as judge_samples
    from burnish.verifiers.cached import CachedVerifier

    loaded = load_tasks(tasks)
    read = read_samples(samples, loaded)
    own = verifier_of(loaded, options)
    judge = CachedVerifier(own, cache) if cache is not None else own
    try:
        batch = partial(judge.verify_batch, limits=limits, first_fail=first_fail)
        verdicts = judge_samples(read, batch, out, resume=resume, on_progress=on_progress)
    finally:
        if options:
            own.close()
    scored: dict[str, list[bool]] = {}
    for sample, verdict in zip(read, verdicts, strict=True):
        if verdict.scored:
            scored.setdefault(sample.task.id, []).append(verdict.passed)
    return _summary(verdicts, list(scored.values()), len(loaded), ks)


def _summary(verdicts: Sequence[Verdict], scored: Sequence[Sequence[bool]], all_tasks: int, ks: Sequence[int]) -> VerifySummary:
    from burnish.evaluation import mean_pass_at_k

    counts = [(len(passes), sum(passes)) for passes in scored]
    judged = sum(count for count, _ in counts)
    fewest = min((count for count, _ in counts), default=0)
    return VerifySummary(
        judged=judged,
        passed=sum(passed for _, passed in counts),
        errors=len(verdicts) - judged,
        cached=sum(verdict.cost.cached for verdict in verdicts),
        tasks=len(counts),
        all_tasks=all_tasks,
        pass_at_k={f"pass@{k}": mean_pass_at_k(counts, k) for k in ks if k <= fewest},
    )


def curate(kind: str, runs: Sequence[Path], out: Path, *, options: dict[str, Any] | None = None) -> list[Example]:
    """Turn stored runs into training examples by a curation (`ledex`, `rejection`) and write them to the JSONL file `out`."""
    from burnish.store.jsonl import write_records
    from burnish.store.runs import RunStore

    builder = plugins.find("curation", kind)
    plugins.check_options(builder, options or {}, f"curation {kind!r}")
    examples: list[Example] = []
    for run in runs:
        with RunStore.open(run) as store:
            examples += builder(store, **(options or {}))
    if not examples:
        raise InputError(f"No example came out of {', '.join(map(str, runs))}: no verified attempt there fits the curation {kind!r}.")
    write_records(out, examples)
    return examples


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


def train_sft(
    examples: Path,
    out: Path,
    *,
    model: str = "embedded",
    config: TrainConfig | None = None,
    resume: bool = False,
    on_progress: Update = lambda *_: None,
) -> TrainResult:
    """Fine-tune a model on an example file; checkpoints and metrics go to `out`. See `burnish train sft --help`."""
    from burnish.store.jsonl import read_records

    rows = list(read_records(examples, Example))
    if not rows:
        raise InputError(f"{examples} holds no examples. Make some with `burnish curate`.")
    manifest = {"kind": "train sft", "examples": str(examples), "model": model}
    return _train(out, model, config, manifest, resume, on_progress, examples=rows)


def train_grpo(
    tasks: str,
    out: Path,
    *,
    model: str = "embedded",
    reward: str = "shaped",
    config: TrainConfig | None = None,
    resume: bool = False,
    on_progress: Update = lambda *_: None,
) -> TrainResult:
    """Train a model against the verifier of `tasks`; checkpoints and metrics go to `out`. See `burnish train grpo --help`."""
    manifest = {"kind": "train grpo", "tasks": tasks, "model": model, "reward": reward}
    return _train(out, model, config, manifest, resume, on_progress, rollouts=_rollout_source(tasks, reward))


def _rollout_source(tasks: str, reward: str) -> RolloutSource:
    """Tasks with their verifier, asked and rewarded as usual. Raises `InputError` if a task fails its own reference."""
    from burnish.runs import check_references
    from burnish.signals import rewards
    from burnish.signals.prompts import ask
    from burnish.text.code import program_in
    from burnish.training.rollouts import RolloutSource

    loaded = load_tasks(tasks)
    value = plugins.find("reward", reward) if ":" in reward else getattr(rewards, reward, None)
    if value is None:
        raise UnknownName("reward", reward, rewards.__all__)
    verifier = verifier_of(loaded)
    check_references(loaded, verifier)
    return RolloutSource(verifier=verifier, tasks=loaded, messages=ask, extract=program_in, reward=value)


def train_file(file: Path, overrides: Sequence[str] = (), *, resume: bool = False, on_progress: Update = lambda *_: None) -> TrainResult:
    """Train as a TOML file says; see `burnish train run --help`. `overrides` are `key=value` with a TOML value.

    >>> from burnish.training.files import read_plan
    >>> read_plan(b'examples = "e.jsonl"', ["train.learning_rate=1e-4", "out='runs/x'"]).train.learning_rate
    0.0001
    """
    from burnish.training.files import read_plan
    from burnish.training.trackers import tracked

    plan = read_plan(file.read_bytes(), overrides)
    manifest = {"kind": "train", "plan": {key: value for key, value in msgspec.to_builtins(plan).items() if key != "train"}}
    with tracked(plan.trackers, plan.out, plan.train) as note:
        return _train(Path(plan.out), plan.model, plan.train, manifest, resume, on_progress, note=note, **_sources(plan))


def _sources(plan: TrainPlan) -> dict[str, Any]:
    """The data that a plan names, as options of the trainer."""
    from burnish.store.jsonl import read_records

    named = {"examples": plan.examples, "validation": plan.validation, "labelled": plan.labelled, "preferences": plan.preferences}
    found: dict[str, Any] = {name: list(read_records(Path(path), Example)) for name, path in named.items() if path}
    if pairs := found.get("preferences"):
        if len(pairs) % 2:
            raise InputError(f"{plan.preferences} holds {len(pairs)} examples; pairs alternate: better, worse, better, worse …")
        found["preferences"] = list(zip(pairs[0::2], pairs[1::2], strict=True))
    if plan.tasks:
        found["rollouts"] = _rollout_source(plan.tasks, plan.reward)
    return found


def check_file(file: Path, overrides: Sequence[str] = (), only: Sequence[str] = ()) -> list[Check]:
    """The preflight checks of a training file; see `burnish preflight --help`."""
    from burnish.training._crew import Crew
    from burnish.training.files import read_plan
    from burnish.training.preflight import Setup, preflight

    plan = read_plan(file.read_bytes(), overrides)
    sources, policy = _sources(plan), load_model(plan.model)
    data = {name: sources[name] for name in ("examples", "validation", "rollouts") if name in sources}
    try:
        return preflight(Setup(policy=policy, config=msgspec.to_builtins(plan.train), crew=Crew.here(), **data), only)
    finally:
        asyncio.run(policy.aclose())


def _train(
    out: Path,
    model: str,
    config: TrainConfig | None,
    manifest: dict[str, Any],
    resume: bool,
    on_progress: Update,
    *,
    note: Callable[[StepStats], None] = lambda _: None,
    **data: Any,
) -> TrainResult:
    from burnish.runs import open_run
    from burnish.training.config import TrainConfig
    from burnish.training.stats import numbers
    from burnish.training.trainer import train

    settings, policy = config or TrainConfig(), load_model(model, needs=["training"])
    leads = os.environ.get("RANK", "0") == "0"  # of several processes only the first writes the run
    run = open_run(out, manifest | {"config": msgspec.to_builtins(settings)}, resume=resume) if leads else nullcontext()
    with run as log:

        def report(stats: StepStats) -> None:
            assert log is not None
            log.add_metrics("train", stats.step, numbers(stats))
            note(stats)
            on_progress(stats.step, stats.steps, f"loss {stats.loss:.4f}")

        return train(policy, out, settings, resume=resume, on_step=report, **data)  # type: ignore[arg-type]


def demo(*, out: Path, stage: Stage, quick: bool = False, seed: int = 0, resume: bool = False) -> DemoResult:
    """The main job on the embedded model, from measuring to a report. See `burnish demo --help`."""
    from burnish.recipes._demo_records import DemoConfig
    from burnish.recipes.demo import demo as run_demo

    config = DemoConfig.thin(seed) if quick else DemoConfig(seed=seed)
    return run_demo(out, config, resume=resume, stage=stage)


def view(run: Path) -> Path:
    """Write the self-contained page of a run folder and return its path."""
    from burnish.store.runs import RunStore
    from burnish.viewer import run_page, write_html

    with RunStore.open(run) as store:
        return write_html(run / "report.html", run_page(store))


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


def doctor() -> list[ToolReport]:
    """What works on this machine: interpreter, packages, embedded model, jail layers, judges, devices."""
    from burnish.runs.doctor import doctor as examine

    return examine()


def list_models() -> dict[str, Any]:
    """What may be given as a model and which engines read it here; the engines, what they can do, and how to mend what is missing."""
    from burnish.models import report

    engines = report()
    readers = {kind: [row.name for row in engines if row.usable and kind in row.abilities.reads] for kind in MODEL_KINDS}
    models = [{"write": words, "kind": kind, "engines": readers[kind]} for kind, words in MODEL_KINDS.items()]
    return {"models": models, "engines": engines}


MODEL_KINDS = {
    "embedded": "embedded",
    "checkpoint": "a checkpoint folder, or owner/name on the hub",
    "gguf": "a .gguf file",
    "endpoint": "a server's address, http://127.0.0.1:8080/v1 (several models: …/v1#name)",
}
"""Kind of model → what to write for it."""


def list_plugins(family: str = "") -> dict[str, dict[str, str]]:
    """Family → name → one-line description. Raises `UnknownName` for a family that does not exist."""
    return plugins.catalogue(family)


def list_formulas(family: str) -> dict[str, Formula]:
    """Name → what a loss, advantage or weight computes, needs and takes as options, and its source. Imports torch.

    Empty for a family without formulas (strategies, verifiers …). Raises `UnknownName` for a family that does not exist.
    """
    known = plugins.family_of(family)
    if not plugins.FAMILIES[known].startswith("burnish.objectives."):
        return {}
    return {name: plugins.find(known, name) for name in plugins.names(known)}
