"""What a strategy is given: a writer, a judge and a meter that record, replay and account every call.

A strategy is `async def name(task, policy, verifier, budget, rng, **options) -> Attempt | None`. It sees the task's public
side only. Attempt ids are `<episode>/<n>` in the order of asking and seeds derive from them, so a run that was
interrupted is resumed by running the strategy again: what is already recorded is replayed, not redone.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

import msgspec

from burnish.core.budget import Meter
from burnish.core.records import Attempt, Cost, Message, Sampling, Task, TokenRecord, Verdict, View
from burnish.core.seeds import derive_seed
from burnish.models.base import Completion, Policy, Request
from burnish.text.code import extract_code, spans_of, wanted_name
from burnish.verifiers.base import Limits, Verifier

Judged = tuple[Attempt, Verdict]
"""An attempt with its verdict on the visible checks."""

Strategy = Callable[..., Awaitable[Attempt | None]]
"""`(task, policy: Writer, verifier: Judge, budget: Meter, rng: random.Random, **options)` → the attempt handed in."""


class Log(Protocol):
    """Where a strategy's records go, and where those of an interrupted run come from."""

    def attempt(self, attempt_id: str) -> Attempt | None:
        """The recorded attempt, if any."""
        ...

    def verdict(self, attempt_id: str, view: View) -> Verdict | None:
        """The recorded verdict, if any; one with status `error` is not replayed."""
        ...

    def add_attempt(self, attempt: Attempt) -> None:
        """Record an attempt."""
        ...

    def add_verdict(self, attempt_id: str, view: View, verdict: Verdict) -> None:
        """Record a verdict."""
        ...


class Writer:
    """A policy that records. `write` is the only way a strategy can ask a model."""

    def __init__(self, policy: Policy, task: Task, episode_id: str, *, sampling: Sampling, seed: int, meter: Meter, log: Log) -> None:
        self._policy, self._task, self._episode_id = policy, task, episode_id
        self._sampling, self._seed, self._meter, self._log = sampling, seed, meter, log
        self.attempts: list[Attempt] = []
        self._count = 0

    async def write(
        self,
        messages: Iterable[Message],
        *,
        op: str = "sample",
        parent: Attempt | None = None,
        round: int = 0,
    ) -> Attempt:
        """Ask the policy to answer `messages`. Raises `BudgetExceeded` or `PolicyError`."""
        attempt_id = f"{self._episode_id}/{self._count}"
        self._count += 1
        known = self._log.attempt(attempt_id)
        if known is not None:
            self._meter.after_call(self._meter.before_call(self._sampling.max_tokens), known.cost)
            self.attempts.append(known)
            return known
        messages = tuple(messages)
        allowed = self._meter.before_call(self._sampling.max_tokens)
        cost = Cost()
        try:
            sampling = msgspec.structs.replace(self._sampling, max_tokens=allowed, seed=derive_seed(self._seed, attempt_id))
            request = Request(prompt_ids=self._policy.renderer.render(messages), sampling=sampling, messages=messages)
            completion = await self._policy.generate(request)
            counted = Cost(wall_s=completion.wall_s, tokens_in=len(request.prompt_ids), tokens_out=len(completion.ids))
            cost = completion.cost or counted
        finally:
            self._meter.after_call(allowed, cost)
        attempt = _attempt(attempt_id, self._episode_id, self._task, self._policy, request, completion, cost, op, parent, round)
        self._log.add_attempt(attempt)
        self.attempts.append(attempt)
        return attempt


def _attempt(
    attempt_id: str,
    episode_id: str,
    task: Task,
    policy: Policy,
    request: Request,
    completion: Completion,
    cost: Cost,
    op: str,
    parent: Attempt | None,
    round: int,
) -> Attempt:
    code = extract_code(completion.text, wanted_name(task))
    return Attempt(
        id=attempt_id,
        task_id=task.id,
        episode_id=episode_id,
        parent_id=parent.id if parent else None,
        op=op,
        round=round,
        messages=request.messages,
        text=completion.text,
        spans=spans_of(completion.text, code),
        artefacts={"code": code.text} if code else {},
        tokens=_tokens(request, completion),
        sampling=request.sampling,
        policy=policy.name,
        policy_version=completion.policy_version,
        stop_reason=completion.stop_reason,
        cost=cost,
    )


def _tokens(request: Request, completion: Completion) -> TokenRecord | None:
    """What was read and written; None where an engine speaks text only."""
    if not request.prompt_ids or not completion.knows_ids:
        return None
    start, end = len(request.prompt_ids), len(request.prompt_ids) + len(completion.ids)
    return TokenRecord(ids=request.prompt_ids + completion.ids, sampled=((start, end),), logprobs=completion.logprobs)


class Judge:
    """A verifier that records. It judges by the visible checks only: it has no others. `verdicts` maps attempt ids to them."""

    def __init__(self, verifier: Verifier, task: Task, *, limits: Limits, meter: Meter, log: Log) -> None:
        self._verifier, self._task, self._limits, self._meter, self._log = verifier, task.public(), limits, meter, log
        self.verdicts: dict[str, Verdict] = {}

    async def verify(self, attempt: Attempt) -> Verdict:
        """The verdict on an attempt. An attempt without a program is judged as an empty one: `invalid`."""
        verdict = self._log.verdict(attempt.id, "visible")
        if verdict is None or verdict.status == "error":
            self._meter.before_verify()
            verdict = await self._verifier.averify(self._task, attempt.artefacts.get("code", ""), limits=self._limits)
            self._log.add_verdict(attempt.id, "visible", verdict)
        self._meter.after_verify(verdict.cost)
        self.verdicts[attempt.id] = verdict
        return verdict


class Best:
    """Keeps the best of what it is offered: a verified attempt is never dropped, else the higher visible score, else the later."""

    def __init__(self, first: Judged, *others: Judged) -> None:
        self.judged = first
        for judged in others:
            self.offer(judged)

    def offer(self, judged: Judged) -> None:
        """Take `judged` if it is at least as good as what is held and that is not verified."""
        held = self.judged[1]
        if not held.passed and _rank(judged[1]) >= _rank(held):
            self.judged = judged


def _rank(verdict: Verdict) -> tuple[bool, float]:
    return verdict.passed, -1.0 if verdict.score is None else verdict.score


def episode_rng(seed: int, episode_id: str) -> random.Random:
    """The random generator of one episode: the same for the same run seed and episode."""
    return random.Random(derive_seed(seed, episode_id, "strategy"))
