"""How sure the policy was of each line: a step-wise scorer that needs no model of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence

from burnish.core.records import Attempt, Task
from burnish.strategies.base import Judge, Writer


async def line_likelihood(task: Task, program: str, attempts: Sequence[Attempt], policy: Writer, verifier: Judge) -> tuple[float, ...]:
    """For each line that is not blank exp(mean log-probability of its tokens), in the first attempt; 1 for lines not sampled."""
    attempt = attempts[0]
    start = attempt.text.find(program)
    places = _places(attempt, policy)
    scores = []
    for line in program.splitlines(keepends=True):
        end = start + len(line)
        if line.strip():
            mine = [logprob for begin, stop, logprob in places if begin < end and stop > start]
            scores.append(math.exp(sum(mine) / len(mine)) if mine else 1.0)
        start = end
    return tuple(scores) or (0.0,)


def _places(attempt: Attempt, policy: Writer) -> list[tuple[int, int, float]]:
    """Where each sampled token of known log-probability stands in the attempt's text: first character, last character, and that."""
    tokens = attempt.tokens
    if tokens is None or not tokens.logprobs:
        return []
    sampled = [token for begin, end in tokens.sampled for token in tokens.ids[begin:end]]
    ends = [len(policy.decode(sampled[: count + 1])) for count in range(len(sampled))]
    decoded = policy.decode(sampled)
    given = next(start for start in range(len(attempt.text) + 1) if decoded.startswith(attempt.text[start:]))
    known = zip([0, *ends[:-1]], ends, tokens.logprobs, strict=True)
    return [(given + begin, given + end, logprob) for begin, end, logprob in known if logprob is not None]
