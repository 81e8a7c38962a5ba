"""Training tasks that give evaluation tasks away: by their words, or because their programs do the same."""

import asyncio

import msgspec
import pytest

from burnish.core.errors import InputError
from burnish.core.records import CheckSpec, Task
from burnish.curation._decontamination import overlaps, right_programs


def make(name, prompt, program, calls=("(3,)", "(-2,)"), *, entry="f", kind="python", context=None):
    checks = tuple(CheckSpec(id=f"{n}", kind="call", data={"args": args, "expected": "0"}) for n, args in enumerate(calls))
    return Task(
        id=name, group_id=name, kind=kind, prompt=prompt, checks=checks, refs=(program,) if program else (),
        context={"entry_point": entry} if context is None else context,
    )  # fmt: skip


MEASURED = [
    make(
        "double", "Return twice the number that is given to the function, as an integer.", "def twice(n):\n    return 2 * n", entry="twice"
    ),
    make(
        "square",
        "Return the square of the number that is given to the function, as an integer.",
        "def sq(n):\n    return n * n",
        entry="sq",
    ),
    make("big", "Say whether a number is above one million.", "def big(n):\n    return n > 10**6", entry="big"),
    make("bare", "Give back the first item that is in the list of the caller.", ""),
]


def found(task, program, words=6):
    return asyncio.run(overlaps({task.id: (task, program)}, MEASURED, words=words)).get(task.id)


def test_words():
    copied = make("t", "Please return twice the number that is given!", "")
    overlap = found(copied, "")
    assert (overlap.against, overlap.reason, overlap.evidence) == ("double", "words", "return twice the number that is")
    assert found(make("t", "Return the number that is given to the function, as an integer.", ""), "") is None  # how such tasks are worded
    assert found(copied, "", words=12) is None
    with pytest.raises(InputError, match="at least 1"):
        found(copied, "", words=0)


def test_behaviour_under_other_words_and_another_name():
    task = make("t", "Add it to itself.", "")
    overlap = found(task, "def f(x):\n    return x + x")
    assert (overlap.against, overlap.reason) == ("double", "behaviour")
    assert "inputs" in overlap.evidence
    assert found(task, "def f(x):\n    return x + 2") is None
    assert found(task, "def f(x, y):\n    return x + x") is None
    assert found(task, "def f(x:\n    return x + x") is None
    assert found(task, "") is None


def test_always_the_same_answer_is_no_evidence():
    assert found(make("t", "Never.", ""), "def f(x):\n    return False") is None


def test_tasks_of_another_form_are_not_compared():
    assert found(make("t", "Add it to itself.", "", context={}), "print(2 * int(input()))") is None
    assert found(make("t", "Add it to itself.", "", kind="c"), "int f(int x) { return 2 * x; }") is None


def test_a_right_program_is_the_reference_or_a_verified_attempt(run):
    block = "```python\ndef f(x): return 1\n```"
    run.attempt("w", block.replace("1", "0"), visible="fail", hidden="fail")
    assert right_programs(run.store)["t"][1].startswith("# HIDDEN")

    other = msgspec.structs.replace(run.tasks["t"], id="u", refs=())
    run.tasks["u"] = other
    run.store.add_tasks([other])
    run.attempt("v", block.replace("1", "2"), visible="fail", hidden="fail", of="u")
    assert right_programs(run.store)["u"] == (other, "")
    run.attempt("r", block, of="u")
    assert right_programs(run.store)["u"] == (other, "def f(x): return 1\n")
