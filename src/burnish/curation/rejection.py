"""Rejection sampling: learn one's own verified answers, prompt → reply (STaR, arXiv 2203.14465; RFT, arXiv 2308.01825).

A reply that the model ended itself is learned token by token as it was sampled. One that was cut off at the length limit
holds a verified program but no ending to learn: its program alone becomes the reply.
"""

from __future__ import annotations

from burnish.core.records import Attempt, Example, Message
from burnish.core.seeds import content_hash
from burnish.curation._select import check_limits, choose, same_program
from burnish.store.labels import verified
from burnish.store.runs import RunStore
from burnish.text.code import fenced


def rejection(store: RunStore, *, per_task: int = 4, seed: int = 0, code_only: bool = False, exact: bool = True) -> list[Example]:
    """Up to `per_task` different verified first answers of every task, chosen at random by `seed`.

    `code_only` keeps the program and drops the prose around it. `exact` hands on the sampled token ids; switch it off to
    train a model with another tokenizer. Raises `InputError` if `per_task` is not positive.
    """
    check_limits(per_task=per_task)
    labels = store.labels()
    examples = []
    for task in store.tasks():
        answers = [a for a in store.attempts(task_id=task.id) if a.op == "sample" and verified(a, labels[a.id])]
        chosen = choose(answers, per_task, seed=seed, name=lambda a: a.id, key=lambda a: same_program(a.artefacts["code"]))
        examples += [_example(answer, code_only=code_only, exact=exact) for answer in chosen]
    return examples


def _example(attempt: Attempt, *, code_only: bool, exact: bool) -> Example:
    whole = not code_only and attempt.stop_reason in ("eos", "stop")
    reply = attempt.text if whole else fenced(attempt.artefacts["code"])
    return Example(
        id=content_hash("rejection", attempt.id, reply),
        kind="rejection",
        task_id=attempt.task_id,
        messages=(*attempt.messages, Message(role="assistant", content=reply)),
        tokens=attempt.tokens if whole and exact and attempt.stop_reason == "eos" else None,
        attempts=(attempt.id,),
        meta={"policy": attempt.policy},
    )
