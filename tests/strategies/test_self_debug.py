"""self_debug: the order of calls, what the model is told, and what is handed in. Scripted policies, the real judge."""

import asyncio

import pytest

from burnish.core.budget import Budget
from burnish.core.records import Sampling

RIGHT = "The sign was wrong.\n\n```python\ndef add(a, b):\n    return a + b\n```"
WRONG = "```python\ndef add(a, b):\n    return a - b\n```"
WRONG_AGAIN = "```python\ndef add(a, b):\n    return a * b\n```"
VISIBLE_ONLY = "```python\ndef add(a, b):\n    return 3\n```"


def prompts(store):
    return ["\n".join(message.content for message in attempt.messages) for attempt in store.attempts()]


def test_a_right_first_answer_is_handed_in_at_once(run):
    store, policy = run([RIGHT])
    assert policy.calls == 1
    assert store.episodes()[0].answer == "add#0/0"
    assert store.label("add#0/0").passed


def test_a_failure_is_shown_explained_and_repaired(run):
    store, _ = run([WRONG, RIGHT])
    first, second = store.attempts()
    assert (first.op, first.round, first.parent_id) == ("sample", 0, None)
    assert (second.op, second.round, second.parent_id) == ("refine", 1, first.id)
    assert [message.role for message in second.messages] == ["user", "assistant", "user"]
    assert "return a - b" in second.messages[1].content
    assert "add(1, 2) returned -1, but it should return 3." in second.messages[2].content
    assert "explain" in second.messages[2].content
    spans = {span.kind: second.text[span.start : span.end] for span in second.spans}
    assert spans == {"explanation": "The sign was wrong.", "code": "def add(a, b):\n    return a + b\n"}
    assert store.episodes()[0].answer == second.id


def test_without_explain_only_the_code_is_asked_for(run):
    store, _ = run([WRONG, RIGHT], options={"explain": False})
    assert "xplain" not in prompts(store)[1]


def test_rounds_end_after_the_given_number(run):
    store, policy = run([WRONG, WRONG_AGAIN, WRONG], options={"rounds": 2})
    assert policy.calls == 3
    assert [attempt.round for attempt in store.attempts()] == [0, 1, 2]
    assert "returned 2" in prompts(store)[2]  # the second repair starts from the first repair


def test_no_rounds_is_plain_sampling(run):
    _, policy = run([WRONG], options={"rounds": 0})
    assert policy.calls == 1


def test_of_several_draws_the_verified_one_is_kept(run):
    store, policy = run([WRONG, WRONG_AGAIN, RIGHT, WRONG], options={"draws": 3, "rounds": 2})
    assert policy.calls == 4  # solved after the first round
    assert store.label(store.episodes()[0].answer).passed


def test_a_verified_answer_is_not_dropped_for_a_later_one(run):
    store, _ = run([WRONG, VISIBLE_ONLY, WRONG], options={"draws": 2})
    assert store.attempt(store.episodes()[0].answer).artefacts["code"].strip().endswith("return 3")


@pytest.mark.parametrize("reply", ["", "I do not know.", "```python\ndef add(a, b) return\n```"])
def test_replies_without_a_usable_program_get_feedback_too(run, reply):
    store, _ = run([reply, RIGHT])
    assert "cannot be used" in prompts(store)[1]
    assert store.label("add#0/1").passed


def test_hidden_checks_and_references_never_reach_a_prompt(run, add_task):
    store, _ = run([WRONG, VISIBLE_ONLY, WRONG], options={"rounds": 2})
    for prompt in prompts(store):
        assert "20, 22" not in prompt
        assert "42" not in prompt
        assert "SECRET" not in prompt


def test_passing_the_visible_checks_only_is_not_solving(run):
    store, policy = run([VISIBLE_ONLY])
    assert policy.calls == 1  # the strategy is content: it cannot know
    assert not store.label("add#0/0").passed


def test_when_the_budget_refuses_a_draw_the_others_are_finished_and_counted(run):
    """The first repair is slow and allowed, the others are refused while it is written."""

    async def slowly(messages, seed):
        await asyncio.sleep(0.05 * (len(messages) > 1))
        return WRONG_AGAIN

    forests = []
    for folder in ("one", "two"):
        store, _ = run(
            slowly, folder=folder, options={"draws": 3, "rounds": 2}, budget=Budget(tokens=150), sampling=Sampling(max_tokens=100)
        )
        attempts = list(store.attempts())
        assert len(attempts) >= 2
        assert store.verdicts("hidden").keys() == {attempt.id for attempt in attempts}
        forests.append([(attempt.id, attempt.text) for attempt in attempts])
    assert forests[0] == forests[1]
    assert sum(attempt.cost.tokens_out for attempt in attempts) <= 150
