"""Where LeDex's two rewards fall: on the last token of the explanation and on the last token of all (arXiv 2405.18649, 3.4).

`objectives.credit.at_ends` lays them there and `objectives.advantages.span_gae` passes them back: with `cut` 0 by the paper's
formula, where a code reward still reaches the explanation, discounted; with `cut` 1 not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from burnish.core.records import Span
from burnish.signals.ledex import RepairReward

Decode = Callable[[Sequence[int]], str]
"""Token ids → their text without special tokens, as a renderer does it."""


def explanation_length(text: str, spans: Sequence[Span]) -> int:
    """Characters before the code: up to the opening fence, blanks included; all of it without code; 0 without an explanation."""
    if not any(span.kind == "explanation" for span in spans):
        return 0
    if not any(span.kind == "code" for span in spans):
        return len(text)
    end = max(span.end for span in spans if span.kind == "explanation")
    return end + len(text[end:]) - len(text[end:].lstrip())


def tokens_within(ids: Sequence[int], characters: int, decode: Decode) -> int:
    """How many of the first `ids` lie wholly within the first `characters` of what they stand for."""
    low, high = 0, len(ids)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(decode(ids[:middle])) <= characters else (low, middle - 1)
    return low


def reward_ends(reward: RepairReward, ids: Sequence[int], explained: int, decode: Decode) -> tuple[list[int], list[float]]:
    """Columns of the sampled `ids` (from 0) and the reward on each: `ends` and `scores` of one sample for `at_ends`.

    `explained` is the explanation's length in characters. What would fall on one token is added up, so is the reward for an
    explanation that was left out. Undefined rewards fall nowhere.
    """
    return placed(span_credit(reward, explained), ids, decode)


def span_credit(reward: RepairReward, explained: int) -> tuple[tuple[int, float], ...]:
    """The two rewards as credit by characters: where its span ends (0: with the answer), and the reward. Undefined ones are left out."""
    both = ((explained, reward.explanation), (0, reward.code))
    return tuple((end, value) for end, value in both if value is not None)


def placed(credit: Sequence[tuple[int, float]], ids: Sequence[int], decode: Decode) -> tuple[list[int], list[float]]:
    """Credit by characters of what `ids` stand for as columns and scores: each falls on the last token wholly within so many characters.

    Where there is none, and for 0 characters, that is the last token of all. What falls on one token is added up.
    """
    found: dict[int, float] = {}
    for characters, value in credit:
        column = (tokens_within(ids, characters, decode) if characters else 0) or len(ids)
        found[column - 1] = found.get(column - 1, 0.0) + value
    return list(found), list(found.values())
