"""Where text lies among tokens, whatever the tokenizer: everything derives from `Renderer.decode`."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from burnish.core.records import Example, Message
from burnish.models.base import Renderer


def pieces(renderer: Renderer, ids: Sequence[int]) -> list[str]:
    """The text that each token adds to the one before it (some tokenizers drop a leading space where a text begins)."""
    found = [renderer.decode(ids[:1])] if ids else []
    for before, token in pairwise(ids):
        found.append(renderer.decode((before, token))[len(renderer.decode((before,))) :])
    return found


def token_at(renderer: Renderer, ids: Sequence[int], character: int) -> int:
    """Index of the first token of this character of the decoded text; the number of tokens if the text ends before it."""
    return bisect_left(range(len(ids)), True, key=lambda index: len(renderer.decode(ids[: index + 1])) > character)


def place_of(renderer: Renderer, ids: Sequence[int], text: str) -> tuple[int, int] | None:
    """Half-open range of the tokens that hold the last occurrence of `text` in the decoded ids. None if it is not there."""
    whole = renderer.decode(ids)
    start = whole.rfind(text) if text else -1
    if start < 0:
        return None
    upto = whole[: start + len(text)]
    end = bisect_left(range(len(ids)), True, key=lambda count: renderer.decode(ids[:count])[: len(upto)] == upto)
    return token_at(renderer, ids, start), end


def answer_ids(renderer: Renderer, example: Example, text: str) -> tuple[int, ...]:
    """Ids of `text` as an answer to the example's prompt; the last of them ends the turn."""
    prompt = example.messages[:-1] or (Message(role="user", content="a"),)
    ids, (start, end) = renderer.supervised((*prompt, Message(role="assistant", content=text)))
    return tuple(ids[start:end])


def encoded(renderer: Renderer, text: str) -> tuple[int, ...]:
    """Ids of `text` as the beginning of an answer."""
    ids, (start, end) = renderer.supervised((Message(role="user", content="a"), Message(role="assistant", content=text)))
    return tuple(ids[start : end - 1])
