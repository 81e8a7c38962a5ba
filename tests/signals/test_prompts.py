"""Prompts show the statement, the visible examples and nothing else."""

from burnish.core.records import Check, CheckSpec, Counterexample, Task, Verdict
from burnish.signals.prompts import ask, ask_refinement, call_text


def task(**data):
    checks = (
        CheckSpec(id="v", kind="call", data={"args": "(1, 2)", "expected": "3", **data}),
        CheckSpec(id="h", kind="call", data={"args": "(20, 22)", "expected": "42"}, hidden=True),
    )
    return Task(id="t", group_id="g", kind="python", prompt="Write `add(a, b)`.", checks=checks, context={"entry_point": "add"})


def test_asking_shows_the_visible_examples_only():
    (message,) = ask(task())
    assert message.role == "user"
    assert "Write `add(a, b)`." in message.content
    assert "add(1, 2) == 3" in message.content
    assert "42" not in message.content


def test_asking_with_and_without_hidden_checks_is_the_same():
    assert ask(task()) == ask(task().public())


def test_calls_are_written_as_source_text():
    assert call_text("f", {"args": "()"}) == "f()"
    assert call_text("f", {"args": "(1,)"}) == "f(1)"
    assert call_text("f", {"args": "((1, 2), 'a')"}) == "f((1, 2), 'a')"
    assert call_text("f", {"args": "(1,)", "kwargs": "{'k': 2}"}) == "f(1, **{'k': 2})"


def test_the_repair_turn_holds_problem_program_feedback_and_request():
    check = Check(id="v", kind="call", outcome="fail", counterexample=Counterexample(input="add(1, 2)", expected="3", actual="-1"))
    turns = ask_refinement(task(), "def add(a, b): return a - b", Verdict.of([check]), explain=True)
    assert [turn.role for turn in turns] == ["user", "assistant", "user"]
    assert "```python\ndef add(a, b): return a - b\n```" in turns[1].content
    assert "returned -1" in turns[2].content
    without = ask_refinement(task(), "x", Verdict.of([check]), explain=False)
    assert "xplain" in turns[2].content
    assert "xplain" not in without[2].content
