"""All metrics of a stored run as one record: pass@k before and after each refinement round, what it cost, what it hides.

Labels are verdicts over all checks, hidden ones included. What could not be judged is in no denominator; its share is
reported. Intervals are 95 % percentile bootstrap intervals over tasks (see `metrics`). Refinement measures follow LeDex
(arXiv 2405.18649, section 4): after round r, the failed samples are replaced by their latest refinements.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from burnish.core.errors import InputError
from burnish.core.records import Record, Status, Task
from burnish.evaluation.metrics import Interval, bootstrap_interval, pass_at_k, ratio_interval
from burnish.evaluation.samples import Evidence, Sample, samples_of, standing
from burnish.store.runs import RunStore


class PassAtK(Interval):
    """pass@k averaged over the `tasks` that have at least k decided samples."""

    k: int
    tasks: int


class Standing(Record):
    """Where the samples stand after a refinement round, or when handed in.

    `refined` of the `failing_before` decided samples whose first answer failed pass now; `regressions` passed the hidden checks
    with their first answer and fail them now. `hidden_gap` is the share of decided samples that pass the visible checks and
    fail all the same; `rate` is LeDex's success refinement rate, refined / failing before, with its interval over tasks. Shares are
    None where there is nothing to divide by.
    """

    samples: int
    unscored: int
    passed: int
    pass_at_k: tuple[PassAtK, ...]
    failing_before: int
    refined: int
    regressions: int
    hidden_gap: float | None
    rate: Interval | None = None

    @property
    def unscored_share(self) -> float:
        """Share of the samples that could not be judged."""
        return self.unscored / self.samples

    @property
    def refinement_rate(self) -> float | None:
        """The success refinement rate without its interval."""
        return _share(self.refined, self.failing_before)


class TaskResult(Record):
    """One task's row: decided samples and passing ones, for first answers and for answers handed in, and what they cost.

    Of the `failing` samples, decided ones whose first answer failed, `repaired` pass as they were handed in.
    """

    task_id: str
    group_id: str
    first_scored: int
    first_passed: int
    scored: int
    passed: int
    tokens: int
    judge_s: float
    failing: int = 0
    repaired: int = 0


class Evaluation(Record):
    """The metrics of one run. `rounds[r]` is the standing after r refinement rounds, `answers` that of what was handed in.

    `unfinished` episodes were begun and not ended, or ended by an error: they are no samples. `statuses` counts the labels
    of all attempts at a solution. `solved` tasks have at least one passing answer; costs cover all samples, solved or not.
    """

    tasks: int
    unfinished: int
    rounds: tuple[Standing, ...]
    answers: Standing
    solved: int
    tokens_per_solved: float | None
    judge_s_per_solved: float | None
    truncation_share: float | None
    invalid_share: float | None
    statuses: dict[Status, int]
    per_task: tuple[TaskResult, ...]


def evaluate(store: RunStore, *, ks: Sequence[int] = (1,), seed: int = 0) -> Evaluation:
    """Measure a run. `seed` is that of the bootstrap.

    Raises `InputError` if the run holds no tasks or no finished sample, or if no task has enough samples for a k.
    """
    tasks = store.tasks()
    samples, unfinished = samples_of(store)
    _check(tasks, samples, ks, store)
    evidence = Evidence(store)
    last_round = max((attempt.round for sample in samples for attempt in sample.attempts), default=0)
    first = [standing(sample, 0, evidence) for sample in samples]

    def measured(current: list[str | None]) -> Standing:
        return _standing(samples, first, current, evidence, ks, seed)

    of_task: dict[str, list[Sample]] = {task.id: [] for task in tasks}
    for sample in samples:
        of_task[sample.task_id].append(sample)
    per_task = tuple(_task_result(task, of_task[task.id], evidence) for task in tasks)
    solved = sum(row.passed > 0 for row in per_task)
    attempts = [attempt for sample in samples for attempt in sample.attempts]
    answers = [attempt for attempt in attempts if attempt.is_answer]
    statuses = Counter(evidence.labels[attempt.id].status for attempt in answers)
    return Evaluation(
        tasks=len(tasks),
        unfinished=unfinished,
        rounds=tuple(measured([standing(sample, round, evidence) for sample in samples]) for round in range(last_round + 1)),
        answers=measured([sample.answer for sample in samples]),
        solved=solved,
        tokens_per_solved=_share(sum(row.tokens for row in per_task), solved),
        judge_s_per_solved=_share(sum(row.judge_s for row in per_task), solved),
        truncation_share=_share(sum(attempt.stop_reason == "length" for attempt in attempts), len(attempts)),
        invalid_share=_share(statuses["invalid"], len(answers)),
        statuses=dict(statuses.most_common()),
        per_task=per_task,
    )


def _check(tasks: list[Task], samples: list[Sample], ks: Sequence[int], store: RunStore) -> None:
    if not tasks:
        raise InputError(f"{store.folder} holds no tasks, so there is nothing to measure. Add tasks and solve them first.")
    if not samples:
        raise InputError(f"{store.folder} holds no finished sample of its {len(tasks)} tasks. Resume the run first.")
    strangers = {sample.task_id for sample in samples} - {task.id for task in tasks}
    if strangers:
        raise InputError(f"{store.folder} has samples of the task {min(strangers)!r}, which it does not hold. Add that task to the run.")
    most = max(Counter(sample.task_id for sample in samples).values())
    if not ks or not all(1 <= k <= most for k in ks):
        raise InputError(f"pass@k can be measured here for k from 1 to {most}, the most samples of a task; asked: {list(ks)}.")


def _standing(
    samples: list[Sample], first: list[str | None], current: list[str | None], evidence: Evidence, ks: Sequence[int], seed: int
) -> Standing:
    labels = [evidence.label(name) for name in current]
    failing = [
        (sample.task_id, now)
        for sample, name, now in zip(samples, first, labels, strict=True)
        if evidence.label(name) is False and now is not None
    ]
    decided = [(name, label) for name, label in zip(current, labels, strict=True) if label is not None]
    misleading = sum(evidence.passes_visible(name) and not label for name, label in decided)
    return Standing(
        samples=len(samples),
        unscored=len(samples) - len(decided),
        passed=sum(label for _, label in decided),
        pass_at_k=_pass_at_ks([(sample.task_id, label) for sample, label in zip(samples, labels, strict=True)], ks, seed),
        failing_before=len(failing),
        refined=sum(now for _, now in failing),
        regressions=sum(evidence.lost_hidden(*pair) for pair in zip(first, current, strict=True)),
        hidden_gap=_share(misleading, len(decided)),
        rate=_rate(failing, seed),
    )


def _rate(failing: list[tuple[str, bool]], seed: int) -> Interval | None:
    """Of the samples that failed at first, by task: the share that passes now."""
    if not failing:
        return None
    wholes, parts = Counter(task_id for task_id, _ in failing), Counter(task_id for task_id, now in failing if now)
    return ratio_interval([parts[task_id] for task_id in wholes], [*wholes.values()], seed=seed)


def _pass_at_ks(labels: list[tuple[str, bool | None]], ks: Sequence[int], seed: int) -> tuple[PassAtK, ...]:
    """A k for which no task has enough decided samples is left out."""
    scored = Counter(task_id for task_id, label in labels if label is not None)
    passed = Counter(task_id for task_id, label in labels if label)
    results = []
    for k in ks:
        values = [pass_at_k(count, passed[task_id], k) for task_id, count in scored.items() if count >= k]
        if values:
            mean = bootstrap_interval(values, seed=seed)
            results.append(PassAtK(k=k, tasks=len(values), value=mean.value, low=mean.low, high=mean.high))
    return tuple(results)


def _task_result(task: Task, samples: list[Sample], evidence: Evidence) -> TaskResult:
    first = [evidence.label(standing(sample, 0, evidence)) for sample in samples]
    answers = [evidence.label(sample.answer) for sample in samples]
    failing = [now for was, now in zip(first, answers, strict=True) if was is False and now is not None]
    attempts = [attempt for sample in samples for attempt in sample.attempts]
    return TaskResult(
        task_id=task.id,
        group_id=task.group_id,
        first_scored=sum(label is not None for label in first),
        first_passed=sum(label is True for label in first),
        scored=sum(label is not None for label in answers),
        passed=sum(label is True for label in answers),
        tokens=sum(attempt.cost.tokens_out for attempt in attempts),
        judge_s=sum(evidence.judge_s(attempt.id) for attempt in attempts),
        failing=len(failing),
        repaired=sum(failing),
    )


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
