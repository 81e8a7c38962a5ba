"""Renderers: round trips, the suffix trick, supervised ranges, and the templates that break them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.core.errors import InputError
from burnish.core.records import Message
from burnish.models import ByteRenderer, ChatRenderer, HistoryRewritten, Renderer
from burnish.models._checkpoint import embedded

from .conftest import CHATML, build_tokenizer

END = 2
TOKENIZER = build_tokenizer()
LAST_ONLY = "{% set m = messages[-1] %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
STRIPS_THINKING = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['role'] == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
ALTERNATES = "{% if messages[0]['role'] != 'user' %}{{ raise_exception('the first turn must be the user') }}{% endif %}" + CHATML


def user(text: str) -> Message:
    return Message(role="user", content=text)


def assistant(text: str) -> Message:
    return Message(role="assistant", content=text)


@pytest.fixture(params=["chatml", "bytes"])
def renderer(request: pytest.FixtureRequest) -> Renderer:
    return ChatRenderer(TOKENIZER) if request.param == "chatml" else ByteRenderer()


def test_both_are_renderers(renderer: Renderer) -> None:
    assert isinstance(renderer, Renderer)


def test_render_ends_with_the_assistant_header() -> None:
    text = TOKENIZER.decode(ChatRenderer(TOKENIZER).render([user("hi")]))
    assert text == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"


def test_extending_a_turn_equals_rendering_the_whole(renderer: Renderer) -> None:
    asked, answered, more = user("1 + 1?"), assistant("2, I think"), user("sure?")
    ids, (start, end) = renderer.supervised([asked, answered])
    assert end == len(ids)
    assert ids[:start] == renderer.render([asked])
    assert renderer.extend(ids, [more]) == renderer.render([asked, answered, more])


def test_extend_closes_an_open_turn(renderer: Renderer) -> None:
    ids, _ = renderer.supervised([user("a"), assistant("b")])
    assert renderer.extend(ids[:-1], [user("c")]) == renderer.extend(ids, [user("c")])


def test_extend_never_touches_what_was_sampled() -> None:
    renderer = ChatRenderer(TOKENIZER)
    pieces = TOKENIZER("re", add_special_tokens=False)["input_ids"] + TOKENIZER("turn", add_special_tokens=False)["input_ids"]
    ids = (*renderer.render([user("q")]), *pieces)
    assert TOKENIZER("return", add_special_tokens=False)["input_ids"] != pieces  # re-tokenising would merge them
    assert renderer.extend(ids, [user("again")])[: len(ids)] == ids


def test_supervised_range_is_the_answer_and_its_end() -> None:
    ids, (start, end) = ChatRenderer(TOKENIZER).supervised([user("q"), assistant("x"), user("r"), assistant("return a")])
    assert TOKENIZER.decode(ids[start:end]) == "return a<|im_end|>"
    assert ids[end - 1] == END


@pytest.mark.parametrize("content", ["", "\n", "\n\n\n  indented", " leading", "trailing ", "<|im_end|>", "日本 😀"])
def test_supervised_prompt_is_what_sampling_would_read(content: str) -> None:
    renderer = ChatRenderer(TOKENIZER)
    ids, (start, end) = renderer.supervised([user("q"), assistant(content)])
    assert ids[:start] == renderer.render([user("q")])
    assert TOKENIZER.decode(ids[start:end]) == f"{content}<|im_end|>"


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_decode_gives_the_text_back(text: str) -> None:
    for renderer in (ChatRenderer(TOKENIZER), ByteRenderer()):
        ids, (start, end) = renderer.supervised([user("q"), assistant(text)])
        if "<|" not in text:
            assert renderer.decode(ids[start:end]) == text


@pytest.mark.parametrize("conversation", [[], [user("q")]])
def test_supervised_needs_an_assistant_turn(renderer: Renderer, conversation: list[Message]) -> None:
    with pytest.raises(InputError, match="must end with an assistant"):
        renderer.supervised(conversation)


@pytest.mark.parametrize("template", [LAST_ONLY, STRIPS_THINKING])
def test_a_template_that_rewrites_history_is_refused(template: str) -> None:
    renderer = ChatRenderer(TOKENIZER, chat_template=template)
    with pytest.raises(HistoryRewritten, match="not prefix-preserving"):
        renderer.extend((5, 6, END), [user("next")])


def test_a_prompt_that_changes_with_its_answer_is_refused() -> None:
    with pytest.raises(HistoryRewritten, match="not prefix-preserving"):
        ChatRenderer(TOKENIZER, chat_template=LAST_ONLY).supervised([user("q"), assistant("x")])


def test_a_template_that_refuses_the_roles_says_so() -> None:
    with pytest.raises(InputError, match=r"roles \(system, user\).*the first turn must be the user"):
        ChatRenderer(TOKENIZER, chat_template=ALTERNATES).render([Message(role="system", content="s"), user("q")])


def test_no_template_is_an_error_that_says_how_to_mend_it() -> None:
    bare = build_tokenizer(template=None)
    with pytest.raises(InputError, match='chat_template="plain"'):
        ChatRenderer(bare)
    plain = ChatRenderer(bare, chat_template="plain")
    ids, (start, end) = plain.supervised([user("q"), assistant("x")])
    assert bare.decode(ids) == "### User:\nq\n\n### Assistant:\nx<|im_end|>"
    assert bare.decode(ids[start:end]) == "x<|im_end|>"
    assert plain.extend(ids, [user("r")]) == plain.render([user("q"), assistant("x"), user("r")])


def test_a_template_without_end_of_turn_gets_one() -> None:
    open_ended = (
        "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
    )
    renderer = ChatRenderer(TOKENIZER, chat_template=open_ended)
    ids, (_, end) = renderer.supervised([user("q"), assistant("x")])
    assert ids[end - 1] == END


def test_all_ends_are_collected() -> None:
    assert ChatRenderer(TOKENIZER, stop_ids=[7]).stop_ids == {0, 2, 7}  # <|endoftext|>, <|im_end|>, generation config


def test_bytes_cut_in_a_character_stay_decodable() -> None:
    assert ByteRenderer().decode("é".encode()[:1]) == "\ufffd"


@pytest.mark.model
def test_the_embedded_model_round_trips() -> None:
    from transformers import AutoTokenizer

    renderer = ChatRenderer(AutoTokenizer.from_pretrained(embedded()))
    asked, answered, more = user("1 + 1?"), assistant("\n```python\n2\n```\n"), user("sure?")
    ids, (start, end) = renderer.supervised([asked, answered])
    assert renderer.decode(ids[start:end]) == answered.content
    assert ids[end - 1] == 2
    assert renderer.extend(ids, [more]) == renderer.render([asked, answered, more])
