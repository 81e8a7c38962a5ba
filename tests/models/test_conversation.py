"""Conversations: whose turn it is, what they hold, and what they refuse. Templates are in `test_pitfalls.py`."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.core.errors import InputError
from burnish.core.records import Message, Sampling
from burnish.models import ByteRenderer, ChatRenderer, Completion, Conversation
from burnish.models._content import message_places
from burnish.models.scripted import scripted

from .chats import assistant, small_tokenizer, user
from .chats import chat as chat_of
from .conftest import CHATML

SAMPLING = Sampling(temperature=0.5)


def wrote(text: str, *, reason: str = "eos") -> Completion:
    ids = (*text.encode(), *((ByteRenderer.end,) if reason == "eos" else ()))
    return Completion(ids=ids, text=text, logprobs=(-0.25,) * len(ids), stop_reason=reason)


def test_a_conversation_with_a_policy() -> None:
    policy = scripted(["one", "two"])
    talk = Conversation(policy.renderer, [user("a")])
    for more in ("b", None):
        talk.wrote(asyncio.run(policy.generate(talk.request(SAMPLING))), SAMPLING)
        if more:
            talk.add(user(more))
    (record,) = talk.records()
    assert [message.content for message in talk.messages] == ["a", "one", "b", "two"]
    assert record.ids == policy.renderer.supervised(talk.messages)[0]
    assert [bytes(record.ids[start : end - 1]) for start, end in record.sampled] == [b"one", b"two"]
    assert [bytes(record.ids[start:end]) for start, end in record.content] == [b"a", b"b"]
    assert record.temperatures == (0.5,) * 8
    assert (talk.clean, talk.forks) == (1, 0)


def test_the_request_has_the_text_too() -> None:
    talk = Conversation(ByteRenderer(), [user("a")])
    assert talk.request(SAMPLING).messages == (user("a"),)
    assert talk.request(SAMPLING).sampling == SAMPLING


def test_several_messages_may_follow_a_turn() -> None:
    talk = Conversation(ByteRenderer(), [user("a")])
    talk.wrote(wrote("b", reason="length"), SAMPLING)
    talk.add(user("c"), assistant("quoted"), user("d"))
    talk.wrote(wrote("e"), SAMPLING)
    (record,) = talk.records()
    assert [bytes(record.ids[start:end]) for start, end in record.content] == [b"a", b"c", b"quoted", b"d"]
    assert [record.ids[start:end] for start, end in record.sampled] == [(98,), (101, ByteRenderer.end)]


def test_what_a_request_forced_is_not_sampled() -> None:
    """A prefix of one token, two sampled at temperatures of their own, and a suffix."""
    talk = Conversation(ByteRenderer(), [user("a")])
    start = len(talk.ids)
    forced = Completion(
        ids=(60, 70, 71, 62),
        text="<FG>",
        logprobs=(-1.0, -2.0),
        stop_reason="length",
        forced=((0, 1), (3, 4)),
        temperatures=(1.0, 0.0),
        kept=(0.9, 0.8),
        raw_logprobs=(-1.5, -2.5),
    )
    talk.wrote(forced, SAMPLING)
    talk.add(user("b"))
    talk.wrote(wrote("c"), SAMPLING)
    (record,) = talk.records()
    assert record.kinds[start : start + 5] == ("scaffold", "sampled", "sampled", "scaffold", "scaffold")
    assert record.logprobs == (-1.0, -2.0, -0.25, -0.25)
    assert record.temperatures == (1.0, 0.0, 0.5, 0.5)
    assert record.raw_logprobs == (-1.5, -2.5, -0.25, -0.25)
    assert record.kept == (0.9, 0.8, 1.0, 1.0)


def test_an_engine_that_tells_no_log_probabilities() -> None:
    talk = Conversation(ByteRenderer(), [user("a")])
    talk.wrote(Completion(ids=(70, 71), text="FG", logprobs=(), stop_reason="length"), SAMPLING)
    assert talk.records()[0].logprobs == (None, None)


def test_an_empty_message_has_no_content() -> None:
    talk = Conversation(ByteRenderer(), [user("")])
    talk.wrote(wrote("b"), SAMPLING)
    assert talk.records()[0].content == ()


def test_nothing_sampled_is_no_record() -> None:
    assert Conversation(ByteRenderer(), [user("a")]).records() == ()


def test_turns_alternate() -> None:
    talk = Conversation(ByteRenderer(), [user("a")])
    with pytest.raises(InputError, match=r"policy's turn.*conversation.wrote"):
        talk.add(user("b"))
    talk.wrote(wrote("b"), SAMPLING)
    with pytest.raises(InputError, match=r"The policy wrote last.*conversation.add"):
        talk.request(SAMPLING)
    with pytest.raises(InputError, match="The policy wrote last"):
        talk.wrote(wrote("b"), SAMPLING)


def test_a_failed_turn_changes_nothing() -> None:
    late = "{% if m['role'] == 'system' and not loop.first %}{{ raise_exception('no late system turn') }}{% endif %}"
    refuses = CHATML.replace("{% for m in messages %}", "{% for m in messages %}" + late)
    talk = Conversation(ChatRenderer(small_tokenizer("chatml"), chat_template=refuses), [user("q")])
    talk.wrote(Completion(ids=(7, 2), text="b", logprobs=(-1.0, -1.0), stop_reason="eos"), SAMPLING)
    before = talk.ids, list(talk.messages)
    with pytest.raises(InputError, match="no late system turn"):
        talk.add(Message(role="system", content="s"))
    assert (talk.ids, talk.messages) == before


TURNS = st.lists(
    st.tuples(st.lists(st.integers(10, 300), max_size=6), st.booleans(), st.text(st.sampled_from("ab \n</é"), max_size=8)),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("name", ["chatml", "llama3", "qwen3"])
@settings(max_examples=25, deadline=None)
@given(turns=TURNS)
def test_whatever_is_said_every_sampled_token_is_kept_once_and_in_order(name: str, turns) -> None:
    chat = chat_of(name)
    talk = Conversation(chat.renderer, [user("q")])
    written = []
    for ids, ended, more in turns:
        prompt = talk.request(SAMPLING).prompt_ids
        talk.wrote(chat.wrote(ids, ended=ended), SAMPLING)
        written.append((prompt, (*ids, chat.end) if ended else tuple(ids)))
        talk.add(user(more))
    kept = [(record.ids[:start], record.ids[start:end]) for record in talk.records() for start, end in record.sampled]
    assert kept == [turn for turn in written if turn[1]]  # each in the very context in which it was sampled
    assert talk.clean + talk.forks == len(turns)
    assert name == "qwen3" or talk.forks == 0
    for record in talk.records():
        assert record.kinds.count("sampled") == len(record.logprobs)


@pytest.mark.parametrize(
    ("text", "scaffold", "contents", "expected"),
    [
        ("user:user.", ["user:", "."], ["user"], [(5, 9)]),
        ("[ a ][b]", ["[", "][", "]"], [" a ", "b"], [(1, 4), (6, 7)]),
        ("[a][b]", ["[", "][", "]"], [" a\n", "b"], [(1, 2), (4, 5)]),  # trimmed
        ("[][]", ["[", "][", "]"], ["", ""], [(1, 1), (3, 3)]),
        ("[answer]", ["[", "]"], ["<think>no</think>answer"], [(1, 7)]),  # cut at its beginning
        ("[a][b][c]", ["[", "]"], ["a][b][c"], [(1, 8)]),  # a message that looks like scaffold
    ],
)
def test_messages_are_found_between_the_scaffold(text, scaffold, contents, expected) -> None:
    assert message_places(text, scaffold, contents) == expected


@pytest.mark.parametrize(
    ("text", "scaffold", "contents"),
    [
        ("(a]", ["[", "]"], ["a"]),  # another beginning
        ("[a]", ["[a]"], ["a"]),  # not shown
        ("[A]", ["[", "]"], ["a"]),  # rewritten
        ("[a]!", ["[", "]"], ["a"]),  # another end
        ("[a", ["[", "]"], ["a"]),
    ],
)
def test_messages_that_a_template_changes_are_not_guessed(text, scaffold, contents) -> None:
    with pytest.raises(InputError, match="cannot be told from the template's"):
        message_places(text, scaffold, contents)


def test_a_template_that_changes_messages_is_refused_when_content_is_asked_for() -> None:
    shouts = "{% for m in messages %}<|im_start|>{{ m['content'] | upper }}<|im_end|>{% endfor %}"
    with pytest.raises(InputError, match="cannot be told from the template's"):
        ChatRenderer(small_tokenizer("chatml"), chat_template=shouts).content([user("quiet")])
