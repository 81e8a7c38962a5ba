"""collect: who is asked for what, what is repaired once, what is kept. Scripted policies, the real judge."""

import asyncio

import pytest

from burnish.core.budget import Budget
from burnish.core.errors import InputError
from burnish.curation.ledex import ledex
from burnish.models.scripted import scripted
from burnish.runs import SolveConfig, solve
from burnish.store.runs import RunStore
from burnish.verifiers.python import python

from .conftest import assert_nothing_hidden, ops, program, prompts

RIGHT, MINUS, TIMES, EMPTY = program("a + b"), program("a - b"), program("a * b"), "I do not know."
SAME = "```python\ndef add(a, b):\n    # again\n    return (a - b)\n```"
ALIKE = program("-(b - a)")
REPAIR = f"The sign is wrong.\n\n{RIGHT}"
TEACHER = [REPAIR, TIMES, REPAIR, EMPTY]
OPTIONS = {"answers": 5, "repairs": 2}


@pytest.fixture
def taught(tmp_path, two_tests):
    """Solve with a teacher; gives the store, the policy and the teacher."""
    opened = []

    def go(replies, lessons, folder="run", **options):
        policy, teacher = scripted(replies), scripted(lessons, name="teacher") if lessons else None
        path = tmp_path / folder
        store = RunStore.open(path, write=True) if path.exists() else RunStore.create(path, {})
        opened.append(store)
        config = SolveConfig(strategy="collect", options={**OPTIONS, **options})
        asyncio.run(solve([two_tests], policy, python, store, config, teacher=teacher))
        return store, policy, teacher

    yield go
    for store in opened:
        store.close()


def test_each_distinct_wrong_program_is_repaired_by_the_teacher(taught):
    store, policy, teacher = taught([MINUS, RIGHT, SAME, TIMES, MINUS], TEACHER)
    assert (policy.calls, teacher.calls) == (5, 4)
    assert ops(store) == ["sample"] * 5 + ["refine"] * 4
    repairs = [attempt for attempt in store.attempts() if attempt.op == "refine"]
    assert {attempt.policy for attempt in repairs} == {"teacher"}
    assert [attempt.parent_id for attempt in repairs] == ["add#0/0", "add#0/0", "add#0/3", "add#0/3"]
    assert all("explain" in attempt.messages[-1].content for attempt in repairs)
    assert_nothing_hidden(store)


def test_failures_are_kept_and_all_is_judged(taught):
    store, _, _ = taught([MINUS, RIGHT, SAME, TIMES, MINUS], TEACHER)
    labels = store.labels()
    assert len(labels) == 9
    assert all(label.scored for label in labels.values())
    assert [labels[f"add#0/{number}"].passed for number in range(5, 9)] == [True, False, True, False]
    assert store.label(store.episodes()[0].answer).passed


def test_what_it_collects_becomes_examples_that_say_who_wrote_them(taught):
    store, _, _ = taught([MINUS, RIGHT, SAME, TIMES, MINUS], TEACHER)
    examples = ledex(store)
    assert sorted(example.kind for example in examples) == ["ledex-a", "ledex-b", "ledex-b", "ledex-c", "ledex-c"]
    assert {(example.meta["policy"], example.meta.get("wrong_policy")) for example in examples} == {
        ("scripted", None),
        ("teacher", "scripted"),
    }


def test_without_a_teacher_the_model_teaches_itself(taught):
    store, policy, _ = taught([MINUS, RIGHT, SAME, TIMES, MINUS, *TEACHER], None)
    assert policy.calls == 9
    assert {attempt.policy for attempt in store.attempts()} == {"scripted"}


def test_programs_that_do_the_same_are_repaired_once_if_asked(taught):
    answers = [MINUS, ALIKE, TIMES, program("a -"), EMPTY]
    assert taught(answers, [REPAIR] * 10)[2].calls == 10
    assert taught(answers, [REPAIR] * 10, folder="b", distinct="behaviour")[2].calls == 8  # minus and alike are one; the unusable two


def test_limits_and_the_other_format(taught):
    store, _, teacher = taught([MINUS, TIMES, EMPTY, RIGHT, RIGHT], [REPAIR] * 9, wrong=1, repairs=3, explain=False, repair_temperature=0.2)
    assert teacher.calls == 3
    repairs = [attempt for attempt in store.attempts() if attempt.op == "refine"]
    assert {attempt.sampling.temperature for attempt in repairs} == {0.2}
    assert not any("explain" in attempt.messages[-1].content for attempt in repairs)


def test_a_teacher_that_fails_leaves_an_episode_to_be_redone(taught):
    answers = [MINUS, RIGHT, SAME, TIMES, MINUS]
    store, _, _ = taught(answers, TEACHER[:3])
    assert store.episodes()[0].status == "error"
    store.close()
    again, policy, teacher = taught([], TEACHER[3:])
    assert (policy.calls, teacher.calls) == (0, 1)
    assert again.episodes()[0].status == "done"


def test_a_budget_ends_it_with_what_there_is(run, two_tests):
    store, policy = run([MINUS, TIMES, REPAIR], [two_tests], strategy="collect", options=OPTIONS, budget=Budget(calls=3))
    assert policy.calls == 3
    assert len(prompts(store)) == 3


@pytest.mark.parametrize("options", [{"answers": 0}, {"wrong": 0}, {"repairs": 0}, {"distinct": "meaning"}])
def test_bad_options_are_explained(run, two_tests, options):
    with pytest.raises(InputError, match="collect needs answers, wrong and repairs of at least 1"):
        run([], [two_tests], strategy="collect", options=options)
