"""What a strategy is given: a writer, a judge and a meter that record, replay and account every call.

A strategy is `async def name(task, policy, verifier, budget, rng, **options) -> Attempt | None`. It sees the task's public
side only. Attempt ids are `<episode>/<n>` in the order of asking and seeds derive from them, so a run that was
interrupted is resumed by running the strategy again: what is already recorded is replayed, not redone.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol

import msgspec

from burnish.core.budget import Meter
from burnish.core.errors import SandboxError
from burnish.core.records import Attempt, CheckSpec, Cost, Message, Record, Sampling, Span, Task, TokenRecord, Verdict, View
from burnish.core.seeds import derive_seed
from burnish.core.traces import Trace
from burnish.models.base import Completion, Policy, Request
from burnish.text.code import extract_code, spans_of, wanted_name
from burnish.verifiers.base import Limits, Tracer, Verifier, observe

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


class Prefix(Record):
    """The beginning of a reply that the policy is to continue: token ids and the text they stand for.

    `parallel` are the blocks of paths in `ids` that do not see each other, as in `Request`. An engine that knows no paths reads
    them one after another.
    """

    ids: tuple[int, ...]
    text: str
    parallel: tuple[tuple[tuple[int, int], ...], ...] = ()


class Writer:
    """A policy that records. `write` is the only way a strategy can ask a model. `teacher`: another model, for repairs and reviews."""

    def __init__(
        self,
        policy: Policy,
        task: Task,
        episode_id: str,
        *,
        sampling: Sampling,
        seed: int,
        meter: Meter,
        log: Log,
        teacher: Policy | None = None,
    ) -> None:
        self._policy, self._teacher, self._task, self._episode_id = policy, teacher or policy, task, episode_id
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
        kind: str = "code",
        prefix: Prefix | None = None,
        by_teacher: bool = False,
        **sampling_changes: Any,
    ) -> Attempt:
        """Ask the policy to answer `messages`; `by_teacher` the teacher, if there is one. Raises `BudgetExceeded` or `PolicyError`.

        `kind` says what the reply is: a program (`code`), or prose of that kind (`plan`, `review` …), which no stop string of
        a program cuts. `sampling_changes` are fields of `Sampling` for this call only (`temperature=0.2`). With a `prefix` the
        reply begins so: the attempt's text holds it, its tokens know that it was read and not sampled.
        """
        attempt_id = f"{self._episode_id}/{self._count}"
        self._count += 1
        prose = {} if kind == "code" else {"stop": ()}
        wanted = msgspec.structs.replace(self._sampling, **{**prose, **sampling_changes})
        known = self._log.attempt(attempt_id)
        if known is not None:
            allowed = self._meter.before_call(wanted.max_tokens)
            await asyncio.sleep(0)  # calls of one wave reserve their tokens before any gives some back, as they did at first
            self._meter.after_call(allowed, known.cost)
            self.attempts.append(known)
            return known
        messages, policy = tuple(messages), self._teacher if by_teacher else self._policy
        allowed = self._meter.before_call(wanted.max_tokens)
        cost = Cost()
        try:
            sampling = msgspec.structs.replace(wanted, max_tokens=allowed, seed=derive_seed(self._seed, attempt_id))
            request = _request(policy, messages, prefix, sampling)
            completion = await policy.generate(request)
            counted = Cost(wall_s=completion.wall_s, tokens_in=len(request.prompt_ids), tokens_out=len(completion.ids))
            cost = completion.cost or counted
        finally:
            self._meter.after_call(allowed, cost)
        if prefix:
            completion = msgspec.structs.replace(completion, text=prefix.text + completion.text)
        attempt = _attempt(attempt_id, self._episode_id, self._task, policy, messages, request, completion, cost, op, parent, round, kind)
        self._log.add_attempt(attempt)
        self.attempts.append(attempt)
        return attempt

    def decode(self, ids: Sequence[int]) -> str:
        """The text that token ids of this policy stand for."""
        return self._policy.renderer.decode(ids)

    def encode(self, text: str) -> tuple[int, ...]:
        """The token ids of a text as the policy's own words: what an assistant turn of just that text holds, without its end."""
        question = Message(role="user", content="-")
        ids, (start, end) = self._policy.renderer.supervised((question, Message(role="assistant", content=text)))
        return ids[start : end - 1]


def _request(policy: Policy, messages: tuple[Message, ...], prefix: Prefix | None, sampling: Sampling) -> Request:
    """Engines that speak text see the beginning of the reply as a last, unfinished assistant message."""
    ids = policy.renderer.render(messages)
    if prefix is None:
        return Request(prompt_ids=ids, sampling=sampling, messages=messages)
    begun = Message(role="assistant", content=prefix.text)
    shifted = tuple(tuple((start + len(ids), end + len(ids)) for start, end in block) for block in prefix.parallel)
    return Request(prompt_ids=ids + prefix.ids, sampling=sampling, messages=(*messages, begun), parallel=shifted)


def _attempt(
    attempt_id: str,
    episode_id: str,
    task: Task,
    policy: Policy,
    messages: tuple[Message, ...],
    request: Request,
    completion: Completion,
    cost: Cost,
    op: str,
    parent: Attempt | None,
    round: int,
    kind: str,
) -> Attempt:
    artefacts, spans = _parts(task, completion.text, kind)
    return Attempt(
        id=attempt_id,
        task_id=task.id,
        episode_id=episode_id,
        parent_id=parent.id if parent else None,
        op=op,
        round=round,
        messages=messages,
        text=completion.text,
        spans=spans,
        artefacts=artefacts,
        tokens=_tokens(request, completion),
        sampling=request.sampling,
        policy=policy.name,
        policy_version=completion.policy_version,
        stop_reason=completion.stop_reason,
        cost=cost,
    )


def _parts(task: Task, text: str, kind: str) -> tuple[dict[str, str], tuple[Span, ...]]:
    """What a reply holds, by kind, and where: its program, or all of it as prose."""
    if kind != "code":
        return {kind: text}, (Span(kind=kind, start=0, end=len(text)),) if text.strip() else ()
    code = extract_code(text, wanted_name(task))
    return {"code": code.text} if code else {}, spans_of(text, code)


def _tokens(request: Request, completion: Completion) -> TokenRecord | None:
    """What was read and written; None where an engine speaks text only."""
    if not request.prompt_ids or not completion.knows_ids:
        return None
    return completion.record(request.prompt_ids)


class Judge:
    """A verifier that records. It judges by the visible checks only: it has no others. `verdicts` maps attempt ids to them."""

    def __init__(self, verifier: Verifier, task: Task, *, limits: Limits, meter: Meter, log: Log) -> None:
        self._verifier, self._task, self._limits, self._meter, self._log = verifier, task.public(), limits, meter, log
        self.verdicts: dict[str, Verdict] = {}

    async def verify(self, attempt: Attempt) -> Verdict:
        """The verdict on an attempt; asked again, the same one. An attempt without a program is judged as an empty one: `invalid`."""
        known = self.verdicts.get(attempt.id)
        if known is not None and known.status != "error":
            return known
        verdict = self._log.verdict(attempt.id, "visible")
        if verdict is None or verdict.status == "error":
            self._meter.before_verify()
            verdict = await self._verifier.averify(self._task, attempt.artefacts.get("code", ""), limits=self._limits)
            self._log.add_verdict(attempt.id, "visible", verdict)
        self._meter.after_verify(verdict.cost)
        self.verdicts[attempt.id] = verdict
        return verdict

    async def observe(self, attempts: Sequence[Attempt]) -> list[tuple[str, ...]]:
        """What the attempts' programs do on the same inputs, to be compared; empty for one that cannot be run.

        The inputs are known ones and generated ones. Nothing is recorded: on resume the programs run again.
        """
        self._meter.before_verify()
        found = await observe(self._verifier, self._task, [a.artefacts.get("code", "") for a in attempts], limits=self._limits)
        self._meter.after_verify(sum((observed.cost for observed in found), Cost()))
        return [observed.outcomes for observed in found]

    async def passes(self, attempt: Attempt, tests: Sequence[CheckSpec]) -> frozenset[int]:
        """Numbers of the `tests`, generated ones that prove nothing, that the attempt's program passes. Nothing is recorded."""
        if not tests or not attempt.artefacts.get("code"):
            return frozenset()
        self._meter.before_verify()
        asked = msgspec.structs.replace(self._task, checks=tuple(tests))
        verdict = await self._verifier.averify(asked, attempt.artefacts["code"], limits=self._limits)
        self._meter.after_verify(verdict.cost)
        if verdict.status == "error" and not _own_fault(verdict):
            raise SandboxError("the judge failed on a generated test")
        return frozenset(number for number, check in enumerate(verdict.checks) if check.outcome == "pass")

    async def trace(self, program: str, check_id: str) -> Trace | None:
        """How `program` runs on a visible check, for feedback; None where the verifier cannot tell. Costs verifier time.

        Not recorded: a resumed run traces again what it has to show again.
        """
        if not isinstance(self._verifier, Tracer):
            return None
        self._meter.before_verify()
        trace = await self._verifier.atrace(self._task, program, check_id, limits=self._limits)
        if trace is not None:
            self._meter.after_verify(trace.cost)
        return trace


def _own_fault(verdict: Verdict) -> bool:
    """Whether no check could be run because all tests were broken themselves: then they are not passed, and nothing else is wrong."""
    return bool(verdict.checks) and all(
        any(found.code.endswith(".test_error") for found in check.diagnostics) for check in verdict.checks if check.outcome == "error"
    )


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
