"""What a run knows about single tokens and about parts of a reply: pure functions from records to what is drawn.

Tokens are the record and have no text of their own; `Pieces` gives it, from the tokeniser of the model that wrote them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from burnish.core.records import Attempt, Span
from burnish.models import Pieces
from burnish.training.journal import Learned
from burnish.viewer.blocks import SpanLine, Token

QUOTE = 60
"""Characters of a part that are quoted beside its figures."""


def tokens_of(attempt: Attempt, learned: Learned | None, pieces: Pieces | None) -> tuple[Token, ...]:
    """The sampled tokens with what is known about each; none if their text is unknown or there is nothing to colour them by."""
    record = attempt.tokens
    if pieces is None or record is None or not (has_figures(attempt) or (learned and learned.advantage)):
        return ()
    ids = [record.ids[index] for start, end in record.sampled for index in range(start, end)]
    known = record.logprobs or (None,) * len(ids)
    trainer = (learned.trainer if learned else ()) or (None,) * len(ids)
    advantage = (learned.advantage if learned else ()) or (None,) * len(ids)
    differences = [None if old is None or new is None else new - old for old, new in zip(known, trainer, strict=True)]
    columns = zip(pieces(ids), known, differences, advantage, strict=True)
    return tuple(
        Token(text=text, logprob=_short(logprob), difference=_short(difference), advantage=_short(value))
        for text, logprob, difference, value in columns
    )


def has_figures(attempt: Attempt) -> bool:
    """True if the engine told how probable the tokens were. (A scripted or greedy one only has zeros.)"""
    return attempt.tokens is not None and any(attempt.tokens.logprobs)


def spans_of(attempt: Attempt, tokens: Sequence[Token], learned: Learned | None, steps: Sequence[float | None]) -> tuple[SpanLine, ...]:
    """The parts of a reply with what each earned: `steps` are the judge's scores of its step spans, in order."""
    owners = list(_owners(attempt.spans, tokens, attempt.text))
    of_steps = [span for span in attempt.spans if span.kind in ("step", "line")]
    judged = dict(zip(of_steps, steps, strict=True)) if len(of_steps) == len(steps) else {}
    credit = _credit_of(owners, learned.credit if learned else ())
    lines = []
    for span in attempt.spans:
        places = [index for index, owner in enumerate(owners) if owner == span]
        text = " ".join(attempt.text[span.start : span.end].split())
        lines.append(
            SpanLine(
                kind=span.kind,
                text=text if len(text) <= QUOTE else f"{text[: QUOTE - 1]}…",
                tokens=len(places),
                reward=credit.get(span, judged.get(span)),
                advantage=_mean([tokens[index].advantage for index in places]),
                logprob=_mean([tokens[index].logprob for index in places]),
            )
        )
    return tuple(lines)


def _owners(spans: Sequence[Span], tokens: Sequence[Token], text: str) -> Iterator[Span | None]:
    """The span in which each token begins: the shortest one, where one lies inside another."""
    begin = text.find("".join(token.text for token in tokens).rstrip()) if tokens else 0
    place = max(begin, 0)  # a forced beginning of the reply was not sampled
    for token in tokens:
        inside = [span for span in spans if span.start <= place < span.end]
        yield min(inside, key=lambda span: span.end - span.start, default=None)
        place += len(token.text)


def _credit_of(owners: Sequence[Span | None], credit: Sequence[tuple[int, float]]) -> dict[Span | None, float]:
    """Rewards by span. A reward is for the tokens since the one before it, and goes to the span that most of them are in."""
    found: dict[Span | None, float] = {}
    begin = 0
    for end, score in credit:
        inside = [owner for owner in owners[begin : end + 1] if owner is not None]
        owner = Counter(inside).most_common(1)[0][0] if inside else None
        found[owner] = found.get(owner, 0.0) + score
        begin = end + 1
    return found


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return _short(sum(known) / len(known)) if known else None


def _short(value: float | None) -> float | None:
    """Six significant digits: more cannot be seen, and they compress badly."""
    return None if value is None else float(f"{value:.6g}")
