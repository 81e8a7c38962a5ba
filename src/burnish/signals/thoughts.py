"""The prompts of RethinkMCTS and what its replies hold (arXiv 2409.09584): thoughts with priors, code from thoughts, reviews.

The JSON keys are those of the official prompts; the wording around them is ours. Pure functions.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence

from burnish.core.records import Message, Task, Verdict
from burnish.core.traces import Trace
from burnish.signals.feedback import feedback
from burnish.signals.prompts import ask, block, language
from burnish.signals.traces import block_trace

Messages = tuple[Message, ...]
FAILURES = 6
"""Failed tests that are shown."""
MOST = 12_000
"""Longest feedback, in characters."""


def ask_thoughts(task: Task, thoughts: Sequence[str], width: int, problem: str = "") -> Messages:
    """EXPAND: `width` different next thoughts, each with how reasonable it is. `problem`: what went wrong with the code so far."""
    avoid = "avoid this error, do not depend on these tests alone, and" if problem else "shall"
    item = '{"Thought-1": "one or two sentences", "Reasonableness": 0.7}'
    return _user(
        _state(task, thoughts),
        problem,
        f"Propose {width} different next thoughts on how to solve this; they {avoid} carry the thoughts above further.",
        f"Reply with a JSON list of {width} items such as {item}, numbered on; the values of Reasonableness add up to 1.",
    )


def ask_program(task: Task, thoughts: Sequence[str]) -> Messages:
    """SIMULATE: the whole program that the thoughts lead to."""
    (problem,) = ask(task)
    return _user(_thoughts(thoughts), f"Follow these thoughts.\n\n{problem.content}") if any(thoughts) else (problem,)


def ask_evaluation(task: Task, code: str) -> Messages:
    """How likely the program passes tests that nobody has seen."""
    return _user(
        f"[Problem]\n{task.prompt.strip()}",
        block(task, code),
        "This program passes the visible tests. Will it pass hidden ones, with other and extreme inputs?\n"
        'Reply with JSON: {"evaluation": x}, x from -1.0 (certainly not) to 1.0 (certainly).',
    )


def ask_faulty_block(task: Task, code: str, verdict: Verdict, trace: Trace | None) -> Messages:
    """Which block of the program goes wrong, by what its variables held."""
    return _user(
        f"[Problem]\n{task.prompt.strip()}",
        block(task, code),
        execution_feedback(code, verdict, trace),
        "Go through the blocks and say which is the first that does not do what the problem needs, and why, in a few sentences.",
    )


def ask_new_thought(task: Task, thoughts: Sequence[str], problem: str) -> Messages:
    """RETHINK: another last thought in the place of the one that led to the error."""
    return _user(
        _state(task, thoughts),
        problem,
        "The last thought led to this error. Write a new one in its place, one or two sentences that avoid the mistake.\n"
        "Reply with the thought only.",
    )


def execution_feedback(code: str, verdict: Verdict, trace: Trace | None) -> str:
    """The failed visible tests and the block trace of the first of them."""
    shown = block_trace(trace, code) if trace else ""
    return f"{feedback(verdict, failures=FAILURES)}\n\n{shown}".strip()[:MOST]


def problem_text(code: str, task: Task, verdict: Verdict, review: str) -> str:
    """What went wrong, for the next thoughts: the program, its failed tests and the review of its blocks."""
    return f"The program so far:\n{block(task, code)}\n{feedback(verdict, failures=FAILURES)}\n{review}"[:MOST]


def thoughts_in(reply: str, width: int) -> list[tuple[str, float]]:
    """`width` thoughts with their priors, which add up to 1; blank thoughts with prior 1 where the reply cannot be read."""
    found = [
        (text, prior) for item in _items(reply) if (text := _thought(item)) and (prior := _number(item.get("Reasonableness"))) is not None
    ]
    total = sum(max(prior, 0.0) for _, prior in found)
    if not total:
        return [("", 1.0)] * width
    return [(text, max(prior, 0.0) / total) for text, prior in found[:width]]


def evaluation_in(reply: str) -> float:
    """The evaluation in [-1, 1], 0 where it cannot be read."""
    found = re.search(r"evaluation[\"'\s:=]{1,6}(-?\d+(?:\.\d+)?)", reply)
    return min(1.0, max(-1.0, float(found[1]))) if found else 0.0


def _items(reply: str) -> list[dict[str, object]]:
    start, end = reply.find("["), reply.rfind("]")
    try:
        found = json.loads(reply[start : end + 1])
    except (ValueError, RecursionError):
        return []
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _thought(item: dict[str, object]) -> str:
    return next((str(value).strip() for key, value in item.items() if key.startswith("Thought")), "")


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _state(task: Task, thoughts: Sequence[str]) -> str:
    return f"[Problem, to be solved in {language(task)}]\n{task.prompt.strip()}\n\n{_thoughts(thoughts)}"


def _thoughts(thoughts: Sequence[str]) -> str:
    rows = [f"Thought-{number}: {text}" for number, text in enumerate(thoughts, start=1) if text]
    return "\n".join(["Thoughts:", *(rows or ["(none yet)"])])


def _user(*parts: str) -> Messages:
    return (Message(role="user", content="\n\n".join(part for part in parts if part)),)
