"""Rows, masks and orders; no model runs here."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.core.errors import InputError, UnknownName
from burnish.core.records import Example, Message, TokenRecord
from burnish.models._renderer import ByteRenderer
from burnish.training._layout import packed_tokens
from burnish.training._micro import micro_batches
from burnish.training._rows import Row, supervised_row
from burnish.training._streams import SupervisedStream, pass_indices
from burnish.training.config import TrainConfig

USER, ASSISTANT = Message(role="user", content="q"), Message(role="assistant", content="ab")


def example(**fields) -> Example:
    return Example(**{"id": "e", "kind": "sft", "task_id": "t", "messages": (USER, ASSISTANT)} | fields)


def test_messages_are_learned_in_the_last_assistant_turn_with_its_end() -> None:
    row = supervised_row(example(messages=(USER, ASSISTANT, USER, ASSISTANT), weight=2.0), ByteRenderer())
    learned = [row.ids[position] for position in row.positions]
    assert learned == [ord("a"), ord("b"), ByteRenderer.end]
    assert row.positions[-1] == len(row.ids) - 1
    assert row.weight == 2.0


def test_tokens_are_learned_where_sampled_whatever_they_are() -> None:
    """Two turns, an end token inside a prompt, and an assistant header that was sampled: provenance decides."""
    tokens = TokenRecord(ids=(257, 259, 258, 65, 259, 257, 258, 258, 259), sampled=((3, 5), (7, 9)), logprobs=(-1.0,) * 4)
    row = supervised_row(example(tokens=tokens, messages=()), ByteRenderer())
    assert row.positions == (3, 4, 7, 8)
    assert row.ids == tokens.ids


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tokens": TokenRecord(ids=(1, 2), sampled=(), logprobs=())}, "Example 'e' has no token to learn"),
        ({"tokens": TokenRecord(ids=(1, 2), sampled=((0, 1),), logprobs=(-1.0,))}, "Example 'e' learns its very first token"),
        ({"messages": ()}, "Example 'e' must end with an assistant turn"),
        ({"messages": (ASSISTANT, USER)}, "Example 'e' must end with an assistant turn"),
    ],
)
def test_unusable_examples_are_named(fields, message) -> None:
    with pytest.raises(InputError, match=message):
        SupervisedStream([example(), example(**fields)], ByteRenderer(), TrainConfig())


def test_no_examples() -> None:
    with pytest.raises(InputError, match="no examples"):
        SupervisedStream([], ByteRenderer(), TrainConfig())


def test_unknown_loss_lists_those_that_exist() -> None:
    with pytest.raises(UnknownName, match=r"no loss named 'nnl'.*nll.*ppo_clip"):
        SupervisedStream([example()], ByteRenderer(), TrainConfig(sft_loss="nnl"))


def test_a_loss_that_needs_more_than_the_stream_has() -> None:
    with pytest.raises(InputError, match="'ppo_clip' needs advantage, old, which the stream 'sft' does not have"):
        SupervisedStream([example()], ByteRenderer(), TrainConfig(sft_loss="ppo_clip"))
    with pytest.raises(InputError, match="is a function, not a burnish"):
        SupervisedStream([example()], ByteRenderer(), TrainConfig(sft_loss="burnish.objectives.base:aggregate"))


@given(st.integers(1, 30), st.integers(1, 8), st.integers(0, 3))
def test_every_pass_sees_every_item_once(count, batch, seed) -> None:
    per_pass = -(-count // batch)
    for number in range(2):
        seen = [i for step in range(per_pass) for i in pass_indices(count, batch, seed, number * per_pass + step)]
        assert sorted(seen) == list(range(count))


def test_passes_are_shuffled_anew_and_by_seed() -> None:
    orders = [pass_indices(20, 20, seed, step) for seed in (0, 1) for step in (0, 1)]
    assert len({tuple(order) for order in orders}) == 4


def test_last_batch_of_a_pass_may_be_smaller() -> None:
    stream = SupervisedStream([example(id=str(n)) for n in range(5)], ByteRenderer(), TrainConfig(batch_size=2))
    assert stream.steps_per_pass == 3
    assert [len(asyncio.run(stream.deliver(step)).rows) for step in range(4)] == [2, 2, 1, 2]


def test_fingerprint_sees_every_field() -> None:
    def fingerprint(*examples):
        return SupervisedStream(examples, ByteRenderer(), TrainConfig()).fingerprint

    base = example()
    others = [msgspec.structs.replace(base, weight=0.5), msgspec.structs.replace(base, messages=(ASSISTANT, ASSISTANT))]
    assert fingerprint(base) == fingerprint(example())
    assert len({fingerprint(base), fingerprint(base, base), *map(fingerprint, others)}) == 4


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 3)), max_size=20), st.integers(1, 120), st.booleans())
def test_micro_batches_lose_nothing_and_keep_to_the_budget(shapes, budget, packed) -> None:
    """Rows of four prompts; padding counts only where rows do not run packed."""
    rows = [
        Row(id=str(n), ids=(prompt,) * length + (9, 9), positions=(length, length + 1)[: 1 + n % 2])
        for n, (length, prompt) in enumerate(shapes)
    ]
    batches = micro_batches(rows, budget, packed=packed)
    assert sorted(row.id for batch in batches for row in batch.rows) == sorted(row.id for row in rows)
    for batch in batches:
        size = packed_tokens(batch.rows) if packed else len(batch.rows) * max(row.length for row in batch.rows)
        assert len(batch.rows) == 1 or size <= budget


def test_a_group_stays_together_in_its_order() -> None:
    rows = [Row(id=f"{group}{n}", ids=(1,) * (5 + group + n), positions=(4 + group,), group=group) for group in range(4) for n in range(2)]
    batches = micro_batches(rows, 12, together=True)
    assert all([row.id[1] for row in batch.rows] == ["0", "1"] * (len(batch.rows) // 2) for batch in batches)
    assert len(batches) > 1
    assert sum(len(batch.rows) for batch in batches) == 8


def test_a_group_shares_its_prompt_in_one_micro_batch() -> None:
    rows = [Row(id=f"{n}", ids=(*[1] * 10, n, n), positions=(10, 11)) for n in range(4)]
    assert [batch.tokens for batch in micro_batches(rows, 16)] == [14]


def test_wrong_settings_say_what_is_wrong() -> None:
    for settings, message in [
        ({"learning_rate": 0.0}, "learning_rate = 0.0"),
        ({"group_size": 1}, "at least 2 completions"),
        ({"steps": 0}, "steps = 0"),
        ({"kl": -1.0}, "kl = -1.0"),
        ({"mix": {"ppo": 1.0}}, "stream 'ppo'"),
        ({"mix": {"rl": -1.0}}, "must not be negative"),
    ]:
        with pytest.raises(InputError, match=message):
            TrainConfig(**settings)
