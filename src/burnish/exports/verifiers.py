"""verifiers (v1): a taskset package of the run's tasks, and the run's answers as saved traces.

The package is `burnish.interop.verifiers` pointed at the tasks beside it; put `out` on the import path and name it in
`--env.taskset.id`. Each trace is one answer with its exact tokens; one about which nothing was decided has an error and no reward.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from burnish.core.errors import InputError
from burnish.core.records import Attempt, TokenRecord
from burnish.exports._rows import Judged, answers, write_lines
from burnish.interop.judge import asked, task_text
from burnish.signals.valuing import Reward, reward_named, value_of
from burnish.store.files import write_atomic
from burnish.store.jsonl import write_records
from burnish.store.runs import RunStore

MODULE = '''"""Tasks of a Burnish run as a taskset of verifiers."""

from pathlib import Path

from burnish.interop.verifiers import BurnishTaskset

__all__ = ["Tasks"]


class Tasks(BurnishTaskset):
    """The tasks in `tasks.jsonl` beside this file."""

    source = str(Path(__file__).with_name("tasks.jsonl"))
'''
FINISH = {"eos": "stop", "stop": "stop", "length": "length"}


def verifiers(store: RunStore, out: Path, *, name: str = "burnish_tasks", reward: str = "shaped") -> dict[str, int]:
    """Write the package `name` and `traces.jsonl`; how many tasks and traces.

    `reward` values the traces' verdicts; the taskset asks for its own by `--env.taskset.task.reward`.
    """
    if not name.isidentifier() or name != name.lower():
        raise InputError(f"The taskset's name {name!r} is no module name. Write small letters, digits and underscores.")
    value = reward_named(reward)
    write_atomic(out / name / "__init__.py", [MODULE.encode()])
    return {
        f"{name}/tasks.jsonl": write_records(out / name / "tasks.jsonl", store.tasks()),
        "traces.jsonl": write_lines(out / "traces.jsonl", (_episode(each, name, value) for each in answers(store))),
    }


def _episode(judged: Judged, name: str, reward: Reward) -> dict[str, Any]:
    """One answer as an episode of one trace, the form in which verifiers saves a single agent."""
    task = {
        "type": "BurnishTask",
        "key": judged.task.id,
        "data": {"id": judged.task.id, "name": judged.task.id, "prompt": asked(judged.task), "task": task_text(judged.task)},
    }
    score = value_of(reward, judged.label, judged.task.id)
    trace = _trace(judged, score)
    return {"id": judged.attempt.id, "env": {"id": name}, "task": task, "ok": trace["ok"], "traces": [{**trace, "task": task}]}


def _trace(judged: Judged, score: float | None) -> dict[str, Any]:
    attempt, cost = judged.attempt, judged.attempt.cost
    nodes = _nodes(judged)
    call = {
        "node": len(nodes) - 1,
        "model": attempt.policy,
        "finish_reason": FINISH.get(attempt.stop_reason),
        "usage": {"prompt_tokens": cost.tokens_in, "completion_tokens": cost.tokens_out},
    }
    undecided = [{"type": "Undecided", "message": f"Nothing was decided about this answer: {judged.label.status}."}]
    return {
        "id": attempt.id,
        "agent": {"config": {"model": attempt.policy}},
        "nodes": nodes,
        "calls": [call],
        "rewards": {"judged": None if score is None else {"score": score}},
        "info": {**judged.origin, "status": judged.label.status, "parent_id": attempt.parent_id, "op": attempt.op, "round": attempt.round},
        "is_completed": True,
        "ok": score is not None,
        "errors": undecided if score is None else [],
        "timing": {"start": 0.0},
    }


def _nodes(judged: Judged) -> list[dict[str, Any]]:
    """The conversation, each turn the child of the one before. All tokens lie at the last: where turns end in them is not recorded."""
    shown = [{"message": message, "timestamp": 0.0} for message in judged.prompt]
    turns = [*shown, {"message": judged.reply, "timestamp": 0.0, "sampled": True, **_tokens(judged.attempt)}]
    return [{**turn, "parent": number - 1 if number else None} for number, turn in enumerate(turns)]


def _tokens(attempt: Attempt) -> dict[str, Any]:
    tokens: TokenRecord | None = attempt.tokens
    if tokens is None:
        return {}
    known = all(value is not None for value in tokens.logprobs)
    mask = [kind == "sampled" for kind in tokens.kinds]
    return {"token_ids": tokens.ids, "mask": mask, "logprobs": tokens.logprobs if known else []}
