"""LeDex for reinforcement learning: every repair, failed ones too, with a reward for its explanation and one for its code.

The paper's PPO learns from collected repairs (arXiv 2405.18649, section 3.4). An example is a repair as it was sampled; its
`meta` holds both rewards, what they are made of, and how many characters the explanation takes (`explained`), from which
`signals.span_ends.reward_ends` finds the tokens that the rewards fall on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from burnish.core.errors import InputError
from burnish.core.records import Attempt, Example, Message, Task, Verdict
from burnish.core.seeds import content_hash
from burnish.curation._select import explanation_of, same_program, usable, verified
from burnish.signals.ledex import SCALES, Embed, References, Scale, repair_reward
from burnish.signals.prompts import EXPLAIN, request, wrong_code
from burnish.signals.span_ends import explanation_length
from burnish.store.runs import RunStore

if TYPE_CHECKING:
    from torch import Tensor

LANGUAGES = {"python_tests": "python"}
"""Kinds of tasks that are not called like their language."""


def ledex_rewards(
    store: RunStore,
    *,
    scale: str = "minilm",
    low: float | None = None,
    high: float | None = None,
    guarded: bool = False,
    unrepaired: str = "drop",
    embed: Embed | None = None,
) -> list[Example]:
    """One example for each decided repair of a visibly wrong program.

    References are the verified repairs of the same wrong program, without the repair itself if there are others. `scale` is
    `minilm` or `paper`, or `low` and `high` of your own; `guarded` as in `signals.ledex`. A wrong program that was never
    repaired has no references: `unrepaired` = `drop` leaves it out, `gold` takes the task's reference solution for the code,
    says so in `meta`, and gives its explanations no reward. `embed` None: the sentence encoder of the wheel.

    Raises `InputError` for an unknown option, `Unavailable` if the sentence encoder is not installed.
    """
    if scale not in SCALES or unrepaired not in ("drop", "gold") or (low is None) != (high is None):
        raise InputError(
            f"ledex_rewards needs scale = {' or '.join(SCALES)} (or both low and high) and unrepaired = drop or gold; found "
            f"scale = {scale!r}, low = {low}, high = {high}, unrepaired = {unrepaired!r}."
        )
    chosen = SCALES[scale] if low is None or high is None else Scale(low, high, "given")
    if embed is None:
        from burnish.models.scores import embedded_sentences

        embed = embedded_sentences()
    labels, visible = store.labels(), store.verdicts("visible")
    examples: list[Example] = []
    for task in store.tasks():
        attempts = list(store.attempts(task_id=task.id))
        remembered = _remembering(embed, [explanation_of(attempt) for attempt in attempts if attempt.op == "refine"])
        for repairs in _by_wrong(attempts, labels, visible):
            examples += _examples(task, repairs, labels, remembered, chosen, guarded=guarded, gold=unrepaired == "gold")
    return examples


def _by_wrong(attempts: Sequence[Attempt], labels: Mapping[str, Verdict], visible: Mapping[str, Verdict]) -> Iterable[list[Attempt]]:
    """The decided repairs of each wrong program that visibly failed; equal wrong programs are one."""
    by_id = {attempt.id: attempt for attempt in attempts}
    groups: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        wrong = by_id.get(attempt.parent_id or "")
        if attempt.op != "refine" or wrong is None or not _may_teach(labels[attempt.id]):
            continue
        told = visible.get(wrong.id)
        if told is not None and usable(told) and not told.passed and usable(labels[wrong.id]):
            groups.setdefault(same_program(wrong_code(wrong)), []).append(attempt)
    return groups.values()


def _may_teach(label: Verdict) -> bool:
    """True for what was decided; an attack on the judge teaches too, by the lowest reward, but not a mere sign of one."""
    return label.status == "tampered" or usable(label)


def _examples(
    task: Task, repairs: list[Attempt], labels: Mapping[str, Verdict], embed: Embed, scale: Scale, *, guarded: bool, gold: bool
) -> Iterator[Example]:
    right = [attempt for attempt in repairs if verified(attempt, labels[attempt.id])]
    stand_in = References(programs=task.refs[:1]) if gold and not right else References()
    for attempt in repairs:
        others = [one for one in right if one.id != attempt.id] or right
        known = References(
            programs=tuple(one.artefacts["code"] for one in others),
            explanations=tuple(filter(None, map(explanation_of, others))),
        )
        references = known if right else stand_in
        if not references.programs:
            continue
        asked = attempt.messages[-1].content.endswith(request(task.public(), EXPLAIN))
        reward = repair_reward(
            attempt.artefacts.get("code", ""),
            explanation_of(attempt) if asked else None,
            labels[attempt.id],
            references,
            embed,
            language=LANGUAGES.get(task.kind, task.kind),
            scale=scale,
            guarded=guarded,
        )
        if reward is not None:
            yield _example(attempt, {**msgspec.to_builtins(reward), "references": "repairs" if right else "gold"})


def _example(attempt: Attempt, meta: dict[str, Any]) -> Example:
    return Example(
        id=content_hash("ledex-rewards", attempt.id, attempt.text),
        kind="ledex-rewards",
        task_id=attempt.task_id,
        messages=(*attempt.messages, Message(role="assistant", content=attempt.text)),
        tokens=attempt.tokens,
        attempts=(attempt.parent_id or "", attempt.id),
        meta={**meta, "explained": explanation_length(attempt.text, attempt.spans), "policy": attempt.policy},
    )


def _remembering(embed: Embed, texts: Sequence[str]) -> Embed:
    """`embed` for these texts, each of which goes through the encoder once."""
    import torch

    distinct = list(dict.fromkeys(texts))
    vectors = dict(zip(distinct, embed(distinct), strict=True)) if distinct else {}

    def look_up(wanted: Sequence[str]) -> Tensor:
        return torch.stack([vectors[text] for text in wanted])

    return look_up
