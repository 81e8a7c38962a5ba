"""explained_repair: one repair of a given program, told nothing, an explanation, or another's. Scripted policies, the real judge."""

import pytest

from burnish.core.errors import InputError
from burnish.evaluation import evaluate
from burnish.signals.repairs import repair_task

from .conftest import assert_nothing_hidden, program, prompts

WRONG = "def add(a, b):\n    return a - b"
TOLD = {"explanation": "It subtracts.", "other": "The list is empty."}


@pytest.fixture
def given(two_tests):
    return repair_task(two_tests, "add@1", WRONG, "add(2, 3) returned -1, but it should return 5.", **TOLD)


@pytest.mark.parametrize(("told", "words"), [("", None), ("explanation", "It subtracts."), ("other", "The list is empty.")])
def test_what_is_told(run, given, told, words):
    store, policy = run([program("a + b")], [given], strategy="explained_repair", options={"told": told})
    (prompt,) = prompts(store)
    assert (policy.calls, WRONG in prompt) == (1, True)
    assert [text in prompt for text in TOLD.values()] == [text == words for text in TOLD.values()]
    assert_nothing_hidden(store)
    assert evaluate(store).answers.passed == 1


def test_it_may_be_asked_to_explain_first(run, given):
    store, _ = run([program("a + b")], [given], strategy="explained_repair", options={"explain": True})
    assert "First explain" in prompts(store)[0]


def test_a_task_without_a_wrong_program_is_refused(run, two_tests):
    with pytest.raises(InputError, match="Make tasks of repair"):
        run([program("a + b")], [two_tests], strategy="explained_repair")
