"""VM-MCTS and ReST: the paper's numbers, prefixes cut from tokens, what is drawn and handed in. Scripted policies, the real judge."""

import random
from collections import Counter
from statistics import mean, pstdev

import pytest

from burnish.core.budget import Budget
from burnish.core.records import Attempt, Sampling, Span, TokenRecord
from burnish.models import load
from burnish.signals.rest_reward import rest_reward
from burnish.strategies._prefixes import code_lines, cut, draw_lengths, prefix_weights
from burnish.strategies.rest import is_kept
from burnish.strategies.scorers.plausible import parses

HEAD = "```python\ndef add(a, b):\n"
RIGHT = HEAD + "    total = a + b\n    return total\n```"
WRONG = HEAD + "    total = a - b\n    return total\n```"


def begun(messages):
    """What the reply is to continue: the unfinished assistant turn, if there is one."""
    return messages[-1].content if messages[-1].role == "assistant" else ""


def continuing(choose):
    """A policy that writes the reply which `choose(seed, begun)` names, from where it was begun."""

    def reply(messages, seed):
        whole, start = choose(seed, begun(messages)), begun(messages)
        assert whole.startswith(start)
        return whole[len(start) :]

    return reply


def either(seed, start):
    return next(text for text in ((RIGHT, WRONG) if seed % 2 else (WRONG, RIGHT)) if text.startswith(start))


def test_prefix_weights_and_their_number():
    assert prefix_weights(4) == pytest.approx([0.2696, 0.2561, 0.2433, 0.2311], abs=1e-4)
    assert len(draw_lengths(7, random.Random(0))) == 4
    counts = Counter(length for seed in range(2000) for length in draw_lengths(4, random.Random(seed)))
    assert [counts[i] / 4000 for i in (1, 2, 3, 4)] == pytest.approx(prefix_weights(4), abs=0.03)


def test_prompts_whose_rewards_do_not_vary_are_dropped():
    assert pstdev([1, 1, 1, 0.8, 1]) == pytest.approx(0.08)
    assert is_kept([1, 1, 1, 0.8, 1])
    assert pstdev([1, 1, 1, 0.9, 1]) == pytest.approx(0.04)
    assert not is_kept([1, 1, 1, 0.9, 1])
    rng = random.Random(0)
    groups = [[float(rng.random() < rate) for _ in range(5)] for rate in (0, 0.1, 0.5, 1) for _ in range(50)]
    assert mean(pstdev(group) for group in groups if is_kept(group)) > mean(map(pstdev, groups))


def test_the_reward_for_stopping():
    assert rest_reward(0.75, stopped=True, trailing=40) == pytest.approx(0.75096)
    assert rest_reward(1.0, stopped=False, trailing=0) == 1.0


def attempt_of(text, ids, decode):
    start = text.index("def")
    code = text[start : text.rindex("```")]
    tokens = TokenRecord(ids=(7, *ids), sampled=((1, len(ids) + 1),), logprobs=(0.0,) * len(ids))
    spans = (Span(kind="code", start=start, end=start + len(code)),)
    return Attempt(id="a", task_id="t", op="sample", messages=(), text=text, artefacts={"code": code}, tokens=tokens, spans=spans)


def test_a_prefix_holds_whole_lines_and_is_cut_where_tokens_end():
    def decode(ids):
        return bytes(ids).decode()

    attempt = attempt_of(RIGHT, tuple(RIGHT.encode()), decode)
    assert code_lines(attempt) == ["def add(a, b):", "    total = a + b", "    return total"]
    for lines, end in ((1, "b):"), (2, "a + b"), (3, "return total")):
        prefix = cut(attempt, lines, decode)
        assert prefix.text.endswith(end)
        assert RIGHT.startswith(prefix.text)
        assert decode(prefix.ids) == prefix.text
    for lines in (0, 4):
        with pytest.raises(ValueError, match="no line"):
            cut(attempt, lines, decode)


def test_a_prefix_of_a_real_tokenizer_is_what_was_sampled(tiny_model):
    renderer = load(str(tiny_model)).renderer
    ids = tuple(renderer.tokenizer(RIGHT, add_special_tokens=False)["input_ids"])
    attempt = attempt_of(RIGHT, ids, renderer.decode)
    prefix = cut(attempt, 2, renderer.decode)
    assert prefix.ids == ids[: len(prefix.ids)]
    assert prefix.text == HEAD + "    total = a + b"


def test_the_oracle_leads_the_search_to_the_right_program(run):
    options = {"iterations": 3, "samples": 4, "value": "pass_rate"}
    store, policy = run(continuing(either), strategy="vm_mcts", options=options)
    assert policy.calls == 12  # the root, its only line, and of that one's children the right one
    assert store.label(store.episodes()[0].answer).passed
    attempts = list(store.attempts())
    assert Counter(attempt.op for attempt in attempts) == {"sample": 4, "continue": 8}
    assert {"a - b" in attempt.text for attempt in attempts[:8]} == {True, False}
    assert all("a + b" in attempt.text for attempt in attempts[8:])


def test_continuations_keep_what_they_read_apart_from_what_they_wrote(run):
    store, _ = run(continuing(either), strategy="vm_mcts", options={"iterations": 2, "samples": 3, "value": "pass_rate"})
    for attempt in store.attempts():
        assert attempt.text in (RIGHT.removesuffix("\n```"), WRONG.removesuffix("\n```"), RIGHT, WRONG)
        start, end = attempt.tokens.sampled[0]
        written = bytes(token for token in attempt.tokens.ids[start:end] if token < 256).decode()
        if attempt.op == "continue":
            given = bytes(attempt.tokens.ids[start - len("def add(a, b):") : start]).decode()
            assert given == "def add(a, b):"
            assert written.startswith("\n    total")
            assert attempt.parent_id == "add#0/0"


def test_without_execution_no_check_is_run_before_the_answer(run, add_task):
    from burnish.core.records import Verdict
    from burnish.strategies.base import Judge

    asked = []
    whole = Judge.verify

    async def counted(self, attempt) -> Verdict:
        asked.append(attempt.id)
        return await whole(self, attempt)

    Judge.verify = counted
    try:
        run(continuing(either), strategy="vm_mcts", options={"iterations": 2, "samples": 2})
    finally:
        Judge.verify = whole
    assert asked == []


def test_only_the_best_children_stay_visible(run):
    bodies = ["a + b", "a - b", "a * b", "3"]

    def reply(messages, seed):
        return "".join(HEAD + f"    return {bodies[seed % 4]}\n```")[len(begun(messages)) :]

    options = {"iterations": 4, "samples": 6, "width": 1, "value": "pass_rate"}
    store, policy = run(reply, strategy="vm_mcts", options=options)
    assert policy.calls == 12  # root and its one line; then the one visible child is finished
    assert store.label(store.episodes()[0].answer).checks[0].outcome == "pass"


def test_replies_without_code_end_in_the_best_there_is(run):
    store, policy = run(lambda messages, seed: "I do not know.", strategy="vm_mcts", options={"iterations": 2, "samples": 2})
    assert policy.calls == 4
    assert store.episodes()[0].status == "done"


@pytest.mark.parametrize("strategy", ["vm_mcts", "rest"])
def test_the_budget_holds_and_the_same_seed_gives_the_same_forest(run, strategy):
    limits = {"budget": Budget(tokens=700), "sampling": Sampling(max_tokens=200)}
    one, _ = run(continuing(either), strategy=strategy, folder="one", **limits)
    forest = [(attempt.id, attempt.parent_id, attempt.text) for attempt in one.attempts()]
    assert 0 < sum(attempt.cost.tokens_out for attempt in one.attempts()) <= 700
    answer = one.episodes()[0].answer
    other, _ = run(continuing(either), strategy=strategy, folder="other", **limits)
    assert [(attempt.id, attempt.parent_id, attempt.text) for attempt in other.attempts()] == forest
    assert other.episodes()[0].answer == answer
    for attempt in other.attempts():
        assert not any(secret in message.content for message in attempt.messages for secret in ("20, 22", "SECRET"))


def test_rest_continues_beginnings_of_the_best_answer(run):
    replies = iter([WRONG, RIGHT, WRONG, RIGHT, WRONG])

    def reply(messages, seed):
        return RIGHT[len(begun(messages)) :] if begun(messages) else next(replies)

    store, policy = run(reply, strategy="rest")
    attempts = list(store.attempts())
    assert policy.calls == 5 + 2  # ⌈0.5 · 3 lines⌉
    assert [attempt.op for attempt in attempts[5:]] == ["continue"] * 2
    assert {attempt.parent_id for attempt in attempts[5:]} == {"add#0/1"}
    assert all(store.label(attempt.id).passed for attempt in attempts[5:])


@pytest.mark.parametrize("replies", [[RIGHT] * 5, [WRONG] * 5])
def test_rest_has_nothing_to_add_where_all_answers_are_worth_the_same(run, replies):
    _, policy = run(replies, strategy="rest")
    assert policy.calls == 5


def test_the_heuristic_reads_beginnings_of_programs():
    assert parses("def f(a):")
    assert parses("def f(a):\n    if a:")
    assert parses("def f(a):\n    return a")
    assert not parses("def f(a:")
    assert not parses("def f(a):\n  return a\n   x")
