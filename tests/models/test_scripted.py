"""The scripted policy: order, stop strings, lengths, failures, token truth."""

from __future__ import annotations

import asyncio

import pytest

from burnish.core.errors import InputError, PolicyError
from burnish.core.records import Message, Sampling
from burnish.models import Completion, Policy, Request, load
from burnish.models.scripted import Reply, scripted

QUESTION = Message(role="user", content="q")


def ask(reply: Reply, **sampling: object) -> Completion:
    return asyncio.run(scripted(reply).generate(Request(prompt_ids=(1,), messages=(QUESTION,), sampling=Sampling(**sampling))))


def test_is_a_policy() -> None:
    assert isinstance(scripted(["a"]), Policy)


def test_replies_in_order_and_counts() -> None:
    policy = scripted(["a", "b"], name="two")

    async def both() -> list[str]:
        return [(await policy.generate(Request(prompt_ids=()))).text for _ in range(2)]

    assert asyncio.run(both()) == ["a", "b"]
    assert policy.calls == 2
    with pytest.raises(PolicyError, match="'two' has 2 replies"):
        asyncio.run(both())


def test_ids_are_the_bytes_and_the_end() -> None:
    completion = ask(["hé"])
    assert completion.ids == (*"hé".encode(), 259)
    assert completion.logprobs == (0.0,) * 4
    assert (completion.text, completion.stop_reason) == ("hé", "eos")


def test_function_sees_messages_and_seed() -> None:
    assert ask(lambda messages, seed: f"{messages[0].content} {seed}", seed=7).text == "q 7"


def test_async_function() -> None:
    async def reply(messages: tuple[Message, ...], seed: int) -> str:
        await asyncio.sleep(0)
        return "later"

    assert ask(reply).text == "later"


def test_earliest_stop_string_wins() -> None:
    completion = ask(["one. two! three"], stop=("!", ". "))
    assert (completion.text, completion.stop_reason) == ("one", "stop")
    assert bytes(completion.ids) == b"one. "


@pytest.mark.parametrize(("limit", "reason"), [(1, "length"), (3, "length"), (4, "eos")])
def test_max_tokens(limit: int, reason: str) -> None:
    completion = ask(["abc"], max_tokens=limit)
    assert (completion.text, completion.stop_reason) == ("abc"[:limit], reason)
    assert len(completion.ids) == len(completion.logprobs) == limit


def test_failing_function_is_a_policy_error() -> None:
    with pytest.raises(PolicyError, match="ZeroDivisionError"):
        ask(lambda messages, seed: str(1 / 0))


def test_a_bare_string_is_refused() -> None:
    with pytest.raises(InputError, match=r"write \[text\]"):
        scripted("hello")


def test_load_by_engine_name_and_unknown_option() -> None:
    assert load(["a"], engine="scripted", name="x").name == "x"  # type: ignore[arg-type]
    with pytest.raises(InputError, match="temperature"):
        load("embedded", engine="scripted", temperature=1)
