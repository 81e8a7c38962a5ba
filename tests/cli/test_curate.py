"""Collecting with a teacher and curating against evaluation tasks, as a user does it."""

import json

import pytest

from burnish.api import left_out_file
from burnish.core.records import CheckSpec, Example, Task
from burnish.curation._decontamination import LeftOut
from burnish.models.scripted import scripted
from burnish.store.jsonl import read_records, write_records
from burnish.store.runs import RunStore

WRONG, RIGHT = "def {0}(a, b):\n    return a {1}= b", "def {0}(a, b):\n    return a {1} b"


def make(name, sign, prompt):
    checks = [
        CheckSpec(id=f"{hidden}", kind="call", data={"args": "(7, 2)", "expected": f"{eval(f'7 {sign} 2')}"}, hidden=hidden)
        for hidden in (False, True)
    ]
    refs = (f"def {name}(a, b):\n    return a {sign} b\n",)
    return Task(id=name, group_id=name, kind="python", prompt=prompt, checks=tuple(checks), refs=refs, context={"entry_point": name})


TRAINING = [
    make("plus", "+", "Write `plus(a, b)` that adds two numbers and gives the result back to the caller."),
    make("minus", "-", "Write `minus(a, b)`: the difference."),
    make("times", "*", "Write `times(a, b)`: the product."),
]
MEASURED = [
    make("summed", "+", "Say what comes out: adds two numbers and gives the result back to the caller."),
    make("taken", "-", "How much is left of a when b is taken away?"),
]


def answer(messages, seed):
    """Right when it is asked to repair, else wrong."""
    task = next(task for task in TRAINING if f"`{task.id}(" in messages[0].content)
    program = task.refs[0] if len(messages) > 1 else f"def {task.id}(a, b):\n    return None\n"
    return f"It returns nothing.\n\n```python\n{program}```"


def model(name):
    return scripted(answer, name=name)


@pytest.fixture
def collected(burnish, tmp_path):
    write_records(tmp_path / "training.jsonl", TRAINING)
    write_records(tmp_path / "measured.jsonl", MEASURED)
    options = ["--option", "answers=2", "repairs=2"]
    command = ["solve", "collect", "--tasks", tmp_path / "training.jsonl", "--model", "pupil", "--engine", "tests.cli.test_curate:model"]
    code, _, err = burnish(
        *command, "--teacher", "teacher", "--teacher-engine", "tests.cli.test_curate:model", "--out", tmp_path / "run", *options
    )
    assert code == 0, err
    return tmp_path / "run"


def test_a_teacher_repairs_and_the_run_says_so(collected):
    with RunStore.open(collected) as store:
        assert (store.manifest["model"], store.manifest["teacher"]) == ("pupil", "teacher")
        assert {(attempt.op, attempt.policy) for attempt in store.attempts()} == {("sample", "pupil"), ("refine", "teacher")}


def test_examples_that_overlap_with_evaluation_tasks_are_left_out_and_kept_aside(burnish, collected, tmp_path):
    out = tmp_path / "e.jsonl"
    code, shown, _ = burnish("curate", "ledex", collected, "--out", out, "--against", tmp_path / "measured.jsonl", "--json")
    assert code == 0
    assert json.loads(shown) == {
        "out": str(out),
        "examples": {"ledex-b": 1, "ledex-c": 1},
        "left_out": {"words": 2, "behaviour": 2},
    }
    assert {example.task_id for example in read_records(out, Example)} == {"times"}
    rows = list(read_records(left_out_file(out), LeftOut))
    assert {(row.example.task_id, row.overlap.against, row.overlap.reason) for row in rows} == {
        ("plus", "summed", "words"),
        ("minus", "taken", "behaviour"),
    }
    assert "left out" in burnish("curate", "ledex", collected, "--out", out, "--against", tmp_path / "measured.jsonl")[1]


def test_without_evaluation_tasks_all_is_kept_and_two_runs_count_once(burnish, collected, tmp_path):
    out = tmp_path / "e.jsonl"
    assert json.loads(burnish("curate", "ledex", collected, collected, "--out", out, "--json")[1])["examples"] == {
        "ledex-b": 3,
        "ledex-c": 3,
    }
    assert not left_out_file(out).exists()


def test_nothing_left_is_explained(burnish, collected, tmp_path):
    code, _, err = burnish("curate", "ledex", collected, "--out", tmp_path / "e.jsonl", "--against", tmp_path / "training.jsonl")
    assert code == 1
    assert "all that came out overlaps with the evaluation tasks" in err
