"""Scores of the steps of a solution, and items of a checklist, as feedback. Pure text; bounded."""

from __future__ import annotations

from collections.abc import Sequence

from burnish.signals.quote import one_line

MOST_ITEMS, WIDTH = 30, 400
"""Items that are shown, and characters of each."""


def scored_steps(steps: Sequence[str], scores: Sequence[float]) -> str:
    """MAgICoRe (arXiv 2409.12147): every step with `(Score: n/10)` behind it, scores in [0, 1].

    >>> print(scored_steps(["a = 1", "a = b"], [0.96, 0.23]))
    Step 1: a = 1 (Score: 10/10)
    Step 2: a = b (Score: 2/10)
    """
    rows = zip(steps[:MOST_ITEMS], scores, strict=False)
    return "\n".join(f"Step {n}: {one_line(step, WIDTH)} (Score: {out_of_ten(score)}/10)" for n, (step, score) in enumerate(rows, 1))


def out_of_ten(score: float) -> int:
    """A score in [0, 1] as n of n/10: rounded to one decimal first, as MAgICoRe does."""
    return round(round(score, 1) * 10)


def checklist(items: Sequence[tuple[str, bool | None]], *, only_open: bool = False) -> str:
    """One line for each item: `[x]` it holds, `[ ]` it does not, `[?]` undecided. `only_open` leaves out what holds."""
    marks = {True: "[x]", False: "[ ]", None: "[?]"}
    shown = [(text, holds) for text, holds in items if not (only_open and holds)]
    left = [f"… {len(shown) - MOST_ITEMS} more …"] if len(shown) > MOST_ITEMS else []
    return "\n".join([*(f"{marks[holds]} {one_line(text, WIDTH)}" for text, holds in shown[:MOST_ITEMS]), *left])
