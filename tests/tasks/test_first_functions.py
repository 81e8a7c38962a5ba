"""The set keeps its promises (counts, split, statements), and the real judge finds its checks right and sharp."""

import ast
import re
from collections import Counter

import pytest

from burnish.tasks.first_functions import FAMILIES, first_functions
from burnish.tasks.humaneval import humaneval
from burnish.text.mutate import mutants
from burnish.verifiers.base import Limits
from burnish.verifiers.python import python

TASKS = first_functions()
TRAIN = [task for task in TASKS if task.meta["split"] == "train"]
TEST = [task for task in TASKS if task.meta["split"] == "test"]
KILLED = 0.8
"""The share of a reference's mutants that its checks must refute."""


def test_counts():
    assert len(TRAIN) == 110
    assert len(TEST) == 60
    assert len(FAMILIES) == 10
    assert len({task.meta["family"] for task in TRAIN}) == len({task.meta["family"] for task in TEST}) == 10
    assert len({task.group_id for task in TASKS}) >= 60
    assert max(Counter(task.group_id for task in TASKS).values()) <= 4


def test_two_calls_give_the_same_tasks():
    assert first_functions() == TASKS


def test_ids_and_function_names_are_unique():
    assert len({task.id for task in TASKS}) == len(TASKS)
    assert len({task.context["entry_point"] for task in TASKS}) == len(TASKS)


def test_the_split_shares_no_concept():
    assert {task.group_id for task in TRAIN} & {task.group_id for task in TEST} == set()


def test_no_function_of_the_test_split_is_named_in_training():
    seen = "\n".join(text for task in TRAIN for text in task.refs)
    assert [task.id for task in TEST if re.search(rf"\b{task.context['entry_point']}\b", seen)] == []


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
def test_each_task_is_well_formed(task):
    name, signature = task.context["entry_point"], task.context["signature"]
    assert task.prompt.startswith(f"Write a Python function `{signature}` that ")
    assert task.prompt.endswith(".")
    assert signature.startswith(f"{name}(")
    assert " -> " in signature
    assert task.refs[0].startswith(f"def {signature}:\n")
    assert task.group_id == task.meta["concept"]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
def test_each_task_has_enough_checks_and_no_hidden_one_is_shown(task):
    assert len(task.visible()) >= 2
    assert len(task.hidden()) >= 6
    inputs = [repr(ast.literal_eval(check.data["args"])) for check in task.checks]
    assert len(set(inputs)) == len(inputs)
    parameters = ast.parse(task.refs[0]).body[0].args.args
    assert all(len(ast.literal_eval(check.data["args"])) == len(parameters) for check in task.checks)
    for check in task.checks:
        ast.literal_eval(check.data["expected"])


def test_every_reference_passes_every_check():
    verdicts = python.verify_batch([(task, task.refs[0]) for task in TASKS])
    assert {task.id: verdict.first_failure for task, verdict in zip(TASKS, verdicts, strict=True) if not verdict.passed} == {}


def test_checks_refute_most_mutants_of_every_reference():
    faulty = [(task, mutant) for task in TASKS for mutant in mutants(task.refs[0], limit=12, seed=0)]
    verdicts = list(
        python.verify_batch([(task, mutant.source) for task, mutant in faulty], limits=Limits(wall_s=2, cpu_s=1), first_fail=True)
    )
    assert {verdict.status for verdict in verdicts} <= {"pass", "fail", "timeout"}
    made = Counter(task.id for task, _ in faulty)
    alive = Counter(task.id for (task, _), verdict in zip(faulty, verdicts, strict=True) if verdict.passed)
    assert set(made) == {task.id for task in TASKS}
    assert {task: f"{alive[task]} of {made[task]} alive" for task in made if alive[task] > (1 - KILLED) * made[task]} == {}


def test_answers_that_ignore_their_input_pass_nothing():
    """A constant or the first argument returned unchanged must never look like a solution."""
    bodies = ("return None", "return 0", "return ''", "return []", "return {}", "return True", "return False", "return args[0]")
    answers = [(task, f"def {task.context['entry_point']}(*args):\n    {body}\n") for task in TASKS for body in bodies]
    verdicts = python.verify_batch(answers, first_fail=True)
    assert [(task.id, code) for (task, code), verdict in zip(answers, verdicts, strict=True) if verdict.passed] == []


def test_training_teaches_no_function_of_humaneval_by_name():
    assert {task.context["entry_point"] for task in TRAIN} & {task.context["entry_point"] for task in humaneval()} == set()
