import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.core.errors import InputError
from burnish.core.plugins import find
from burnish.curation.ledex import ledex
from burnish.curation.rejection import rejection
from burnish.models import ByteRenderer
from burnish.signals.prompts import EXPLAIN, REFINE, ask

RIGHT, WRONG = "def f(x): return 1", "def f(x): return 0"
SECRET = "HIDDEN-INPUT"


def block(code, prose=""):
    return f"{prose}\n\n```python\n{code}\n```"


def kinds_of(examples):
    return [example.kind for example in examples]


def test_it_is_found_by_name():
    assert find("curation", "ledex") is ledex


def test_an_empty_run_gives_no_examples(run):
    assert ledex(run.store) == []


def test_one_verified_repair_gives_b_and_c_that_share_the_program(run):
    run.attempt("w", block(WRONG), visible="fail", hidden="fail")
    run.attempt("r", block(RIGHT, "It returns 0 instead of 1."), parent="w")
    repair, explained = ledex(run.store)
    assert kinds_of([repair, explained]) == ["ledex-b", "ledex-c"]
    assert repair.attempts == explained.attempts == ("w", "r")
    assert repair.messages[-1].content == f"```python\n{RIGHT}\n```"
    assert explained.messages[-1].content == f"It returns 0 instead of 1.\n\n```python\n{RIGHT}\n```"
    for example, request in ((repair, REFINE), (explained, EXPLAIN)):
        first, wrong, turn, reply = example.messages
        assert (first,) == ask(run.tasks["t"].public())
        assert (wrong.role, wrong.content) == ("assistant", f"```python\n{WRONG}\n```")
        assert turn.content == f"The code fails this test:\nf(2) returned 0, but it should return 1.\n\n{request.format('function')}"
        assert reply.role == "assistant"
        assert example.tokens is None


def test_the_loss_is_on_the_last_assistant_turn_only(run):
    run.attempt("w", block(WRONG), visible="fail", hidden="fail")
    run.attempt("r", block(RIGHT, "Why."), parent="w")
    renderer = ByteRenderer()
    for example in ledex(run.store):
        ids, (start, end) = renderer.supervised(example.messages)
        assert renderer.decode(ids[start:end]).strip() == example.messages[-1].content
        assert "return 0" in renderer.decode(ids[:start])
        assert end == len(ids)


def test_a_repair_without_explanation_gives_no_c(run):
    run.attempt("w", block(WRONG), visible="fail", hidden="fail")
    run.attempt("r", block(RIGHT, "  \n"), parent="w")
    assert kinds_of(ledex(run.store)) == ["ledex-b"]


def test_answers_are_first_samples_unless_repairs_are_wanted_too(run):
    run.attempt("w", block(WRONG), visible="fail", hidden="fail")
    run.attempt("r", block(RIGHT), parent="w")
    run.attempt("s", block("def f(x): return +1"))
    assert [example.attempts for example in ledex(run.store, kinds="a")] == [("s",)]
    answers = ledex(run.store, kinds="a", repaired_answers=True)
    assert {example.attempts for example in answers} == {("s",), ("r",)}
    assert all(example.messages[:-1] == ask(run.tasks["t"].public()) for example in answers)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (("fail", "fail"), ("pass", "fail")),
        (("fail", "fail"), ("pass", "error")),
        (("fail", "fail"), ("pass", None)),
        (("fail", "fail"), ("pass", "tampered")),
        (("fail", "fail"), ("pass", "suspect")),
        (("error", "error"), ("pass", "pass")),
        (("tampered", "fail"), ("pass", "pass")),
        (("fail", "tampered"), ("pass", "pass")),
        (("pass", "fail"), ("pass", "pass")),
        (("pass", "pass"), ("pass", "pass")),
        ((None, "fail"), ("pass", "pass")),
    ],
)
def test_what_is_not_certain_is_not_learned(run, wrong, right):
    run.attempt("w", block(WRONG), *wrong)
    run.attempt("r", block(RIGHT, "Why."), *right, parent="w")
    assert ledex(run.store, kinds="bc") == []


def test_a_reply_without_a_program_is_shown_whole(run):
    run.attempt("w", "I cannot do this.", visible="invalid", hidden="invalid")
    run.attempt("r", block(RIGHT), parent="w")
    (example,) = ledex(run.store)
    assert "I cannot do this." in example.messages[1].content
    assert "no program" in example.messages[2].content


def test_limits_per_wrong_program_and_per_task(run):
    for wrong in range(3):
        run.attempt(f"w{wrong}", block(f"def f(x): return -{wrong + 1}"), visible="fail", hidden="fail")
        run.attempt(f"copy{wrong}", block(f"def f(x): return -{wrong + 1}  # again"), visible="fail", hidden="fail")
        for right in range(4):
            run.attempt(f"r{wrong}{right}", block(f"def f(x): return 1 + {right} - {right}"), parent=f"w{wrong}")
        run.attempt(f"twin{wrong}", block("def f(x): return 1 + 0 - 0  # the same"), parent=f"copy{wrong}")
    assert len(ledex(run.store, kinds="b", per_wrong=9, per_task=99)) == 12
    assert len(ledex(run.store, kinds="b")) == 6
    assert len(ledex(run.store, kinds="b", per_task=2)) == 2
    assert len(ledex(run.store, kinds="b", per_wrong=1)) == 3


@pytest.mark.parametrize(
    ("options", "message"), [({"kinds": "abd"}, "kinds is 'abd'"), ({"kinds": ""}, "kinds is ''"), ({"per_wrong": 0}, "per_wrong")]
)
def test_bad_options_are_explained(run, options, message):
    with pytest.raises(InputError, match=message):
        ledex(run.store, **options)


OUTCOMES = st.sampled_from(["pass", "pass", "fail", "fail", "timeout", "crash", "error", "skip", "invalid", "tampered", "suspect", None])
ATTEMPTS = st.lists(st.tuples(st.none() | st.integers(0, 9), st.integers(0, 3), st.booleans(), OUTCOMES, OUTCOMES), max_size=10)


@settings(deadline=None, max_examples=60)
@given(drawn=ATTEMPTS)
def test_laws_of_curation(run_factory, drawn):
    """Whatever a run holds: targets are verified, evidence is usable, hidden inputs stay hidden, ids are unique."""
    with run_factory() as run:
        for number, (parent, program, prose, visible, hidden) in enumerate(drawn):
            parent_id = f"n{parent}" if parent is not None and parent < number else None
            run.attempt(f"n{number}", block(f"def f(x): return {program}", "Why." if prose else ""), visible, hidden, parent=parent_id)
        examples = ledex(run.store, repaired_answers=True) + rejection(run.store)
        labels = run.store.labels()
        for example in examples:
            assert labels[example.attempts[-1]].passed
            assert all(labels[name].scored and not labels[name].tamper for name in example.attempts)
            assert all(not labels[name].passed for name in example.attempts[:-1])
            assert run.store.attempt(example.attempts[-1]).artefacts["code"].strip() in example.messages[-1].content
            assert not any(SECRET in message.content for message in example.messages)
        assert len({example.id for example in examples}) == len(examples)
        assert examples == ledex(run.store, repaired_answers=True) + rejection(run.store)


def test_the_secret_of_these_tests_is_in_the_task_but_not_on_its_public_side(run):
    task = run.tasks["t"]
    assert SECRET in str(task)
    assert SECRET not in str(task.public())
