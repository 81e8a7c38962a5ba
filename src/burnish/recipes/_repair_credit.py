"""LeDex's rewards for repairs that are sampled while training: each by the verified repairs of the same wrong program."""

from __future__ import annotations

from collections.abc import Sequence

from burnish.curation._problems import Problem
from burnish.curation.ledex_rewards import LANGUAGES
from burnish.models.base import Renderer
from burnish.signals.ledex import Embed, Scale, repair_reward
from burnish.signals.span_ends import explanation_length, placed, span_credit
from burnish.text.code import extract_code, spans_of, wanted_name
from burnish.training.rollouts import Rollout

Ends = tuple[Sequence[int], Sequence[float]]


class RepairCredit:
    """A `RolloutSource.credit`: R(e) on the last token of the explanation and R(r) on the last of all. Remembers what it paid."""

    def __init__(
        self, problems: Sequence[Problem], renderer: Renderer, embed: Embed, *, scale: Scale, guarded: bool, explain: bool
    ) -> None:
        """`explain`: whether an explanation is asked for; then leaving it out costs."""
        self._problems = {problem.task.id: problem for problem in problems}
        self._renderer, self._embed, self._scale, self._guarded, self._explain = renderer, embed, scale, guarded, explain
        self._paid: dict[tuple[str, tuple[int, ...]], Ends] = {}

    def __call__(self, rollout: Rollout) -> Ends:
        """Ends (counted in sampled tokens) and rewards. Nothing for an undecided repair."""
        key = rollout.task_id, rollout.tokens.ids
        if key not in self._paid:
            self._paid[key] = self._pay(rollout)
        return self._paid[key]

    def _pay(self, rollout: Rollout) -> Ends:
        task, references = self._problems[rollout.task_id]
        spans = spans_of(rollout.text, extract_code(rollout.text, wanted_name(task)))
        explained = explanation_length(rollout.text, spans)
        reward = repair_reward(
            rollout.artefact or "",
            rollout.text[:explained] if self._explain else None,
            rollout.verdict,
            references,
            self._embed,
            language=LANGUAGES.get(task.kind, task.kind),
            scale=self._scale,
            guarded=self._guarded,
        )
        if reward is None:
            return (), ()
        ids = [rollout.tokens.ids[place] for start, end in rollout.tokens.sampled for place in range(start, end)]
        return placed(span_credit(reward, explained), ids, self._renderer.decode)
