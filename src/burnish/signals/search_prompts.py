"""What a policy is asked during a search: for tests, for a review, for a refinement. Pure; only visible checks are shown.

The wording is ours: the papers print theirs for larger models.
"""

from __future__ import annotations

from collections.abc import Sequence

from burnish.core.errors import InputError
from burnish.core.records import Message, Task
from burnish.signals.prompts import REFINE, ask, block, request
from burnish.signals.steps import out_of_ten

TESTS = (
    "Do not write the function. Write {count} different test cases for it, each on a line of its own as "
    "`assert {name}(...) == ...`, in a Python code block."
)
REVIEW = (
    "Each line of this solution has a score from 0 to 10. Look closely at the lines with a score below 6: explain what is "
    "wrong there and how to mend it. Do not write the solution.\n\n{scored}"
)
REPAIR = "A reviewer says about your solution:\n\n{review}\n\n"
LONGEST_REVIEW = 1500
"""Characters of a review that are shown."""


def ask_tests(task: Task, count: int) -> tuple[Message, ...]:
    """Ask for test cases as assert statements (CodeT)."""
    wanted = TESTS.format(count=count, name=task.context.get("entry_point", "f"))
    return (Message(role="user", content=f"{task.prompt.strip()}\n\n{wanted}"),)


def ask_review(task: Task, code: str, scores: Sequence[float]) -> tuple[Message, ...]:
    """Show a solution with its scores and ask what is wrong (MAgICoRe's Reviewer)."""
    return (Message(role="user", content=f"{task.prompt.strip()}\n\n{REVIEW.format(scored=block(task, scored_lines(code, scores)))}"),)


def ask_repair(task: Task, code: str, scores: Sequence[float], review: str) -> tuple[Message, ...]:
    """Show the scored solution and the review, and ask for the whole solution anew (MAgICoRe's Refiner)."""
    return (
        *ask(task),
        Message(role="assistant", content=block(task, scored_lines(code, scores))),
        Message(role="user", content=REPAIR.format(review=review[:LONGEST_REVIEW].strip()) + request(task, REFINE)),
    )


def scored_lines(code: str, scores: Sequence[float]) -> str:
    """The code with `# (Score: n/10)` after each line that is not blank; one score for all goes after the last.

    Raises `InputError` if there is another number of scores.
    """
    lines = code.rstrip().splitlines()
    steps = [index for index, line in enumerate(lines) if line.strip()]
    if len(scores) not in (1, len(steps)):
        raise InputError(
            f"{len(scores)} scores for {len(steps)} lines: a step-wise scorer gives one for each line that is not blank, or one."
        )
    marks = dict(zip(steps[-len(scores) :], scores, strict=False))
    return "\n".join(f"{line}  # (Score: {out_of_ten(marks[i])}/10)" if i in marks else line for i, line in enumerate(lines))
