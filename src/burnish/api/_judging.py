"""The judge for people: one program, many programs, a file of samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.api._loading import Update, load_tasks, verifier_of
from burnish.core.errors import InputError
from burnish.core.records import CheckSpec, Record, Task, Verdict
from burnish.verifiers.base import Limits

if TYPE_CHECKING:
    from burnish.store.verdicts import VerdictCache
    from burnish.verifiers.base import Verifier


Judged = Task | Sequence[CheckSpec | str]
"""What a program is judged by: a task, or a list of checks; text in that list is Python code with assert statements."""


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

    Examples:
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

    Examples:
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

    Examples:
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
