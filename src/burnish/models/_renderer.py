"""Renderers: the one place where conversations become token ids, for sampling and for training alike.

`ChatRenderer` serves any Hugging Face chat template. Turns are appended by the suffix trick: a stand-in conversation is
rendered with and without the new turns and cut after its end-of-turn token, so what was sampled is never tokenised again.
A template that rewrites earlier turns breaks that and is refused (`models.Conversation` then starts a branch). What messages say
never becomes a special token (`_special`). `ByteRenderer` is the same contract over plain bytes.
Not covered: images, tool schemas, documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import accumulate
from typing import Any

from burnish.core.errors import InputError
from burnish.core.records import Message, Role
from burnish.models._content import MARK, mark, message_places, token_range
from burnish.models._special import SpecialTokens

PLAIN_TEMPLATE = (
    "{% for message in messages %}### {{ message['role'] | capitalize }}:\n{{ message['content'] }}"
    "{{ eos_token if message['role'] == 'assistant' else '' }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}### Assistant:\n{% endif %}"
)
"""What `chat_template="plain"` means: headed sections, for base models that have no template of their own."""

END_TOKENS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "<|end|>", "<end_of_turn>", "<|return|>", "</s>")
"""End-of-turn and end-of-text tokens of the common templates; those that a tokenizer has as special tokens stop sampling."""

STAND_IN = (Message(role="user", content="a"), Message(role="assistant", content="b"))


class HistoryRewritten(InputError):
    """The chat template writes earlier turns differently once others follow, so nothing can be appended to what was sampled."""


class ChatRenderer:
    """Renders with a tokenizer's chat template. `stop_ids` holds every token id that ends an assistant turn."""

    def __init__(self, tokenizer: Any, *, chat_template: str | None = None, stop_ids: Iterable[int] = ()) -> None:
        """`chat_template` overrides the tokenizer's own: Jinja source, or "plain" for `PLAIN_TEMPLATE`.

        Raises `InputError` if there is neither, or if nothing is known to end a turn.
        """
        self.tokenizer = tokenizer
        self.template = PLAIN_TEMPLATE if chat_template == "plain" else chat_template
        if self.template is None and not getattr(tokenizer, "chat_template", None):
            raise InputError(
                "The tokenizer has no chat template, so conversations cannot be rendered. Use an instruction-tuned model, "
                'add a chat_template.jinja to the model folder, or ask for the plain one with chat_template="plain".'
            )
        self.stop_ids = frozenset(stop_ids) | _end_ids(tokenizer)
        if not self.stop_ids:
            raise InputError("The tokenizer has no end-of-sequence token, so no turn would ever end. Set its eos_token.")
        self._stand_in: tuple[int, ...] | None = None

    def render(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Ids of the conversation, ending with the assistant header. Raises `InputError` if the template refuses the roles."""
        return self._special.ids(self._text(messages, header=True))

    def extend(self, ids: Sequence[int], messages: Sequence[Message]) -> tuple[int, ...]:
        """`ids` plus the ids of `messages` and the next assistant header; a missing end-of-turn token is added.

        Raises `HistoryRewritten` if the template rewrites earlier turns, so that appending would differ from rendering.
        """
        closed = self._closed_stand_in()
        whole = self._special.ids(self._text((*STAND_IN, *messages), header=True))
        if whole[: len(closed)] != closed:
            raise HistoryRewritten(
                "The chat template is not prefix-preserving: adding turns changes how earlier ones are written, so a sampled "
                "turn cannot be continued. Use burnish.models.Conversation, which renders anew and starts a branch, or pass "
                "chat_template=… with a template that leaves earlier turns alone."
            )
        end = () if ids and ids[-1] in self.stop_ids else closed[-1:]
        return (*ids, *end, *whole[len(closed) :])

    def supervised(self, messages: Sequence[Message]) -> tuple[tuple[int, ...], tuple[int, int]]:
        """Ids of a conversation that ends with an assistant turn, cut after its end-of-turn token, and that turn's range.

        Raises `InputError` if the last turn is not the assistant's, `HistoryRewritten` if the template rewrites the prompt.
        """
        if not messages or messages[-1].role != "assistant":
            raise InputError("A supervised conversation must end with an assistant message: that is the turn to be learned.")
        before, text = self._text(messages[:-1], header=True), self._text(messages, header=False)
        if not text.startswith(before):
            raise HistoryRewritten(
                "The chat template is not prefix-preserving: the prompt differs once the answer follows it, so the model would learn "
                "to answer another prompt than it will read. Pass chat_template=… with a template that keeps the prompt as it is."
            )
        prompt, whole = self._special.ids(before), self._special.ids(text)
        if whole[: len(prompt)] != prompt:  # the answer's first characters merged with the header's last token
            whole = prompt + self._special.ids(text[len(before) :])
        ends = [index for index in range(len(prompt), len(whole)) if whole[index] in self.stop_ids]
        ids = whole[: ends[-1] + 1] if ends else whole + self._closed_stand_in()[-1:]
        return ids, (len(prompt), len(ids))

    def content(self, messages: Sequence[Message]) -> tuple[tuple[int, int], ...]:
        """For each message the half-open range of its own text in `render(messages)`.

        A token that is partly the template's counts as the template's. Raises `InputError` if the template changes a message
        beyond recognition, or the tokenizer cannot tell where tokens lie.
        """
        text = self._text(messages, header=True)
        marked = [Message(role=message.role, content=mark(index)) for index, message in enumerate(messages)]
        hidden = [self._special.hide(message.content) for message in messages]
        places = message_places(text, MARK.split(self._text(marked, header=True)), hidden)
        offsets = self._special.encode(text).offsets
        return tuple(token_range(offsets, start, end) for start, end in places)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of `ids` without special tokens, spaces untouched."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def _closed_stand_in(self) -> tuple[int, ...]:
        """Ids of the stand-in conversation up to and with its end-of-turn token; computed once per renderer."""
        if self._stand_in is None:
            ids = self._special.ids(self._text(STAND_IN, header=False))
            ends = [index for index, token in enumerate(ids) if token in self.stop_ids]
            start = len(self._special.ids(self._text(STAND_IN[:1], header=True)))
            end = self.tokenizer.eos_token_id
            self._stand_in = ids[: ends[-1] + 1] if ends and ends[-1] >= start else (*ids, min(self.stop_ids) if end is None else end)
        return self._stand_in

    @cached_property
    def _special(self) -> SpecialTokens:
        """Guards the special tokens, and what else opens or closes turns here: not `<think>`, which the model writes itself."""
        around = set(self.stop_ids)
        for turns in (STAND_IN[:1], (Message(role="system", content="a"), *STAND_IN[:1])):
            with suppress(InputError):  # there are templates without system turns
                closed, opened = (
                    self.tokenizer(self._filled(turns, header=header), add_special_tokens=False)["input_ids"] for header in (False, True)
                )
                around |= {*closed, *opened[len(closed) :][:1]}
        return SpecialTokens(self.tokenizer, around)

    def _text(self, messages: Sequence[Message], *, header: bool) -> str:
        """The rendered conversation, with stand-ins where a message spells a special token."""
        hidden = [Message(role=message.role, content=self._special.hide(message.content)) for message in messages]
        return self._filled(hidden, header=header)

    def _filled(self, messages: Sequence[Message], *, header: bool) -> str:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        try:
            text: str = self.tokenizer.apply_chat_template(turns, chat_template=self.template, tokenize=False, add_generation_prompt=header)
        except Exception as error:  # Jinja raises many kinds; all of them mean that the template refused this conversation
            roles = ", ".join(message.role for message in messages)
            raise InputError(f"The chat template refused a conversation with the roles ({roles}): {error}") from error
        return text


def _end_ids(tokenizer: Any) -> frozenset[int]:
    special = {str(token): index for index, token in tokenizer.added_tokens_decoder.items()}
    found = {special[token] for token in END_TOKENS if token in special}
    return frozenset(found if tokenizer.eos_token_id is None else found | {tokenizer.eos_token_id})


class ByteRenderer:
    """One id per UTF-8 byte, and four more: three role headers and the end of a turn. Needs no tokenizer."""

    headers: dict[Role, int] = {"system": 256, "user": 257, "assistant": 258}
    end = 259
    stop_ids = frozenset({259})

    def render(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Ids of the conversation, ending with the assistant header."""
        turns = [token for message in messages for token in self._turn(message)]
        return (*turns, self.headers["assistant"])

    def extend(self, ids: Sequence[int], messages: Sequence[Message]) -> tuple[int, ...]:
        """`ids`, closed if need be, plus the ids of `messages` and the next assistant header."""
        end = () if ids and ids[-1] == self.end else (self.end,)
        return (*ids, *end, *self.render(messages))

    def supervised(self, messages: Sequence[Message]) -> tuple[tuple[int, ...], tuple[int, int]]:
        """Ids of a conversation that ends with an assistant turn, and that turn's range. Raises `InputError` otherwise."""
        if not messages or messages[-1].role != "assistant":
            raise InputError("A supervised conversation must end with an assistant message: that is the turn to be learned.")
        prompt = self.render(messages[:-1])
        ids = (*prompt, *messages[-1].content.encode(), self.end)
        return ids, (len(prompt), len(ids))

    def content(self, messages: Sequence[Message]) -> tuple[tuple[int, int], ...]:
        """For each message the half-open range of its bytes in `render(messages)`."""
        ends = list(accumulate(len(self._turn(message)) for message in messages))
        return tuple((end - 1 - len(message.content.encode()), end - 1) for end, message in zip(ends, messages, strict=True))

    def decode(self, ids: Sequence[int]) -> str:
        """Text of the byte ids; a character cut in two is shown as U+FFFD."""
        return bytes(token for token in ids if token < 256).decode(errors="replace")

    def _turn(self, message: Message) -> tuple[int, ...]:
        return (self.headers[message.role], *message.content.encode(), self.end)
