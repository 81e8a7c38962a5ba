"""LeDex: learn to solve, to repair, and to explain and repair, from verified repairs only (arXiv 2405.18649, section 3).

Kinds: (a) problem → correct program; (b) problem, wrong program, feedback → corrected program; (c) the same, asked to
explain first → explanation and corrected program. An explanation counts as right if its program is verified. (b) and (c) of
one repair share the program. The loss lies on the last assistant turn: the wrong program is context, never a target.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from burnish.core.errors import InputError
from burnish.core.records import Attempt, Example, Message, Task, Verdict
from burnish.core.seeds import content_hash
from burnish.curation._select import check_limits, choose, explanation_of, same_program
from burnish.signals.prompts import ask, ask_refinement, wrong_code
from burnish.store.labels import usable, verified
from burnish.store.runs import RunStore
from burnish.text.code import fenced


class Repair(NamedTuple):
    """A wrong attempt, what the visible checks said about it, and a verified refinement of it."""

    wrong: Attempt
    verdict: Verdict
    right: Attempt


def ledex(
    store: RunStore, *, kinds: str = "abc", per_task: int = 8, per_wrong: int = 2, repaired_answers: bool = False, seed: int = 0
) -> list[Example]:
    """Examples of the wanted `kinds`, chosen at random by `seed`.

    Per task at most `per_task` programs for (a) and as many repairs for (b) and (c), at most `per_wrong` of them for one wrong
    program; equal programs count once. `repaired_answers` lets repaired programs serve as answers of (a) too.
    Raises `InputError` for an unknown kind or a limit that is not positive.
    """
    if not kinds or set(kinds) - set("abc"):
        raise InputError(f"The option kinds is {kinds!r}; it must be made of the letters a (solve), b (repair), c (explain and repair).")
    check_limits(per_task=per_task, per_wrong=per_wrong)
    labels, visible = store.labels(), store.verdicts("visible")
    sources = ("sample", "refine") if repaired_answers else ("sample",)
    examples: list[Example] = []
    for task in store.tasks():
        attempts = {attempt.id: attempt for attempt in store.attempts(task_id=task.id)}
        right = [attempt for attempt in attempts.values() if verified(attempt, labels[attempt.id])]
        answers = [attempt for attempt in right if attempt.op in sources] if "a" in kinds else []
        examples += [_solve(task, answer) for answer in choose(answers, per_task, seed=seed, name=lambda a: a.id, key=_program)]
        for repair in _choose_repairs(list(_repairs(right, attempts, labels, visible)), per_task, per_wrong, seed):
            examples += _from_repair(task, repair, kinds)
    return examples


def _repairs(
    right: list[Attempt], attempts: Mapping[str, Attempt], labels: Mapping[str, Verdict], visible: Mapping[str, Verdict]
) -> Iterator[Repair]:
    """Verified refinements of attempts that visibly failed: without a visible failure there is no feedback to learn from."""
    for attempt in right:
        wrong = attempts.get(attempt.parent_id or "")
        if attempt.op != "refine" or wrong is None or labels[wrong.id].passed or not usable(labels[wrong.id]):
            continue
        verdict = visible.get(wrong.id)
        if verdict is not None and usable(verdict) and not verdict.passed and wrong_code(wrong).strip():
            yield Repair(wrong, verdict, attempt)


def _choose_repairs(repairs: list[Repair], per_task: int, per_wrong: int, seed: int) -> list[Repair]:
    by_wrong: dict[str, list[Repair]] = {}
    for repair in repairs:
        by_wrong.setdefault(same_program(wrong_code(repair.wrong)), []).append(repair)
    kept = [
        repair
        for same_wrong in by_wrong.values()
        for repair in choose(same_wrong, per_wrong, seed=seed, name=_name, key=lambda repair: _program(repair.right))
    ]
    return choose(kept, per_task, seed=seed, name=_name, key=_name)


def _from_repair(task: Task, repair: Repair, kinds: str) -> Iterator[Example]:
    code, explanation = fenced(repair.right.artefacts["code"]), explanation_of(repair.right)
    evidence = (repair.wrong.id, repair.right.id)
    for kind, explain, reply in (("b", False, code), ("c", True, f"{explanation}\n\n{code}")):
        if kind in kinds and (explanation or not explain):
            prompt = ask_refinement(task.public(), wrong_code(repair.wrong), repair.verdict, explain=explain)
            yield _example(kind, task, prompt, reply, evidence, policy=repair.right.policy, wrong_policy=repair.wrong.policy)


def _solve(task: Task, attempt: Attempt) -> Example:
    return _example("a", task, ask(task.public()), fenced(attempt.artefacts["code"]), (attempt.id,), policy=attempt.policy)


def _example(kind: str, task: Task, prompt: tuple[Message, ...], reply: str, attempts: tuple[str, ...], **written_by: str) -> Example:
    messages = (*prompt, Message(role="assistant", content=reply))
    name = content_hash("ledex", kind, *attempts, *(message.content for message in messages))
    return Example(id=name, kind=f"ledex-{kind}", task_id=task.id, messages=messages, attempts=attempts, meta=written_by)


def _program(attempt: Attempt) -> str:
    return same_program(attempt.artefacts["code"])


def _name(repair: Repair) -> str:
    return repair.right.id
