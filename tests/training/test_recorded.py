"""Answers that were sampled before as the stream `rl`: where their rewards fall, what they teach, what is refused."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
import torch

from burnish.core.errors import InputError
from burnish.core.records import Example, Message, TokenRecord
from burnish.models import ByteRenderer
from burnish.store.jsonl import write_records
from burnish.training._recorded_stream import RecordedStream
from burnish.training._rows import recorded_row
from burnish.training._streams import Order
from burnish.training.config import Stage, TrainConfig
from burnish.training.files import read_plan
from burnish.training.trainer import train

SPANS = TrainConfig(
    advantage="span_gae",
    advantage_options={"kl": 0.0},
    learning_rate=3e-3,
    batch_size=2,
    steps=4,
    warmup=0,
    schedule="constant",
    save_every=2,
    micro_tokens=256,
)


def answer(text, name="e", prompt="say a", **meta):
    messages = (Message(role="user", content=prompt), Message(role="assistant", content=text))
    return Example(id=name, kind="ledex-rewards", task_id="t", messages=messages, meta=meta)


def changed(config, **fields):
    return msgspec.structs.replace(config, **fields)


def no_value(rows, fields, temperature):
    longest = max(len(row.positions) for row in rows)
    return {name: torch.zeros(len(rows), longest) for name in fields}


def test_credit_falls_on_the_last_token_of_its_span():
    row = recorded_row(answer("ab cd", credit=[[2, 2.0], [0, 1.5]]), ByteRenderer())
    assert row.credit == ((1, 2.0), (5, 1.5))  # the end of the turn is the sixth token
    assert row.reward == 0
    assert recorded_row(answer("ab", credit=[[0, -1.0], [99, -2.0]]), ByteRenderer()).credit == ((2, -3.0),)
    assert (recorded_row(answer("ab", reward=2), ByteRenderer()).reward, recorded_row(answer("ab", reward=2), ByteRenderer()).credit) == (
        2,
        None,
    )


def test_sampled_tokens_are_used_as_they_are():
    tokens = TokenRecord(ids=(257, 65, 258, 66, 67), sampled=((3, 5),), logprobs=(-1.0, -2.0))
    row = recorded_row(msgspec.structs.replace(answer("BC", credit=[[1, 1.0]]), tokens=tokens), ByteRenderer())
    assert (row.positions, row.rollout, row.credit) == ((3, 4), (-1.0, -2.0), ((0, 1.0),))


@pytest.mark.parametrize("cut", [0, 1])
def test_advantages_by_hand(cut):
    """|e| = 2, then a blank, two letters and the end: R(e) = 2, R(r) = 1.5, no critic, gamma .99."""
    stream = RecordedStream(
        [answer("ab cd", credit=[[2, 2.0], [0, 1.5]])], ByteRenderer(), changed(SPANS, advantage_options={"kl": 0.0, "cut": cut})
    )
    (row,) = asyncio.run(stream.deliver(0, Order(score=no_value))).rows
    code = [1.5 * 0.99**left for left in (3, 2, 1, 0)]
    reaches = 0.0 if cut else 0.99 * code[0]
    assert row.advantage == pytest.approx([0.99 * (2 + reaches), 2 + reaches, *code])
    assert row.fields["returns"] == pytest.approx(row.advantage)


def test_answers_to_one_prompt_are_drawn_together_and_compared():
    examples = [answer("a", "1", reward=1.0), answer("b", "2", reward=0.0), answer("c", "3", prompt="say b", reward=1.0)]
    config = changed(SPANS, advantage="grpo", advantage_options={}, batch_size=1)
    stream = RecordedStream(examples, ByteRenderer(), config)
    assert stream.steps_per_pass == 2
    groups = [asyncio.run(stream.deliver(step)) for step in range(2)]
    assert sorted(len(delivery.rows) for delivery in groups) == [1, 2]
    pair = next(delivery for delivery in groups if len(delivery.rows) == 2)
    assert [row.advantage > 0 for row in pair.rows] == [True, False]
    assert pair.report == {"reward_mean": 0.5, "dead_groups": 0.0}
    assert next(delivery for delivery in groups if len(delivery.rows) == 1).report["dead_groups"] == 1.0


def logprob(policy, example):
    row = recorded_row(example, policy.renderer)
    return float(policy.logprobs(row.ids, start=row.positions[0]).sum())


def test_what_was_rewarded_becomes_likelier_and_what_was_not_less_likely(make_policy, tmp_path):
    good, bad = answer("abab", "1", credit=[[2, 3.0], [0, 3.0]]), answer("cdcd", "2", credit=[[2, -3.0], [0, -3.0]])
    policy = make_policy()
    before = logprob(policy, good), logprob(policy, bad)
    stats = []
    config = changed(SPANS, steps=None, epochs=3, updates_per_step=2, stages=(Stage(steps=2, critic_only=True), Stage()))
    result = train(policy, tmp_path, config, recorded=[good, bad], on_step=stats.append)
    assert result.finished
    assert [step.step for step in stats] == [1, 2, 3, 4, 5]
    assert stats[0].streams["rl"].reward_mean == 0.0
    assert logprob(policy, good) > before[0] + 0.5
    assert logprob(policy, bad) < before[1] - 0.5


def test_a_critic_alone_leaves_the_policy_as_it_was(make_policy, tmp_path):
    example = answer("abab", credit=[[2, 3.0], [0, 3.0]])
    policy = make_policy()
    before = logprob(policy, example)
    train(policy, tmp_path, changed(SPANS, steps=None, stages=(Stage(steps=3, critic_only=True),)), recorded=[example])
    assert logprob(policy, example) == pytest.approx(before, abs=1e-5)


def test_a_resumed_run_ends_with_the_same_weights(make_policy, tmp_path):
    data = [
        answer("abab", "1", credit=[[2, 3.0], [0, 1.0]]),
        answer("cd", "2", prompt="b", credit=[[0, -3.0]]),
        answer("e", "3", prompt="c", credit=[[0, 1.0]]),
    ]
    config = changed(SPANS, advantage_options={"kl": 0.2})
    whole, half, resumed = make_policy(), make_policy(), make_policy()
    train(whole, tmp_path / "whole", config, recorded=data)
    asked = []
    train(half, tmp_path / "half", config, recorded=data, should_stop=lambda: asked.append(0) or len(asked) == 2)
    train(resumed, tmp_path / "half", config, recorded=data, resume=True)
    ends = [policy.model.state_dict() for policy in (whole, resumed)]
    assert all(torch.equal(tensor, ends[1][name]) for name, tensor in ends[0].items())


@pytest.mark.parametrize(
    ("example", "message"),
    [
        (answer("a"), r"Example 'e' has no reward. Give it meta\['reward'\]"),
        (answer("a", credit=[["x", 1.0]]), "not made of numbers"),
        (answer("a", reward=1.0), r"needs segment_end, token_reward.*meta\['credit'\]"),
    ],
)
def test_what_cannot_be_used_is_explained(example, message):
    with pytest.raises(InputError, match=message):
        RecordedStream([example], ByteRenderer(), SPANS)


def test_fresh_and_recorded_do_not_mix(make_policy, source, tmp_path):
    with pytest.raises(InputError, match="from fresh rollouts or from recorded answers, not from both"):
        train(make_policy(), tmp_path, SPANS, recorded=[answer("a", credit=[[0, 1.0]])], rollouts=source)


def test_a_training_file_names_them(tmp_path):
    from burnish.api._learning import _sources

    write_records(tmp_path / "rl.jsonl", [answer("a", credit=[[0, 1.0]])])
    plan = read_plan(f"recorded = '{tmp_path / 'rl.jsonl'}'".encode())
    assert [example.meta for example in _sources(plan)["recorded"]] == [{"credit": [[0, 1.0]]}]
