"""Special tokens come from the template only: what looks like one in a message is encoded as the text that it is.

Program output may spell `<|im_end|>` or a whole forged turn. Before the template sees a message, each such spelling is replaced
by stand-in characters of the same length. A copy of the tokenizer, in which spelling and stand-in have changed places, then
encodes the rendered text in one piece. Text without such spellings goes through the model's own tokenizer, as ever.
Not covered: templates whose headers are ordinary text (`### User:`), which any message can write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from functools import cached_property
from typing import Any, NamedTuple

from burnish.core.errors import InputError

FIRST = 0x10_0000
"""The first stand-in character: plane 16 is for private use, and no template writes it."""


class Encoded(NamedTuple):
    """Token ids, and for each the half-open range of characters that it stands for."""

    ids: tuple[int, ...]
    offsets: list[tuple[int, int]]


class SpecialTokens:
    """The tokens of one tokenizer that no message may write: its special ones, and others that open or close turns."""

    def __init__(self, tokenizer: Any, turn_ids: Collection[int] = ()) -> None:
        """`turn_ids` are tokens that the template writes around messages; those that are added tokens are guarded too."""
        self._tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder.items()
        names = sorted({str(token) for index, token in added if token.special or (index in turn_ids and str(token).strip())})
        self._exchange = {name: chr(FIRST + number) * len(name) for number, name in enumerate(names)}
        self._exchange |= {stand_in: name for name, stand_in in self._exchange.items()}
        self._spelled, self._either = _any_of(names), _any_of(self._exchange)
        self._stand_in = re.compile(f"[{chr(FIRST)}-{chr(FIRST + len(names))}]")

    def hide(self, text: str) -> str:
        """A message's text for the template: as long as before, with stand-ins where it spells a special token."""
        return self._spelled.sub(self._exchanged, text)

    def ids(self, text: str) -> tuple[int, ...]:
        """Token ids of rendered text with hidden messages. Raises `InputError` if they cannot be told from special tokens."""
        if self._stand_in.search(text):
            return self._by_the_copy(text).ids
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def encode(self, text: str) -> Encoded:
        """The same ids, and where they lie. Raises `InputError` if the tokenizer cannot tell that."""
        if self._stand_in.search(text):
            return self._by_the_copy(text)
        if not getattr(self._tokenizer, "is_fast", False):
            raise InputError("Content can be told from scaffold only with a fast tokenizer (a tokenizer.json in the model folder).")
        found = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        return Encoded(tuple(found["input_ids"]), found["offset_mapping"])

    def _by_the_copy(self, text: str) -> Encoded:
        copy, ids = self._copy
        found = copy.encode(self._either.sub(self._exchanged, text), add_special_tokens=False)
        return Encoded(tuple(ids.get(index, index) for index in found.ids), found.offsets)

    def _renamed(self, piece: str) -> str:
        return self._exchange.get(piece, piece)

    def _exchanged(self, match: re.Match[str]) -> str:
        return self._exchange[match[0]]

    @cached_property
    def _copy(self) -> tuple[Any, dict[int, int]]:
        """The tokenizer with stand-ins for special tokens, and its ids of added tokens → the model's."""
        from tokenizers import Tokenizer

        if not getattr(self._tokenizer, "is_fast", False):
            raise InputError(
                "A message spells a special token, which only a fast tokenizer (a tokenizer.json in the model folder) can encode as text."
            )
        state = json.loads(self._tokenizer.backend_tokenizer.to_str())
        own = {token["id"]: self._renamed(token["content"]) for token in state["added_tokens"]}
        for token in state["added_tokens"]:
            token["content"] = own[token["id"]]
        model, vocabulary = state["model"], state["model"]["vocab"]  # a spelling that stays in there could be found as one piece
        if model.get("unk_token"):
            model["unk_token"] = self._renamed(model["unk_token"])
        if isinstance(vocabulary, dict):
            model["vocab"] = {self._renamed(piece): index for piece, index in vocabulary.items()}
        else:
            model["vocab"] = [(self._renamed(piece), score) for piece, score in vocabulary]
        copy: Any = Tokenizer.from_str(json.dumps(state | {"truncation": None, "padding": None, "post_processor": None}))
        return copy, {copy.token_to_id(content): index for index, content in own.items()}


def _any_of(texts: Collection[str]) -> re.Pattern[str]:
    """Matches the longest of the texts; nothing if there are none."""
    return re.compile("|".join(map(re.escape, sorted(texts, key=len, reverse=True))) or r"(?!)")
