"""Beginnings of replies, cut after a line of their program at a boundary of sampled tokens. Nothing is tokenised again."""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections.abc import Callable, Sequence

from burnish.core.errors import InputError
from burnish.core.records import Attempt
from burnish.strategies.base import Prefix


def code_lines(attempt: Attempt) -> list[str]:
    """The lines of the attempt's program that are not blank, without trailing blanks."""
    return [line.rstrip() for line in attempt.artefacts.get("code", "").splitlines() if line.strip()]


def cut(attempt: Attempt, lines: int, decode: Callable[[Sequence[int]], str], given: Prefix | None = None) -> Prefix:
    """The reply up to the end of its program's line number `lines` (from 1), by whole tokens: the fewest that hold that line.

    `given` is the beginning that the attempt itself continued. Where a token holds more than the line's end, so does the
    prefix. Raises `ValueError` if there is no such line.
    """
    if not 1 <= lines <= len(code_lines(attempt)):
        raise ValueError(f"attempt {attempt.id} has no line {lines} of code to be cut after")
    ids = (given.ids if given else ()) + sampled_ids(attempt)
    needed = _end_of_line(attempt, lines)
    count = bisect_left(range(len(ids)), needed, key=lambda index: len(decode(ids[:index])))
    return Prefix(ids=ids[:count], text=decode(ids[:count]))


def sampled_ids(attempt: Attempt) -> tuple[int, ...]:
    """The token ids that the attempt's policy sampled. Raises `InputError` if it tells only text."""
    if attempt.tokens is None:
        raise InputError(
            f"This strategy continues replies token by token, and the model {attempt.policy!r} tells only their text. "
            "Use an engine that gives token ids, or another strategy."
        )
    return tuple(token for start, end in attempt.tokens.sampled for token in attempt.tokens.ids[start:end])


def _end_of_line(attempt: Attempt, lines: int) -> int:
    """Where the program's line ends in the attempt's text, in characters; its trailing blanks do not count."""
    start = next(span.start for span in attempt.spans if span.kind == "code")
    seen = 0
    for line in attempt.artefacts["code"].splitlines(keepends=True):
        seen += bool(line.strip())
        if seen == lines:
            return start + len(line.rstrip())
        start += len(line)
    raise AssertionError("the line is there")


def prefix_weights(lines: int, decay: float = 0.95) -> list[float]:
    """P(prefix of i lines) ∝ decay^(i−1) for i from 1 to `lines`: shorter ones are favoured (ReST-RL, arXiv 2508.19576)."""
    weights = [decay**i for i in range(lines)]
    return [weight / sum(weights) for weight in weights]


def draw_lengths(lines: int, rng: random.Random, *, share: float = 0.5, decay: float = 0.95) -> list[int]:
    """⌈share·lines⌉ lengths of prefixes, drawn with replacement by `prefix_weights`."""
    return rng.choices(range(1, lines + 1), prefix_weights(lines, decay), k=math.ceil(share * lines))
