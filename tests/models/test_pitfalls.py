"""The known ways to lose the truth about tokens, each with the rule that holds it off, on four real chat formats.

Here: text, templates and masks. Log-probabilities, rewards and reductions are in `tests/training/test_pitfalls.py`.
"""

from __future__ import annotations

import pytest

from burnish.core.errors import InputError
from burnish.core.records import Example, Message, Sampling, TokenRecord
from burnish.models import Conversation, HistoryRewritten
from burnish.training._rows import positions_of, supervised_row

from .chats import APPENDING, NAMES, Chat, assistant, user
from .chats import chat as chat_of

SAMPLING = Sampling()
THOUGHT = "<think>\nadd them\n</think>\n\nreturn a"


@pytest.fixture(params=NAMES)
def chat(request: pytest.FixtureRequest) -> Chat:
    return chat_of(request.param)


@pytest.fixture(params=APPENDING)
def appending(request: pytest.FixtureRequest) -> Chat:
    return chat_of(request.param)


def apart(chat: Chat) -> tuple[int, ...]:
    """Two tokens that would be one, or other ones, if their text were encoded again."""
    return chat.encode("re") + chat.encode("turn")


def spelled(chat: Chat, record: TokenRecord, kind: str) -> str:
    return chat.text([token for token, own in zip(record.ids, record.kinds, strict=True) if own == kind])


def talk(chat: Chat, *turns: Message, answer: str = "return a", ended: bool = True) -> Conversation:
    conversation = Conversation(chat.renderer, turns)
    conversation.wrote(chat.wrote(chat.encode(answer), ended=ended), SAMPLING)
    return conversation


def test_pitfall_01_decoding_and_encoding_again_is_not_the_identity(chat: Chat) -> None:
    sampled = apart(chat)
    assert chat.encode(chat.text(sampled)) != sampled
    conversation = Conversation(chat.renderer, [user("q")])
    read = conversation.ids
    conversation.wrote(chat.wrote(sampled), SAMPLING)
    conversation.add(user("again"))
    record = conversation.records()[0]
    assert record.ids == (*read, *sampled, chat.end)
    assert record.sampled == ((len(read), len(record.ids)),)


def test_pitfall_01_the_next_prompt_holds_the_tokens_as_they_were_sampled(appending: Chat) -> None:
    conversation = Conversation(appending.renderer, [user("q")])
    read = conversation.ids
    conversation.wrote(appending.wrote(apart(appending)), SAMPLING)
    conversation.add(user("again"))
    prompt = conversation.request(SAMPLING).prompt_ids
    written = (*read, *apart(appending), appending.end)
    assert prompt[: len(written)] == written
    assert prompt != appending.renderer.render(conversation.messages)  # what encoding the text again would have given
    assert appending.text(prompt) == appending.text(appending.renderer.render(conversation.messages))


@pytest.mark.parametrize("more", ["sure?", "\n\n  indented", "assistant", "x" * 50])
def test_pitfall_02_appended_turns_are_written_as_in_a_whole_conversation(appending: Chat, more: str) -> None:
    asked, answered = user("1 + 1?"), assistant("2, I think")
    ids, _ = appending.renderer.supervised([asked, answered])
    extended, whole = appending.renderer.extend(ids, [user(more)]), appending.renderer.render([asked, answered, user(more)])
    assert appending.text(extended) == appending.text(whole)
    assert extended[: len(ids)] == ids
    assert extended[len(ids) :] == whole[len(ids) - len(extended) :]


def test_pitfall_02_a_template_whose_turns_cannot_be_appended_says_so() -> None:
    chat = chat_of("qwen3")
    ids, _ = chat.renderer.supervised([user("q"), assistant("return a")])
    with pytest.raises(HistoryRewritten, match=r"not prefix-preserving.*Conversation.*chat_template="):
        chat.renderer.extend(ids, [user("again")])


def test_pitfall_03_a_template_that_drops_old_thoughts_begins_a_branch_and_is_counted() -> None:
    chat = chat_of("qwen3")
    conversation = talk(chat, user("q"), answer=THOUGHT)
    before = conversation.ids
    conversation.add(user("again"))
    assert (conversation.clean, conversation.forks) == (0, 1)
    assert "add them" not in chat.text(conversation.ids)
    conversation.wrote(chat.wrote(chat.encode("b")), SAMPLING)
    first, second = conversation.records()
    assert first.ids == before  # what was sampled, thoughts included, is trained in the prompt that it was sampled in
    assert spelled(chat, first, "sampled") == f"{THOUGHT}<|im_end|>"
    assert spelled(chat, second, "sampled") == "b<|im_end|>"
    assert sum(len(record.logprobs) for record in conversation.records()) == len(chat.encode(THOUGHT)) + 1 + 2


def test_pitfall_03_history_that_the_template_leaves_alone_is_no_branch(chat: Chat) -> None:
    conversation = talk(chat, user("q"))
    before = conversation.ids
    conversation.add(user("again"))
    assert conversation.ids[: len(before)] == before
    assert (conversation.clean, conversation.forks) == (1, 0)
    conversation.wrote(chat.wrote(chat.encode("b")), SAMPLING)
    (record,) = conversation.records()
    assert [end - start for start, end in record.sampled] == [len(chat.encode("return a")) + 1, 2]


def test_pitfall_04_quoted_assistant_turns_are_not_trained(chat: Chat) -> None:
    quoted = [user("q"), assistant("a quoted answer"), user("r")]
    (record,) = talk(chat, *quoted).records()
    assert spelled(chat, record, "sampled") == f"return a{chat.text([chat.end])}"
    assert "a quoted answer" in spelled(chat, record, "content")
    ids, (start, end) = chat.renderer.supervised([*quoted, assistant("return a")])
    assert "a quoted answer" not in chat.text(ids[start:end])


@pytest.mark.parametrize("words", ["user", "assistant", "system", "say it", "end\n\nof line"])
def test_pitfall_05_every_token_is_sampled_content_or_scaffold(chat: Chat, words: str) -> None:
    conversation = talk(chat, Message(role="system", content=words), user(words))
    conversation.add(user(words))
    conversation.wrote(chat.wrote(chat.encode("b")), SAMPLING)
    (record,) = conversation.records()
    assert spelled(chat, record, "content") == words * 3
    assert spelled(chat, record, "sampled") == f"return a{chat.text([chat.end])}b{chat.text([chat.end])}"
    scaffold = spelled(chat, record, "scaffold")
    assert scaffold.count("assistant") == 2
    assert scaffold.count("user") == 2
    assert chat.text(record.ids).count(words) >= 3


@pytest.mark.model
def test_pitfall_05_a_system_turn_that_the_template_adds_is_scaffold() -> None:
    chat = chat_of("smollm2")
    (record,) = talk(chat, user("q")).records()
    assert "You are a helpful AI assistant" in spelled(chat, record, "scaffold")
    assert spelled(chat, record, "content") == "q"


def test_pitfall_05_an_end_that_was_not_sampled_is_scaffold(appending: Chat) -> None:
    conversation = talk(appending, user("q"), ended=False)
    cut = len(conversation.ids)
    conversation.add(user("go on"))
    conversation.wrote(appending.wrote(appending.encode("b")), SAMPLING)
    (record,) = conversation.records()
    assert record.ids[cut] == appending.end
    assert record.kinds[cut - 1 : cut + 1] == ("sampled", "scaffold")


def test_pitfall_06_masks_need_no_generation_marks_in_the_template(chat: Chat) -> None:
    assert "generation %}" not in chat.tokenizer.chat_template
    ids, (start, end) = chat.renderer.supervised([user("q"), assistant("return a")])
    assert 0 < start < end == len(ids)


def test_pitfall_06_an_empty_mask_is_an_error() -> None:
    example = Example(id="e", kind="sft", task_id="t", messages=(), tokens=TokenRecord(ids=(1, 2), sampled=(), logprobs=()))
    with pytest.raises(InputError, match="Example 'e' has no token to learn from"):
        supervised_row(example, chat_of("chatml").renderer)
    with pytest.raises(InputError, match="nothing predicts"):
        positions_of("It", [(0, 2)])


@pytest.mark.parametrize("answer", ["return a", "", "\n", "ends in space "])
def test_pitfall_07_the_end_of_a_turn_belongs_to_the_turn(chat: Chat, answer: str) -> None:
    ids, (_, end) = chat.renderer.supervised([user("q"), assistant(answer)])
    assert ids[end - 1] == chat.end
    assert chat.end in chat.tokenizer.added_tokens_decoder
    assert chat.end in chat.renderer.stop_ids


def test_pitfall_07_a_turn_is_ended_once_whether_or_not_the_end_was_sampled(appending: Chat) -> None:
    closed, opened = talk(appending, user("q")), talk(appending, user("q"), ended=False)
    cut = len(closed.ids)
    for conversation in (closed, opened):
        conversation.add(user("r"))
    assert closed.ids == opened.ids
    assert closed.ids[cut - 1] == appending.end != closed.ids[cut]


def test_pitfall_08_every_end_stops_sampling_and_padding_has_no_say(chat: Chat) -> None:
    ends = {"llama3": ["<|end_of_text|>", "<|eot_id|>"]}.get(chat.name, ["<|endoftext|>", "<|im_end|>"])
    assert chat.renderer.stop_ids == set(chat.tokenizer.convert_tokens_to_ids(ends))
    assert chat.tokenizer.pad_token_id == chat.end  # so a mask made by ids would lose every end
    (record,) = talk(chat, user("q")).records()
    assert record.kinds[-1] == "sampled"
    assert record.ids[-1] == chat.tokenizer.pad_token_id


def test_pitfall_09_a_truncated_turn_is_known_as_such(chat: Chat) -> None:
    assert chat.wrote(chat.encode("return"), ended=False).stop_reason == "length"
    (record,) = talk(chat, user("q"), ended=False).records()
    assert record.ids[-1] != chat.end  # no end is made up: a model must not learn to stop where it was cut


def test_pitfall_20_trainer_and_sampler_read_the_same_prompt(chat: Chat) -> None:
    asked = [Message(role="system", content="be brief"), user("1 + 1?")]
    read = chat.renderer.render(asked)
    assert read != chat.encode("1 + 1?")  # what encoding the prompt without its template would give
    ids, (start, _) = chat.renderer.supervised([*asked, assistant("return a")])
    assert ids[:start] == read
    assert Conversation(chat.renderer, asked).request(SAMPLING).prompt_ids == read


def test_pitfall_21_numbers_that_do_not_fit_their_tokens_are_refused() -> None:
    good = {"ids": (1, 2, 3, 4), "sampled": ((1, 2), (3, 4)), "logprobs": (-1.0, -2.0)}
    assert TokenRecord(**good).kinds == ("scaffold", "sampled", "scaffold", "sampled")
    for change, message in [
        ({"logprobs": (-1.0,)}, "2 sampled tokens but 1 log-prob"),
        ({"sampled": ((1, 2), (4, 5))}, "leave the 4 token ids"),
        ({"sampled": ((3, 4), (1, 2))}, "ascend without overlap"),
        ({"sampled": ((1, 3), (2, 4)), "logprobs": (-1.0,) * 4}, "ascend without overlap"),
        ({"content": ((0, 2),)}, "ascend without overlap"),
        ({"content": ((0, 9),)}, "content ranges"),
        ({"temperatures": (1.0,)}, "2 sampled tokens but 1 temperatures"),
    ]:
        with pytest.raises(ValueError, match=message):
            TokenRecord(**{**good, **change})
