"""Tokenizers without their model: exact ids for engines that hold the weights elsewhere, and the renderer for those without one."""

from __future__ import annotations

from collections.abc import Sequence

from burnish.core.errors import InputError
from burnish.core.records import Message
from burnish.models.base import Renderer

NO_TOKENIZER = (
    "This engine sends conversations as text and knows no token ids. "
    "Load it with tokenizer=… (the model's folder or hub name, or 'embedded')."
)


class TextOnly:
    """The renderer of an engine without a tokenizer: a conversation has no ids here, and whoever needs them is told so."""

    def render(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """No ids: the server renders."""
        return ()

    def extend(self, ids: Sequence[int], messages: Sequence[Message]) -> tuple[int, ...]:
        """Raises `InputError`."""
        raise InputError(NO_TOKENIZER)

    def supervised(self, messages: Sequence[Message]) -> tuple[tuple[int, ...], tuple[int, int]]:
        """Raises `InputError`."""
        raise InputError(NO_TOKENIZER)

    def content(self, messages: Sequence[Message]) -> tuple[tuple[int, int], ...]:
        """Raises `InputError`."""
        raise InputError(NO_TOKENIZER)

    def decode(self, ids: Sequence[int]) -> str:
        """Raises `InputError`."""
        raise InputError(NO_TOKENIZER)


def tokenizer_renderer(source: str, chat_template: str | None) -> Renderer:
    """The renderer of a tokenizer in a model folder, on the hub, or of the embedded model. Raises `InputError`."""
    from transformers import AutoTokenizer

    from burnish.models._checkpoint import embedded
    from burnish.models._renderer import ChatRenderer

    try:
        return ChatRenderer(AutoTokenizer.from_pretrained(embedded() if source == "embedded" else source), chat_template=chat_template)
    except (OSError, ValueError) as error:
        raise InputError(f"The tokenizer {source!r} cannot be loaded: {error}") from error
