"""A stored run read once, task by task, for the pages that show it. Nothing is measured here; labels come from the evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from burnish.core.errors import BurnishError, Unavailable
from burnish.core.records import Attempt, Episode, Task
from burnish.evaluation.samples import Evidence
from burnish.models import Pieces, token_texts
from burnish.store.runs import RunStore
from burnish.training.journal import learned
from burnish.viewer.blocks import Story
from burnish.viewer.stories import story
from burnish.viewer.tokens import has_figures

FILTERS = ("solved", "repaired", "unsolved", "visible only", "errors", "not tried")
"""What tasks can be filtered by, in the order shown. One task may have several."""

FILTER_NOTE = (
    "Solved: an answer handed in passes all checks, hidden ones included. Repaired: an attempt passes all checks and the one it repairs "
    "does not. Visible only: an answer handed in passes the visible checks and fails hidden ones."
)
SUMMARY_LENGTH = 160
"""Longest beginning of a task's prompt in the list, in characters."""


class Material:
    """All of a run. `without_texts` says why tokens are not shown, if there are some worth showing."""

    def __init__(self, store: RunStore, *, tokenizer: str = "") -> None:
        """`tokenizer` names the model whose tokeniser gives tokens their text; by default the run's own."""
        self.evidence, self.learned = Evidence(store), learned(store)
        self.tasks = {task.id: task for task in store.tasks()}
        self._attempts: dict[str, list[Attempt]] = {}
        self._episodes: dict[str, list[Episode]] = {}
        for attempt in store.attempts():
            self._attempts.setdefault(attempt.task_id, []).append(attempt)
        for episode in store.episodes():
            self._episodes.setdefault(episode.task_id, []).append(episode)
        self._pieces: Pieces | None = None
        self.without_texts = ""
        if any(has_figures(attempt) for own in self._attempts.values() for attempt in own):
            try:
                self._pieces = _pieces(store, tokenizer)
            except BurnishError as missing:
                self.without_texts = f"Tokens are not shown. {missing}"

    def attempts(self, task: Task) -> list[Attempt]:
        """The attempts on a task, in the order of adding."""
        return self._attempts.get(task.id, [])

    def answers(self, task: Task) -> set[str]:
        """Ids of the attempts that were handed in; an attempt of no episode counts as one."""
        episodes = self._episodes.get(task.id, [])
        handed_in = {episode.answer for episode in episodes if episode.answer and episode.status != "error"}
        return handed_in | {attempt.id for attempt in self.attempts(task) if not attempt.episode_id}

    def passing(self, task: Task) -> int:
        """How many answers pass all checks."""
        return sum(self.evidence.label(answer) is True for answer in self.answers(task))

    def rate(self, task: Task) -> float | None:
        """Share of the decided answers that pass; None if none was decided."""
        labels = [label for answer in self.answers(task) if (label := self.evidence.label(answer)) is not None]
        return sum(labels) / len(labels) if labels else None

    def story(self, task: Task) -> Story:
        """The task with the forest of its attempts."""
        evidence, episodes = self.evidence, self._episodes.get(task.id, [])
        faults = " ".join(dict.fromkeys(episode.detail for episode in episodes if episode.status == "error" and episode.detail))
        return story(
            task,
            self.attempts(task),
            evidence.visible,
            evidence.hidden,
            answers=self.answers(task),
            learned=self.learned,
            pieces=self._pieces,
            note=faults,
        )

    def facts(self, task: Task) -> tuple[str, ...]:
        """One line about a task: answers, attempts, tokens."""
        attempts, answers = self.attempts(task), len(self.answers(task))
        tokens = sum(attempt.cost.tokens_out for attempt in attempts)
        passing = f"{self.passing(task)} of {_count(answers, 'answer')} pass{'es' if answers == 1 else ''}"
        return passing, _count(len(attempts), "attempt"), _count(tokens, "token")

    def tags(self, task: Task) -> tuple[str, ...]:
        """Those of `FILTERS` that hold."""
        evidence, attempts, answers = self.evidence, self.attempts(task), self.answers(task)
        repaired = any(evidence.label(a.id) and a.parent_id and evidence.label(a.parent_id) is False for a in attempts)
        misled = any(evidence.passes_visible(answer) and evidence.label(answer) is False for answer in answers)
        labels = [evidence.labels[attempt.id] for attempt in attempts if attempt.id in evidence.labels]
        faulty = any(episode.status == "error" for episode in self._episodes.get(task.id, []))
        faulty = faulty or any(label.status == "error" for label in labels)
        solved = self.passing(task) > 0
        holds = (solved, repaired, not solved and bool(attempts), misled, faulty, not attempts)
        return tuple(name for name, is_so in zip(FILTERS, holds, strict=True) if is_so)


def summary_of(task: Task) -> str:
    """The beginning of a task's prompt, in one line."""
    return " ".join(task.prompt.split())[:SUMMARY_LENGTH]


def describe(manifest: Mapping[str, Any]) -> str:
    """What a run is, in a line: its kind, strategy, tasks and model."""
    config = manifest.get("config")
    strategy = config.get("strategy") if isinstance(config, dict) else None
    parts = [manifest.get("kind"), strategy, manifest.get("tasks"), manifest.get("model")]
    return " · ".join(part for part in parts if isinstance(part, str) and part)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _pieces(store: RunStore, tokenizer: str) -> Pieces:
    """By the named tokeniser, else the run's model's, else that of its newest checkpoint."""
    manifest = store.manifest
    plan = manifest.get("plan")
    named = manifest.get("model") or (plan.get("model") if isinstance(plan, dict) else "")
    checkpoints = sorted(map(str, store.folder.glob("step-*")), reverse=True)
    candidates = [tokenizer] if tokenizer else [str(named or "?"), *checkpoints[:1]]
    reasons = []
    for name in candidates:
        try:
            return token_texts(name)
        except Unavailable as missing:
            reasons.append(missing)
    raise Unavailable(f"{reasons[0]} Say which with `burnish view RUN --tokenizer FOLDER`.")
