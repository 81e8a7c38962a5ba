"""What reinforcement learning sampled and made of it, in the run store: attempts, verdicts, and per-token advantages.

So a training run can be looked at, measured and curated like any other. Needs no torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from burnish.core.records import Attempt, Cost, Record
from burnish.store.runs import RunStore
from burnish.text.code import Code, spans_of
from burnish.training.rollouts import Rollout, RolloutSource

EVENT = "learned"


class Learned(Record):
    """What a training step made of an attempt. Tuples have one value per sampled token, or none; see `Rollout`.

    `credit` lists the last token (from 0, among the sampled ones) of each part with a reward of its own, and that reward.
    """

    attempt_id: str
    step: int
    reward: float | None
    advantage: tuple[float, ...] = ()
    trainer: tuple[float, ...] = ()
    credit: tuple[tuple[int, float], ...] = ()


def record_rollouts(store: RunStore, source: RolloutSource, step: int, rollouts: Sequence[Rollout], *, policy: str) -> None:
    """Add what was sampled for step `step`, all or nothing. What a resumed run repeats exactly is there already."""
    tasks = {task.id: task for task in source.tasks}
    numbers: Counter[str] = Counter()
    with store.batch():
        store.add_tasks(tasks[name] for name in dict.fromkeys(rollout.task_id for rollout in rollouts))
        for rollout in rollouts:
            name = f"step-{step:06}/{rollout.task_id}#{numbers[rollout.task_id]}"
            numbers[rollout.task_id] += 1
            while (known := store.attempt(name)) is not None and known.tokens != rollout.tokens:
                name += "~"  # the step was redone after a stop, and came out differently
            if known is None:
                store.add_attempt(_attempt(name, source, rollout, policy))
                store.add_verdict(name, "all", rollout.verdict)
                store.add_event(EVENT, msgspec.to_builtins(_learned(name, source, step, rollout)))


def learned(store: RunStore) -> dict[str, Learned]:
    """Attempt id → what it was trained with, for the attempts of a training run."""
    return {row["attempt_id"]: msgspec.convert(row, Learned) for row in store.events(EVENT)}


def _learned(name: str, source: RolloutSource, step: int, rollout: Rollout) -> Learned:
    ends, scores = source.credit(rollout) if source.credit and rollout.reward is not None else ((), ())
    return Learned(
        attempt_id=name,
        step=step,
        reward=rollout.reward,
        advantage=rollout.advantage,
        trainer=rollout.trainer,
        credit=tuple(zip(ends, scores, strict=True)),
    )


def _attempt(name: str, source: RolloutSource, rollout: Rollout, policy: str) -> Attempt:
    task = next(task for task in source.tasks if task.id == rollout.task_id)
    text, artefact, tokens = rollout.text, rollout.artefact, rollout.tokens
    start = text.rfind(artefact) if artefact else -1
    code = Code(artefact, start, start + len(artefact)) if artefact and start >= 0 else None
    sampled = sum(end - start for start, end in tokens.sampled)
    return Attempt(
        id=name,
        task_id=task.id,
        op="sample",
        messages=tuple(source.messages(task)),
        text=text,
        spans=spans_of(text, code) if code or artefact is None else (),
        artefacts={} if artefact is None else {"code": artefact},
        tokens=tokens,
        sampling=rollout.sampling,
        policy=policy,
        policy_version=rollout.policy_version,
        stop_reason=rollout.stop_reason,
        cost=Cost(tokens_in=len(tokens.ids) - sampled, tokens_out=sampled),
    )
