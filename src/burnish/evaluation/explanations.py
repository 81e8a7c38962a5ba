"""How good are a model's explanations? Are they like those of verified repairs, and do they help another model to repair?

LeDex has them rated by people and by GPT-4 (arXiv 2405.18649, section 4). Without either: (i) similarity, the signal that its
reward uses, and which can be gamed; (ii) usefulness, which cannot: a fresh model repairs the same wrong programs told nothing
more, told the explanation, and told another task's explanation. Model calls are the caller's.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from burnish.core.errors import InputError
from burnish.core.records import Attempt, Record, Task
from burnish.core.seeds import derive_seed
from burnish.curation._select import explanation_of, same_program
from burnish.curation.ledex_rewards import remembering
from burnish.evaluation.metrics import Interval, bootstrap_interval, paired_interval
from burnish.evaluation.report import Evaluation
from burnish.signals.feedback import feedback
from burnish.signals.ledex import MINILM, Embed, Scale, explanation_reward, explanation_similarity
from burnish.signals.prompts import wrong_code
from burnish.signals.repairs import repair_task
from burnish.store.labels import usable, verified
from burnish.store.runs import RunStore

ARMS = ("", "explanation", "other")
"""What the fresh model is told: nothing, the explanation, another task's. Names of texts in the context of `explained_problems`."""


class Similarity(Record):
    """`mean` cosine, and `reward` R(e), of explanations to those of verified repairs, with intervals over `tasks`.

    Of the `explanations` that were written, `compared` had others to be compared with: `same_program` of the same wrong program,
    the rest of other wrong programs of the task. None where there was nothing to compare.
    """

    explanations: int
    compared: int
    same_program: int
    tasks: int
    mean: Interval | None
    reward: Interval | None


class Usefulness(Record):
    """Repair rates of the fresh model on `problems` wrong programs of `tasks` tasks: told nothing, the explanation, another task's.

    `by_task` has the three rates of each task, in this order. `gain` is over nothing, `over_other` over another task's; both are paired
    by task.
    """

    problems: int
    tasks: int
    by_task: dict[str, tuple[float, float, float]]
    nothing: Interval
    explanation: Interval
    other: Interval
    gain: Interval
    over_other: Interval


def similarity(store: RunStore, verified_in: Sequence[RunStore], embed: Embed, *, scale: Scale = MINILM, seed: int = 0) -> Similarity:
    """Compare the explanations of a run's repairs with those of the verified repairs in other runs of the same tasks.

    An explanation is not compared with itself. `embed` and `scale` are those of `signals.ledex`.
    """
    known = [pair for other in {one.path: one for one in (*verified_in,)}.values() for pair in _verified(other)]
    written = [(wrong, attempt) for wrong, attempt in _repairs(store) if explanation_of(attempt)]
    look_up = remembering(embed, [*(text for _, _, text in known), *(explanation_of(attempt) for _, attempt in written)])
    cosines: dict[str, list[float]] = {}
    exact = 0
    for wrong, attempt in written:
        peers = [(peer_wrong, text) for peer_wrong, peer, text in known if peer.task_id == attempt.task_id and peer != attempt]
        same = [text for peer_wrong, text in peers if peer_wrong == same_program(wrong_code(wrong))]
        if peers:
            exact += bool(same)
            cosine = explanation_similarity(explanation_of(attempt), same or [text for _, text in peers], look_up)
            cosines.setdefault(attempt.task_id, []).append(cosine)
    rewards = {task: [explanation_reward(one, scale) for one in found] for task, found in cosines.items()}
    return Similarity(
        explanations=len(written),
        compared=sum(map(len, cosines.values())),
        same_program=exact,
        tasks=len(cosines),
        mean=_mean_of_means([*cosines.values()], seed),
        reward=_mean_of_means([*rewards.values()], seed),
    )


def explained_problems(store: RunStore, *, most: int = 50, seed: int = 0) -> list[Task]:
    """At most `most` wrong programs of a run as tasks of repair, each with its `explanation` and an `other` one of another task.

    From first repairs that were explained and whose wrong program certainly fails, task by task in turn. None if they are of fewer than
    two tasks, for then there is no other task's explanation.
    """
    visible, tasks = store.verdicts("visible"), {task.id: task for task in store.tasks()}
    by_task: dict[str, list[tuple[Attempt, str]]] = {}
    for wrong, attempt in _repairs(store):
        if wrong.op == "sample" and wrong.id in visible and (text := explanation_of(attempt)):
            by_task.setdefault(attempt.task_id, []).append((wrong, text))
    if len(by_task) < 2:
        return []
    chosen = [
        (turn, name, *found[turn])
        for turn in range(max(map(len, by_task.values())))
        for name, found in by_task.items()
        if turn < len(found)
    ]
    problems = []
    for _, name, wrong, text in chosen[:most]:
        rng = random.Random(derive_seed(seed, wrong.id, "other explanation"))
        other = rng.choice([one for task, found in by_task.items() if task != name for _, one in found])
        failure = feedback(visible[wrong.id])
        problems.append(repair_task(tasks[name], f"{wrong.id} repair", wrong_code(wrong), failure, explanation=text, other=other))
    return problems


def usefulness(nothing: Evaluation, explanation: Evaluation, other: Evaluation, problems: Sequence[Task], *, seed: int = 0) -> Usefulness:
    """From the evaluations of the three runs of `explained_problems`: repair rates by task, and their paired gains.

    Raises `InputError` if no problem was decided in all three.
    """
    owner = {problem.id: str(problem.meta["repair_of"]) for problem in problems}
    rates = [{row.task_id: row.passed / row.scored for row in one.per_task if row.scored} for one in (nothing, explanation, other)]
    common = [name for name in owner if all(name in found for found in rates)]
    by_task: dict[str, list[str]] = {}
    for name in common:
        by_task.setdefault(owner[name], []).append(name)
    if not by_task:
        raise InputError("No wrong program was repaired in all three runs, so they cannot be compared. Resume them first.")
    alone, told, shuffled = ([sum(found[name] for name in names) / len(names) for names in by_task.values()] for found in rates)
    return Usefulness(
        problems=len(common),
        tasks=len(by_task),
        by_task=dict(zip(by_task, zip(alone, told, shuffled, strict=True), strict=True)),
        nothing=bootstrap_interval(alone, seed=seed),
        explanation=bootstrap_interval(told, seed=seed),
        other=bootstrap_interval(shuffled, seed=seed),
        gain=paired_interval(alone, told, seed=seed),
        over_other=paired_interval(shuffled, told, seed=seed),
    )


def _repairs(store: RunStore) -> list[tuple[Attempt, Attempt]]:
    """Wrong programs of the run with a repair of each, where it is certain that they were wrong."""
    labels = store.labels()
    attempts = {attempt.id: attempt for attempt in store.attempts()}
    pairs = [(attempts[one.parent_id], one) for one in attempts.values() if one.op == "refine" and one.parent_id in attempts]
    return [(wrong, one) for wrong, one in pairs if usable(labels[wrong.id]) and not labels[wrong.id].passed]


def _verified(store: RunStore) -> list[tuple[str, Attempt, str]]:
    """The wrong program's key, the verified repair and its explanation."""
    labels = store.labels()
    right = [(wrong, one) for wrong, one in _repairs(store) if verified(one, labels[one.id])]
    return [(same_program(wrong_code(wrong)), one, text) for wrong, one in right if (text := explanation_of(one))]


def _mean_of_means(values: Sequence[Sequence[float]], seed: int) -> Interval | None:
    return bootstrap_interval([sum(one) / len(one) for one in values], seed=seed) if values else None
