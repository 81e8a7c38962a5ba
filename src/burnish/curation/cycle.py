"""CYCLE: learn to solve, then to refine one's own faulty programs towards the right one most like them (arXiv 2403.18746).

Kinds: `solve`, problem → right program (Phase I); `refine`, problem, faulty program and its failure → right program, and `keep`, problem
→ the model's own right program unchanged (Phase II). The template holds the headings that the input `past_generation` looks for.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from burnish.core.errors import InputError
from burnish.core.records import Attempt, Example, Message, Task
from burnish.core.seeds import content_hash, derive_seed
from burnish.curation._select import check_limits, choose, same_program
from burnish.signals.cycle import ask_good_solution
from burnish.signals.prompts import ask, wrong_code
from burnish.store.labels import usable, verified
from burnish.store.runs import RunStore
from burnish.text.bm25 import scores
from burnish.text.code import fenced

KINDS = ("solve", "refine", "keep")


def cycle(
    store: RunStore,
    *,
    kinds: str | Sequence[str] = KINDS,
    target: str = "bm25",
    references: bool = True,
    per_task: int = 8,
    shown: int = 1,
    seed: int = 0,
) -> list[Example]:
    """Examples of the wanted `kinds`, at most `per_task` of each for one task, chosen at random by `seed`.

    Right programs are the verified ones of the run and, with `references`, the task's own. `target` of a refinement is the one
    most like the faulty program (`bm25`) or a `random` one. The first `shown` failures are told. Only first answers count as faulty.
    Raises `InputError` for an unknown kind or target, or a limit that is not positive.
    """
    kinds = (kinds,) if isinstance(kinds, str) else kinds
    if not kinds or set(kinds) - set(KINDS) or target not in ("bm25", "random"):
        raise InputError(
            f"cycle needs kinds from {', '.join(KINDS)} and target = bm25 or random; found kinds = {list(kinds)}, target = {target!r}."
        )
    check_limits(per_task=per_task, shown=shown)
    labels, visible = store.labels(), store.verdicts("visible")
    examples: list[Example] = []
    for task in store.tasks():
        attempts = list(store.attempts(task_id=task.id))
        right = [attempt for attempt in attempts if verified(attempt, labels[attempt.id])]
        programs = _distinct([attempt.artefacts["code"] for attempt in right], task.refs if references else ())
        if not programs:
            continue
        found = {name: list[Example]() for name in KINDS}
        found["solve"] = [_example("solve", task, ask(task.public()), program, ()) for program in programs]
        own = [attempt for attempt in right if attempt.op == "sample"]
        found["keep"] = [_example("keep", task, ask(task.public()), one.artefacts["code"], (one.id,)) for one in own]
        for wrong in attempts:
            verdict = visible.get(wrong.id)
            faulty = wrong.op == "sample" and usable(labels[wrong.id]) and not labels[wrong.id].passed and wrong_code(wrong).strip()
            if faulty and verdict is not None and usable(verdict) and not verdict.passed:
                prompt = ask_good_solution(task.public(), wrong_code(wrong), verdict, shown=shown)
                found["refine"].append(_example("refine", task, prompt, _target(wrong, programs, target, seed), (wrong.id,)))
        for name in kinds:
            examples += choose(found[name], per_task, seed=seed, name=lambda one: one.id, key=lambda one: f"{one.messages}")
    return examples


def _distinct(own: Sequence[str], references: Sequence[str]) -> list[str]:
    """Programs that differ in more than layout, the model's own before others."""
    found: dict[str, str] = {}
    for program in (*own, *references):
        if program.strip():
            found.setdefault(same_program(program), program)
    return [*found.values()]


def _target(wrong: Attempt, programs: Sequence[str], target: str, seed: int) -> str:
    if target == "random":
        return random.Random(derive_seed(seed, wrong.id, "target")).choice(programs)
    near = scores(wrong_code(wrong), programs)
    return programs[near.index(max(near))]


def _example(kind: str, task: Task, prompt: tuple[Message, ...], program: str, attempts: tuple[str, ...]) -> Example:
    messages = (*prompt, Message(role="assistant", content=fenced(program)))
    name = content_hash("cycle", kind, *attempts, *(message.content for message in messages))
    return Example(id=name, kind=f"cycle-{kind}", task_id=task.id, messages=messages, attempts=attempts)
