"""Wrong programs as tasks: what a model is told of them, and that nothing hidden comes along."""

import pytest

from burnish.core.errors import InputError
from burnish.core.records import Check, Counterexample, Verdict
from burnish.signals.feedback import feedback
from burnish.signals.prompts import ask_refinement
from burnish.signals.repairs import ask_repair, repair_task

WRONG = "def add(a, b):\n    return a - b"
VERDICT = Verdict.of(
    [Check(id="v1", kind="call", outcome="fail", counterexample=Counterexample(input="add(1, 2)", expected="3", actual="-1"))]
)


@pytest.mark.parametrize("explain", [False, True])
def test_it_is_asked_like_the_refinement_of_a_fresh_answer(add_task, explain):
    task = add_task()
    made = repair_task(task, "add@1", WRONG, feedback(VERDICT))
    assert ask_repair(made.public(), explain=explain) == ask_refinement(task.public(), WRONG, VERDICT, explain=explain)
    assert (made.id, made.meta["repair_of"], made.checks, made.group_id) == ("add@1", "add", task.checks, task.group_id)


def test_an_explanation_stands_beside_the_failure_and_nothing_else_changes(add_task):
    made = repair_task(add_task(), "add@1", WRONG, feedback(VERDICT), explanation="The sign is wrong.\n", other="Off by one.")
    plain, told, other = (ask_repair(made.public(), told=name) for name in ("", "explanation", "other"))
    assert plain[:2] == told[:2] == other[:2]
    assert told[2].content == plain[2].content.replace("return 3.", "return 3.\n\nWhat is wrong with it: The sign is wrong.")
    assert "Off by one." in other[2].content
    assert "42" not in f"{plain}{told}{other}"  # the hidden check's


def test_other_tasks_are_refused(add_task):
    with pytest.raises(InputError, match="has no text 'wrong' in its context"):
        ask_repair(add_task())
    with pytest.raises(InputError, match="has no text 'explanation'"):
        ask_repair(repair_task(add_task(), "a", WRONG, "It fails."), told="explanation")
