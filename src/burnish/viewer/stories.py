"""Tell a task's attempts as a story: pure functions from stored records to the blocks that show them.

What the model was told is read from the messages that were really sent, never rendered again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from burnish.core.records import Attempt, Check, CheckSpec, Diagnostic, Example, Message, Task, Verdict
from burnish.models import Pieces
from burnish.signals.prompts import call_text
from burnish.training.journal import Learned
from burnish.viewer.blocks import CheckLine, Lesson, Mark, Story, Turn
from burnish.viewer.tokens import spans_of, tokens_of


def story(
    task: Task,
    attempts: Sequence[Attempt],
    visible: Mapping[str, Verdict],
    hidden: Mapping[str, Verdict],
    *,
    heading: str = "",
    answers: Collection[str] = (),
    examples: Iterable[Example] = (),
    learned: Mapping[str, Learned] = {},
    pieces: Pieces | None = None,
    note: str = "",
) -> Story:
    """The forest of `attempts` on a task, each followed by its repairs, and the examples that were trained from it.

    `visible` and `hidden` map attempt ids to verdicts; `answers` are the ids of the attempts that were handed in. `learned` says
    what a trainer made of an attempt; `pieces` gives the text of each token (None: tokens are not shown).
    """
    by_id = {attempt.id: attempt for attempt in attempts}
    turns = []
    for attempt, depth in forest(attempts):
        parent = by_id.get(attempt.parent_id or "")
        verdicts = visible.get(attempt.id), hidden.get(attempt.id)
        turn = _turn(task, attempt, parent, verdicts, depth=depth, handed_in=attempt.id in answers)
        turns.append(_with_tokens(turn, attempt, verdicts, learned.get(attempt.id), pieces))
    lessons = tuple(_lesson(example) for example in examples)
    return Story(heading=heading or task.id, problem=task.prompt.strip(), turns=tuple(turns), lessons=lessons, note=note)


def forest(attempts: Iterable[Attempt]) -> Iterator[tuple[Attempt, int]]:
    """Every attempt before its children, with the number of branchings above it. An attempt whose parent is absent is a root."""
    attempts = list(attempts)
    known = {attempt.id for attempt in attempts}
    children: dict[str | None, list[Attempt]] = {}
    for attempt in attempts:
        children.setdefault(attempt.parent_id if attempt.parent_id in known else None, []).append(attempt)
    stack = [(attempt, 0) for attempt in reversed(children.get(None, []))]
    while stack:
        attempt, depth = stack.pop()
        yield attempt, depth
        below = children.get(attempt.id, [])
        stack += [(child, depth + (len(below) > 1)) for child in reversed(below)]


def _turn(
    task: Task,
    attempt: Attempt,
    parent: Attempt | None,
    verdicts: tuple[Verdict | None, Verdict | None],
    *,
    depth: int,
    handed_in: bool,
) -> Turn:
    visible, hidden = verdicts
    last = attempt.messages[-1].content if attempt.messages else ""
    return Turn(
        id=attempt.id,
        handed_in=handed_in,
        title=attempt.op.capitalize() + (f", round {attempt.round}" if attempt.round else ""),
        code=attempt.artefacts.get("code", ""),
        visible=visible.status if visible else "",
        hidden=hidden.status if hidden else "",
        prompt="" if parent else _transcript(attempt.messages),
        feedback=last if parent else "",
        explanation=_prose(attempt),
        text=attempt.text,
        before=parent.artefacts.get("code", "") if parent and parent.is_answer and attempt.is_answer else None,
        marks=tuple(_marks(verdict for verdict in verdicts if verdict)),
        checks=tuple(_check_line(task, check) for verdict in verdicts if verdict for check in verdict.checks),
        facts=_facts(attempt, handed_in),
        depth=depth,
    )


def _with_tokens(
    turn: Turn, attempt: Attempt, verdicts: tuple[Verdict | None, Verdict | None], learned: Learned | None, pieces: Pieces | None
) -> Turn:
    tokens = tokens_of(attempt, learned, pieces)
    steps = next((verdict.steps for verdict in verdicts if verdict and verdict.steps), ())
    title = turn.title
    if learned is not None:
        title = f"Step {learned.step}, " + ("no reward" if learned.reward is None else f"reward {learned.reward:.3g}")
    return msgspec.structs.replace(turn, title=title, tokens=tokens, spans=spans_of(attempt, tokens, learned, steps))


def _prose(attempt: Attempt) -> str:
    """What explains the attempt's program; all of a reply that is prose by itself (a plan, a review)."""
    if not attempt.is_answer:
        return attempt.text
    return "\n\n".join(attempt.text[s.start : s.end] for s in attempt.spans if s.kind == "explanation" and attempt.artefacts)


def _facts(attempt: Attempt, handed_in: bool) -> tuple[str, ...]:
    facts = [
        "handed in" if handed_in else "",
        f"{attempt.cost.tokens_out} tokens" if attempt.cost.tokens_out else "",
        f"stop: {attempt.stop_reason}" if attempt.stop_reason else "",
        attempt.id,
    ]
    return tuple(fact for fact in facts if fact)


def _marks(verdicts: Iterable[Verdict]) -> Iterator[Mark]:
    """Findings about the program as a whole, and findings of checks that name a line; each text once per line."""
    found: dict[tuple[int, str], Mark] = {}
    for verdict in verdicts:
        of_checks = (d for check in verdict.checks for d in check.diagnostics if d.span)
        for diagnostic in (*verdict.diagnostics, *of_checks):
            mark = _mark(diagnostic)
            found.setdefault((mark.line, mark.text), mark)
    return iter(found.values())


def _mark(diagnostic: Diagnostic) -> Mark:
    text = diagnostic.message + (f"\n{diagnostic.hint}" if diagnostic.hint else "")
    return Mark(line=diagnostic.span.line if diagnostic.span else 0, text=text, severity=diagnostic.severity)


def _check_line(task: Task, check: Check) -> CheckLine:
    spec = next((spec for spec in task.checks if spec.id == check.id), None)
    example = check.counterexample
    message = check.diagnostics[0].message if check.diagnostics else ""
    returned = example.actual if example and check.outcome == "fail" else ""
    return CheckLine(
        name=check.id,
        outcome=check.outcome,
        hidden=check.hidden,
        asked=_asked(task, spec) or (f"{example.input} == {example.expected}" if example else ""),
        actual=returned,
        message="" if returned else message,
    )


def _asked(task: Task, spec: CheckSpec | None) -> str:
    """A `call` check as an equation; nothing for kinds that are not one."""
    if spec is None or spec.kind != "call" or "args" not in spec.data or "expected" not in spec.data:
        return ""
    return f"{call_text(task.context.get('entry_point', 'f'), spec.data)} == {spec.data['expected']}"


def _lesson(example: Example) -> Lesson:
    return Lesson(kind=example.kind, prompt=_transcript(example.messages[:-1]), target=example.messages[-1].content)


def _transcript(messages: Sequence[Message]) -> str:
    """The messages as text; a single user turn needs no label."""
    if len(messages) == 1 and messages[0].role == "user":
        return messages[0].content
    return "\n\n".join(f"[{message.role}]\n{message.content}" for message in messages)
