"""The records: everything Burnish writes down and everything it learns from.

One direction: a `Task` is given, a policy makes an `Attempt`, a verifier returns a `Verdict`, curation turns both
into an `Example`. All are frozen, carry a schema version through `SCHEMA`, and round-trip through JSON and msgpack.
Attempts form a forest by `parent_id`: refine chains, search trees and multi-agent rounds are one shape.
Invariants are checked where records are made (`Verdict.of`), so that a stored record can be believed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, Literal, dataclass_transform

import msgspec

SCHEMA = 1
"""Version of the record layout. A store written with a newer one is refused, never guessed at."""

Status = Literal["pass", "fail", "invalid", "timeout", "unknown", "error", "unsupported", "tampered"]
Outcome = Literal["pass", "fail", "timeout", "crash", "skip", "unknown", "error"]
EpisodeStatus = Literal["done", "budget", "error"]
Severity = Literal["info", "warn", "error"]
Role = Literal["system", "user", "assistant"]
TokenKind = Literal["sampled", "content", "scaffold"]

View = Literal["visible", "hidden", "all"]
"""Which checks of its task a verdict is about."""

PRECEDENCE: tuple[Status, ...] = ("tampered", "invalid", "fail", "timeout", "error", "unsupported", "unknown", "pass")
"""Status precedence: a certain failure stays a failure even if another check hit an infrastructure fault."""

UNSCORED: frozenset[Status] = frozenset({"unknown", "error", "unsupported"})
"""Statuses without a score: never a reward, never a label."""


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all records: immutable, keyword-only, defaults left out on disk."""


class Message(Record):
    """One turn of a conversation, as text."""

    role: Role
    content: str


class CheckSpec(Record):
    """One check that a task asks for. `kind` names how the verifier reads `data` (for example `call`, `stdio`)."""

    id: str
    kind: str
    data: dict[str, Any]
    hidden: bool = False
    weight: float = 1.0


class Task(Record):
    """Something to be solved and checked. `kind` names the verifier; `group_id` is the split key (one concept, one side)."""

    id: str
    group_id: str
    kind: str
    prompt: str
    context: dict[str, Any] = {}
    checks: tuple[CheckSpec, ...] = ()
    refs: tuple[str, ...] = ()
    meta: dict[str, Any] = {}

    def public(self) -> Task:
        """The task as strategies and feedback may see it: without hidden checks and without references."""
        visible = tuple(check for check in self.checks if not check.hidden)
        return msgspec.structs.replace(self, checks=visible, refs=())

    def visible(self) -> tuple[CheckSpec, ...]:
        """The checks a strategy may see."""
        return tuple(check for check in self.checks if not check.hidden)

    def hidden(self) -> tuple[CheckSpec, ...]:
        """The checks that only labelling and evaluation may see."""
        return tuple(check for check in self.checks if check.hidden)


class Span(Record):
    """A labelled half-open range `[start, end)` of characters of an attempt's text: `code`, `explanation`, `plan` …"""

    kind: str
    start: int
    end: int


class TokenRecord(Record):
    """What the policy really read and wrote. Never re-tokenised; text is only a view of it.

    `ids` is the whole sequence (prompt, then everything after). `sampled` lists ascending half-open ranges of `ids` that
    this attempt's policy sampled; `logprobs` holds one behaviour log-probability (natural log, after temperature) per
    sampled position, in order: None where the engine gave no finite one, empty if it does not tell at all. Masks derive from
    `sampled`, never from a chat role.
    """

    ids: tuple[int, ...]
    sampled: tuple[tuple[int, int], ...]
    logprobs: tuple[float | None, ...]
    content: tuple[tuple[int, int], ...] = ()
    """Ascending ranges of message text that was read. Neither sampled nor content is scaffold: headers, ends, line breaks.

    Conversations record it; records of single completions leave it empty.
    """
    temperatures: tuple[float, ...] = ()
    """One per sampled token, where they differ among each other. Empty: as the attempt's `sampling` says."""
    raw_logprobs: tuple[float | None, ...] = ()
    """At temperature 1 over the whole vocabulary, one per sampled token. Empty: the same as `logprobs`."""
    kept: tuple[float | None, ...] = ()
    """Mass that truncated sampling left, one per sampled token: `logprobs` + ln(kept) is of the whole distribution.

    None: the engine did not tell it. Empty: all.
    """

    def __post_init__(self) -> None:
        count = sum(end - start for start, end in self.sampled)
        for field, word in PER_TOKEN.items():
            values = getattr(self, field)
            if values and len(values) != count:
                raise ValueError(f"{count} sampled tokens but {len(values)} {word}: they must match.")
        for name, ranges in (("sampled", self.sampled), ("content", self.content)):
            if any(not 0 <= start <= end <= len(self.ids) for start, end in ranges):
                raise ValueError(f"{name} ranges {ranges} leave the {len(self.ids)} token ids.")
        both = sorted((*self.sampled, *self.content))
        ascending = list(self.sampled) == sorted(self.sampled)
        if not ascending or any(end > start for (_, end), (start, _) in pairwise(both)):
            raise ValueError(f"sampled ranges {self.sampled} and content ranges {self.content} must ascend without overlap.")
        if not all(value is not None and math.isfinite(value) for value in self.logprobs):
            finite = tuple(value if value is not None and math.isfinite(value) else None for value in self.logprobs)
            msgspec.structs.force_setattr(self, "logprobs", finite)

    @property
    def kinds(self) -> tuple[TokenKind, ...]:
        """What each token is, by who brought it: `sampled`, `content` or `scaffold`."""
        kinds: list[TokenKind] = ["scaffold"] * len(self.ids)
        for start, end in self.content:
            kinds[start:end] = ["content"] * (end - start)
        for start, end in self.sampled:
            kinds[start:end] = ["sampled"] * (end - start)
        return tuple(kinds)


PER_TOKEN = {
    "logprobs": "log-probabilities",
    "temperatures": "temperatures",
    "raw_logprobs": "raw log-probabilities",
    "kept": "kept masses",
}
"""Fields of a `TokenRecord` with one value per sampled token, or none at all; and what they are called."""


class Switch(Record):
    """Another temperature inside a part of the answer: from the end of the text `open` to the end of the text `close`."""

    open: str
    close: str
    temperature: float


class Constraint(Record):
    """What the answer must match: a JSON schema (`json`, its text), a regular expression (`regex`) or a grammar (`grammar`, EBNF)."""

    kind: Literal["json", "regex", "grammar"]
    text: str


class Sampling(Record):
    """How a completion was drawn. `temperature` 0 is greedy.

    `top_k` (0: off), `top_p` and `min_p` (a share of the best token's probability) each drop tokens of the distribution after
    temperature; what all keep is renormalised. Such a truncated distribution is recorded and refused for on-policy training.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    seed: int = 0
    top_k: int = 0
    min_p: float = 0.0
    switches: tuple[Switch, ...] = ()
    constraint: Constraint | None = None

    @property
    def truncated(self) -> bool:
        """True if some tokens could not be drawn although the model gives them mass."""
        return self.top_p < 1 or self.top_k > 0 or self.min_p > 0 or self.constraint is not None


class Cost(Record):
    """What something took. Seconds are seconds, tokens are counts, money is in the currency of the prices that were given."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_mb: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0
    output_bytes: int = 0
    cached: bool = False
    money: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        """Costs add up; `peak_mb` is a maximum and `cached` holds only if both were cached."""
        return Cost(
            wall_s=self.wall_s + other.wall_s,
            cpu_s=self.cpu_s + other.cpu_s,
            peak_mb=max(self.peak_mb, other.peak_mb),
            tokens_in=self.tokens_in + other.tokens_in,
            tokens_out=self.tokens_out + other.tokens_out,
            output_bytes=self.output_bytes + other.output_bytes,
            cached=self.cached and other.cached,
            money=self.money + other.money,
        )


class Attempt(Record):
    """One completion of a policy for a task, with the conversation that led to it.

    `op` says what the turn was for (`sample`, `refine`, `plan` …); `round` counts refinement rounds from 0;
    `messages` is the prompt as sent (without this completion); `artefacts` maps a kind to the extracted value
    (`{"code": "def f …"}`); an empty mapping means that nothing checkable was found in `text`. Prose that a strategy asked for on
    the way (a plan, a review) has an artefact of its own kind and is no answer to the task.
    """

    id: str
    task_id: str
    op: str
    messages: tuple[Message, ...]
    text: str
    episode_id: str = ""
    parent_id: str | None = None
    round: int = 0
    spans: tuple[Span, ...] = ()
    artefacts: dict[str, str] = {}
    tokens: TokenRecord | None = None
    sampling: Sampling = Sampling()
    policy: str = ""
    policy_version: str = "0"
    stop_reason: str = ""
    cost: Cost = Cost()

    @property
    def is_answer(self) -> bool:
        """True if this was meant to solve the task; False for prose on the way."""
        return not self.artefacts or "code" in self.artefacts


class Episode(Record):
    """One run of a strategy on one task. Its attempts carry its id; `answer` is the attempt that the strategy hands in.

    `status` is `done`, `budget` (a limit was reached first) or `error` (infrastructure; redone on resume, never counted).
    """

    id: str
    task_id: str
    index: int
    status: EpisodeStatus
    answer: str | None = None
    detail: str = ""
    cost: Cost = Cost()


class SourceSpan(Record):
    """A place in the artefact as the model wrote it: 0-based half-open characters, 1-based lines, 0-based columns."""

    start: int
    end: int
    line: int
    col: int
    end_line: int
    end_col: int


class Diagnostic(Record):
    """One finding. `visibility` other than `model` never reaches a prompt."""

    code: str
    message: str
    severity: Severity = "error"
    hint: str | None = None
    span: SourceSpan | None = None
    visibility: Literal["model", "train", "eval"] = "model"


class Counterexample(Record):
    """An input on which the artefact is wrong. Values are source text of the language (`repr` for Python), length-bounded."""

    input: str
    expected: str
    actual: str
    repro: str = ""
    minimized: bool = False
    validated: bool = True


class Check(Record):
    """The outcome of one check. `score` gives partial credit in [0, 1]; None means all or nothing.

    `runs` above 1: it was judged that often, in fresh processes, and passed `pass_runs` times.
    """

    id: str
    kind: str
    outcome: Outcome
    weight: float = 1.0
    required: bool = True
    score: float | None = None
    hidden: bool = False
    wall_s: float = 0.0
    runs: int = 1
    pass_runs: int = 0
    diagnostics: tuple[Diagnostic, ...] = ()
    counterexample: Counterexample | None = None


class TamperFlag(Record):
    """A sign that the artefact attacked its judge. A hard flag makes the verdict `tampered`."""

    code: str
    evidence: str
    hard: bool = True


class Provenance(Record):
    """Who judged what, with which tools: enough to repeat the verdict and to key a cache."""

    verifier: str
    version: str
    artefact_hash: str = ""
    isolation: str = ""
    tools: dict[str, str] = {}


class Verdict(Record):
    """The facts a verifier reports. Build it with `Verdict.of`, which derives status, score and coverage.

    `score` is None exactly for `unknown`, `error` and `unsupported`. `coverage` is the decided share of the weight.
    `complete` is False whenever a check was skipped. Source: verifier contract, section 2.
    """

    status: Status
    score: float | None
    coverage: float
    complete: bool
    checks: tuple[Check, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    tamper: tuple[TamperFlag, ...] = ()
    steps: tuple[float | None, ...] = ()
    features: dict[str, float] = {}
    cost: Cost = Cost()
    provenance: Provenance = Provenance(verifier="", version="")

    @property
    def passed(self) -> bool:
        """True only if every required check was decided and passed."""
        return self.status == "pass"

    @property
    def scored(self) -> bool:
        """True if this verdict may become a reward or a label."""
        return self.status not in UNSCORED

    @property
    def first_failure(self) -> Check | None:
        """The first check that the artefact failed, if any."""
        return next((check for check in self.checks if check.outcome in FAILED), None)

    @classmethod
    def of(
        cls,
        checks: Iterable[Check],
        *,
        invalid: Iterable[Diagnostic] = (),
        diagnostics: Iterable[Diagnostic] = (),
        tamper: Iterable[TamperFlag] = (),
        unsupported: bool = False,
        steps: tuple[float | None, ...] = (),
        features: Mapping[str, float] | None = None,
        cost: Cost = Cost(),
        provenance: Provenance = Provenance(verifier="", version=""),
    ) -> Verdict:
        """Derive the verdict from its facts. Zero checks is `unknown`, never `pass`; any `invalid` diagnostic is `invalid`."""
        checks, invalid, tamper = tuple(checks), tuple(invalid), tuple(tamper)
        status = _status(checks, bool(invalid), any(flag.hard for flag in tamper), unsupported)
        decided = [check for check in checks if check.outcome in DECIDED]
        total = sum(check.weight for check in checks)
        weight = sum(check.weight for check in decided)
        return cls(
            status=status,
            score=_score(status, decided, weight),
            coverage=weight / total if total else 0.0,
            complete=bool(checks) and all(check.outcome != "skip" for check in checks),
            checks=checks,
            diagnostics=(*invalid, *diagnostics),
            tamper=tamper,
            steps=steps,
            features=dict(features or {}),
            cost=cost,
            provenance=provenance,
        )

    def merge(self, other: Verdict) -> Verdict:
        """The verdict over both sets of checks (for example visible, then hidden). Keeps this one's provenance."""
        both = (self, other)
        diagnostics = self.diagnostics + other.diagnostics
        invalid = any(verdict.status == "invalid" for verdict in both)
        return Verdict.of(
            self.checks + other.checks,
            invalid=diagnostics if invalid else (),
            diagnostics=() if invalid else diagnostics,
            tamper=self.tamper + other.tamper,
            unsupported=any(verdict.status == "unsupported" for verdict in both),
            steps=self.steps + other.steps,
            features={**self.features, **other.features},
            cost=self.cost + other.cost,
            provenance=self.provenance,
        )


DECIDED = frozenset({"pass", "fail", "timeout", "crash"})
FAILED = frozenset({"fail", "timeout", "crash"})


def _status(checks: tuple[Check, ...], invalid: bool, tampered: bool, unsupported: bool) -> Status:
    present: set[Status] = set()
    if tampered:
        present.add("tampered")
    if invalid:
        present.add("invalid")
    if unsupported:
        present.add("unsupported")
    required = [check for check in checks if check.required]
    if not required:
        present.add("unknown")
    for check in required:
        present.add(_STATUS_OF[check.outcome])
    return next(status for status in PRECEDENCE if status in present)


_STATUS_OF: dict[Outcome, Status] = {
    "pass": "pass",
    "fail": "fail",
    "crash": "fail",
    "timeout": "timeout",
    "error": "error",
    "unknown": "unknown",
    "skip": "unknown",
}


def _score(status: Status, decided: list[Check], weight: float) -> float | None:
    if status in UNSCORED:
        return None
    if status in ("tampered", "invalid") or not weight:
        return 0.0
    credit = {"pass": 1.0, "fail": 0.0, "timeout": 0.0, "crash": 0.0}
    return sum(c.weight * (credit[c.outcome] if c.score is None else c.score) for c in decided) / weight


class Example(Record):
    """What a trainer eats: one conversation whose last assistant turn (or whose `loss_spans`) is learned.

    Either `tokens` is given (the exact ids of a run, trained where sampled) or `messages` is rendered once by the
    trainer's renderer, with the loss on the last assistant turn only. `attempts` is the way back to the evidence.
    """

    id: str
    kind: str
    task_id: str
    messages: tuple[Message, ...]
    tokens: TokenRecord | None = None
    weight: float = 1.0
    attempts: tuple[str, ...] = ()
    meta: dict[str, Any] = {}
