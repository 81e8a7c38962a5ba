"""LeDex for reinforcement learning: every repair, failed ones too, with a reward for its explanation and one for its code.

The paper's PPO learns from collected repairs (arXiv 2405.18649, section 3.4). An example is a repair as it was sampled; its
`meta` holds both rewards, what they are made of, how many characters the explanation takes (`explained`), and where the rewards
fall (`credit`), which is what the trainer's stream `rl` reads of recorded answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from burnish.core import plugins
from burnish.core.errors import InputError
from burnish.core.records import Attempt, Example, Message, Task, Verdict
from burnish.core.seeds import content_hash
from burnish.curation._select import explanation_of, same_program
from burnish.signals.ledex import MINILM, SCALES, Embed, References, RepairReward, Scale, repair_reward
from burnish.signals.prompts import EXPLAIN, request, wrong_code
from burnish.signals.span_ends import explanation_length, span_credit
from burnish.store.labels import usable, verified
from burnish.store.runs import RunStore

if TYPE_CHECKING:
    from torch import Tensor


class Repair(NamedTuple):
    """A wrong attempt, a repair of it, and the repair's label."""

    wrong: Attempt
    attempt: Attempt
    label: Verdict


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
    embed: Embed | str | None = None,
) -> list[Example]:
    """One example for each decided repair of a visibly wrong program.

    References are the verified repairs of the same wrong program, without the repair itself if there are others. `scale` is
    `minilm` or `paper`, or `low` and `high` of your own; `guarded` as in `signals.ledex`. A wrong program that was never
    repaired has no references: `unrepaired` = `drop` leaves it out, `gold` takes the task's reference solution for the code,
    says so in `meta`, and gives its explanations no reward. `embed` is another sentence encoder, or its import path
    `package.module:object`; it needs a scale of its own.

    Raises `InputError` for an unknown option, `Unavailable` if the sentence encoder is not installed.
    """
    if unrepaired not in ("drop", "gold"):
        raise InputError(f"ledex_rewards needs unrepaired = drop or gold; found {unrepaired!r}.")
    chosen, encoder = scale_of(scale, low, high, own=embed is None), encoder_of(embed)
    labels, visible = store.labels(), store.verdicts("visible")
    examples: list[Example] = []
    for task in store.tasks():
        attempts = list(store.attempts(task_id=task.id))
        remembered = remembering(encoder, [explanation_of(attempt) for attempt in attempts if attempt.op == "refine"])
        pay = partial(repair_reward, embed=remembered, scale=chosen, guarded=guarded)
        for repairs in by_wrong(attempts, labels, visible):
            examples += _examples(task, repairs, pay, gold=unrepaired == "gold")
    return examples


def scale_of(name: str, low: float | None, high: float | None, *, own: bool) -> Scale:
    """The scale that these options name; `own`: for the encoder of the wheel. Raises `InputError` if they name none."""
    if low is not None and high is not None:
        return Scale(low, high, "given")
    if name not in SCALES or low is not None or high is not None:
        raise InputError(f"ledex_rewards needs scale = {' or '.join(SCALES)}, or both low and high; found {name!r}, {low} and {high}.")
    if SCALES[name] is MINILM and not own:
        raise InputError(
            "The scale minilm was measured with the encoder of the wheel. For another one measure its own (python -m "
            "benchmarks.explanations shows how) and give low=… and high=…."
        )
    return SCALES[name]


def encoder_of(embed: Embed | str | None) -> Embed:
    """The sentence encoder of the wheel, or another one by its import path. Raises `Unavailable` if the wheel is not installed."""
    if embed is None:
        from burnish.models.scores import embedded_sentences

        return embedded_sentences()
    if isinstance(embed, str):
        found: Embed = plugins.imported(embed)
        return found
    return embed


def by_wrong(attempts: Sequence[Attempt], labels: Mapping[str, Verdict], visible: Mapping[str, Verdict]) -> Iterable[list[Repair]]:
    """The decided repairs of each wrong program that visibly failed; equal wrong programs are one."""
    by_id = {attempt.id: attempt for attempt in attempts}
    groups: dict[str, list[Repair]] = {}
    for attempt in attempts:
        wrong = by_id.get(attempt.parent_id or "")
        if attempt.op != "refine" or wrong is None or not _may_teach(labels[attempt.id]):
            continue
        told = visible.get(wrong.id)
        if told is not None and usable(told) and not told.passed and usable(labels[wrong.id]):
            groups.setdefault(same_program(wrong_code(wrong)), []).append(Repair(wrong, attempt, labels[attempt.id]))
    return groups.values()


def _may_teach(label: Verdict) -> bool:
    """True for what was decided; an attack on the judge teaches too, by the lowest reward, but not a mere sign of one."""
    return label.status == "tampered" or usable(label)


def _examples(task: Task, repairs: list[Repair], pay: Callable[..., RepairReward | None], *, gold: bool) -> Iterator[Example]:
    """`pay` is `repair_reward` with its settings."""
    right = [repair.attempt for repair in repairs if verified(repair.attempt, repair.label)]
    stand_in = References(programs=task.refs[:1]) if gold else References()
    for repair in repairs:
        references = _references(right, repair.attempt) if right else stand_in
        if not references.programs:
            continue
        asked = repair.attempt.messages[-1].content.endswith(request(task.public(), EXPLAIN))
        explanation = explanation_of(repair.attempt) if asked else None
        language = LANGUAGES.get(task.kind, task.kind)
        reward = pay(repair.attempt.artefacts.get("code", ""), explanation, repair.label, references, language=language)
        if reward is not None:
            yield _example(repair, reward, "repairs" if right else "gold")


def _references(right: Sequence[Attempt], attempt: Attempt) -> References:
    """All verified repairs but this one, unless it is the only one."""
    others = [one for one in right if one.id != attempt.id] or right
    programs = tuple(one.artefacts["code"] for one in others)
    return References(programs=programs, explanations=tuple(filter(None, map(explanation_of, others))))


def _example(repair: Repair, reward: RepairReward, references: str) -> Example:
    """The repair as it was sampled. The tokens of a teacher are of another vocabulary, so they are left out."""
    wrong, attempt, _ = repair
    explained = explanation_length(attempt.text, attempt.spans)
    written_by = {"policy": attempt.policy, "wrong_policy": wrong.policy}
    return Example(
        id=content_hash("ledex-rewards", attempt.id, attempt.text),
        kind="ledex-rewards",
        task_id=attempt.task_id,
        messages=(*attempt.messages, Message(role="assistant", content=attempt.text)),
        tokens=attempt.tokens if attempt.policy == wrong.policy else None,
        attempts=(wrong.id, attempt.id),
        meta={
            **msgspec.to_builtins(reward),
            "explained": explained,
            "credit": span_credit(reward, explained),
            "references": references,
            **written_by,
        },
    )


def remembering(embed: Embed, texts: Sequence[str]) -> Embed:
    """`embed` for these texts, each of which goes through the encoder once."""
    import torch

    distinct = list(dict.fromkeys(texts))
    vectors = dict(zip(distinct, embed(distinct), strict=True)) if distinct else {}

    def look_up(wanted: Sequence[str]) -> Tensor:
        return torch.stack([vectors[text] for text in wanted])

    return look_up
