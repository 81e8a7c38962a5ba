"""Four chat formats as renderers: SmolLM2's own, and three written down from the public formats, on small tokenizers of their own.

The Llama-3 style trims messages and has a beginning-of-text token and two ends; the Qwen3 style drops the thoughts of old turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from burnish.core.records import Message
from burnish.models import ChatRenderer, Completion
from burnish.models._checkpoint import embedded

from .conftest import CORPUS

SPECIALS = {
    "chatml": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
    "llama3": ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
    "qwen3": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
}
ENDS = {"chatml": "<|im_end|>", "llama3": "<|eot_id|>", "qwen3": "<|im_end|>", "smollm2": "<|im_end|>"}
NAMES = [pytest.param("smollm2", marks=pytest.mark.model), *SPECIALS]
APPENDING = [pytest.param("smollm2", marks=pytest.mark.model), "chatml", "llama3"]
"""The formats that leave old turns alone."""


@dataclass(frozen=True, eq=False)
class Chat:
    """A chat format: its tokenizer, its renderer, and the token that ends a turn."""

    name: str
    tokenizer: PreTrainedTokenizerFast
    renderer: ChatRenderer
    end: int

    def encode(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def text(self, ids: Sequence[int]) -> str:
        """What `ids` spell, special tokens included."""
        return self.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False)

    def wrote(self, ids: Sequence[int], *, ended: bool = True) -> Completion:
        """A completion of these tokens, as an engine would hand it over."""
        whole = (*ids, self.end) if ended else tuple(ids)
        reason = "eos" if ended else "length"
        return Completion(ids=whole, text=self.renderer.decode(ids), logprobs=(-0.5,) * len(whole), stop_reason=reason)


@cache
def chat(name: str) -> Chat:
    """The format of this name."""
    tokenizer = AutoTokenizer.from_pretrained(embedded()) if name == "smollm2" else small_tokenizer(name)
    return Chat(name, tokenizer, ChatRenderer(tokenizer), tokenizer.convert_tokens_to_ids(ENDS[name]))


def small_tokenizer(name: str) -> PreTrainedTokenizerFast:
    """Byte-level BPE with the special tokens of the format; padding is the end of a turn, as with many a real model."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=SPECIALS[name], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS * 4, trainer)
    if name == "qwen3":
        tokenizer.add_tokens([AddedToken("<think>", special=False), AddedToken("</think>", special=False)])
    template = (Path(__file__).parent / "templates" / f"{name}.jinja").read_text()
    begin = {"bos_token": "<|begin_of_text|>"} if name == "llama3" else {}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=ENDS[name], pad_token=ENDS[name], chat_template=template, **begin)


def user(text: str) -> Message:
    """A turn of the user."""
    return Message(role="user", content=text)


def assistant(text: str) -> Message:
    """A turn of the assistant, quoted: nobody sampled it."""
    return Message(role="assistant", content=text)
