"""TRL data sets: prompts for GRPO, verified answers for SFT, pairs for DPO, labelled answers for KTO.

One folder each, so that `trl sft --dataset_name out/sft` reads it. GRPO's reward functions are in `burnish.interop.trl`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from burnish.exports._rows import Judged, answers, write_lines
from burnish.interop.trl import rows
from burnish.signals.valuing import Reward, reward_named, value_of
from burnish.store.labels import usable, verified
from burnish.store.runs import RunStore


def trl(store: RunStore, out: Path, *, reward: str = "shaped") -> dict[str, int]:
    """Write `prompts`, `sft`, `preference` and `unpaired`, each a folder with `train.jsonl`; rows of each.

    - `prompts`: `prompt` and the column `task`, for the judge alone;
    - `sft`: `prompt`, `completion` of answers that pass every check;
    - `preference`: `prompt`, `chosen` (passes), `rejected` (does not), both answers to the same prompt, each used once;
    - `unpaired`: `prompt`, `completion`, `label` (passes), `reward`.

    Undecided answers, and those with a sign of tampering, are only among the prompts' tasks. `reward` is named as in training.
    """
    value, judged = reward_named(reward), [each for each in answers(store) if usable(each.label)]
    files = {
        "prompts/train.jsonl": rows(store.tasks()),
        "sft/train.jsonl": [_answer(each) for each in judged if verified(each.attempt, each.label)],
        "preference/train.jsonl": list(_pairs(judged)),
        "unpaired/train.jsonl": [_labelled(each, value) for each in judged],
    }
    return {name: write_lines(out / name, content) for name, content in files.items()}


def _answer(judged: Judged) -> dict[str, Any]:
    return {"prompt": judged.prompt, "completion": [judged.reply], **judged.origin}


def _labelled(judged: Judged, value: Reward) -> dict[str, Any]:
    label, number = verified(judged.attempt, judged.label), value_of(value, judged.label, judged.task.id)
    return {**_answer(judged), "label": label, "reward": number, "status": judged.label.status}


def _pairs(judged: Sequence[Judged]) -> Iterator[dict[str, Any]]:
    """The n-th right and the n-th wrong answer to each prompt, in the order of sampling."""

    def asked(each: Judged) -> tuple[str, str]:
        return each.task.id, str(each.attempt.messages)

    for _, group in groupby(sorted(judged, key=asked), asked):
        same = list(group)
        right = [each for each in same if verified(each.attempt, each.label)]
        wrong = [each for each in same if not each.label.passed]
        for better, worse in zip(right, wrong, strict=False):
            pair = {"chosen": [better.reply], "rejected": [worse.reply]}
            yield {"prompt": better.prompt, **pair, **better.origin, "rejected_attempt_id": worse.attempt.id}
