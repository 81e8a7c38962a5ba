"""A run as Parquet tables: tasks, attempts with labels, rewards and tokens, checks, episodes.

For pandas, DuckDB, Polars or `datasets`. One row per record, joined by ids. A reward is null where nothing was decided.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from burnish.core.records import Cost, Episode, Task
from burnish.exports._rows import Judged, attempts
from burnish.exports._tables import FLAG, IDS, MESSAGES, NUMBER, NUMBERS, ORIGIN, RANGES, TEXT, WHOLE, write_table
from burnish.interop.judge import task_text
from burnish.signals import rewards
from burnish.signals.valuing import reward_named, value_of
from burnish.store.runs import VIEWS, RunStore

COST = {"tokens_in": WHOLE, "tokens_out": WHOLE, "wall_s": NUMBER}
TURN = {"episode_id": TEXT, "parent_id": TEXT, "op": TEXT, "round": WHOLE, "messages": MESSAGES, "text": TEXT, "program": TEXT}
TOKENS = {"stop_reason": TEXT, "token_ids": IDS, "sampled": RANGES, "logprobs": NUMBERS}
LABEL = {"status": TEXT, "coverage": NUMBER, **dict.fromkeys(rewards.__all__, NUMBER)}
ATTEMPTS = {**ORIGIN, **TURN, **TOKENS, **LABEL, **COST}
TASKS = {"task_id": TEXT, "group_id": TEXT, "kind": TEXT, "prompt": TEXT, "visible_checks": WHOLE, "hidden_checks": WHOLE, "task": TEXT}
CHECKS = {"attempt_id": TEXT, "view": TEXT, "check_id": TEXT, "kind": TEXT, "outcome": TEXT, "hidden": FLAG}
CHECKS |= {"weight": NUMBER, "score": NUMBER, "wall_s": NUMBER, "input": TEXT, "expected": TEXT, "actual": TEXT}
EPISODES = {"episode_id": TEXT, "task_id": TEXT, "index": WHOLE, "status": TEXT, "answer": TEXT, "detail": TEXT, **COST}


def parquet(store: RunStore, out: Path) -> dict[str, int]:
    """Write `tasks.parquet`, `attempts.parquet`, `checks.parquet` and `episodes.parquet`; rows of each.

    `task` is the whole task as JSON. Prose on the way (plans, reviews) is among the attempts, with the status `unknown`.
    """
    return {
        "tasks.parquet": write_table(out / "tasks.parquet", map(_task, store.tasks()), TASKS),
        "attempts.parquet": write_table(out / "attempts.parquet", map(_attempt, attempts(store)), ATTEMPTS),
        "checks.parquet": write_table(out / "checks.parquet", _checks(store), CHECKS),
        "episodes.parquet": write_table(out / "episodes.parquet", map(_episode, store.episodes()), EPISODES),
    }


def _task(task: Task) -> dict[str, Any]:
    counts = {"visible_checks": len(task.visible()), "hidden_checks": len(task.hidden())}
    return {"task_id": task.id, "group_id": task.group_id, "kind": task.kind, "prompt": task.prompt, "task": task_text(task), **counts}


def _attempt(judged: Judged) -> dict[str, Any]:
    attempt, label, tokens = judged.attempt, judged.label, judged.attempt.tokens
    return {
        **judged.origin,
        **{name: getattr(attempt, name) for name in ("episode_id", "parent_id", "op", "round", "text", "stop_reason")},
        "messages": judged.prompt,
        "program": attempt.artefacts.get("code"),
        "token_ids": tokens and tokens.ids,
        "sampled": tokens and tokens.sampled,
        "logprobs": tokens and tokens.logprobs,
        "status": label.status,
        "coverage": label.coverage,
        **{name: value_of(reward_named(name), label, judged.task.id) for name in rewards.__all__},
        **_cost(attempt.cost),
    }


def _checks(store: RunStore) -> Iterator[dict[str, Any]]:
    for view in VIEWS:
        for attempt_id, verdict in store.verdicts(view).items():
            for check in verdict.checks:
                example = check.counterexample
                found = {name: getattr(example, name) for name in ("input", "expected", "actual")} if example else {}
                facts = {name: getattr(check, name) for name in ("kind", "outcome", "hidden", "weight", "score", "wall_s")}
                yield {"attempt_id": attempt_id, "view": view, "check_id": check.id, **facts, **found}


def _episode(episode: Episode) -> dict[str, Any]:
    facts = {name: getattr(episode, name) for name in ("task_id", "index", "status", "answer", "detail")}
    return {"episode_id": episode.id, **facts, **_cost(episode.cost)}


def _cost(cost: Cost) -> dict[str, Any]:
    return {name: getattr(cost, name) for name in COST}
