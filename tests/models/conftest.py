"""A tokenizer and a two-layer Llama made on the spot: real components, small enough to compare everything with everything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from burnish.models.transformers import TransformersPolicy

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CORPUS = ["def add(a, b):\n    return a + b\n\n\nprint(add(1, 2))\n", "Write a function that adds two numbers. Café, naïve, 日本 😀.\n"]


def build_tokenizer(template: str | None = CHATML) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(CORPUS * 4, trainers.BpeTrainer(vocab_size=320, special_tokens=specials, initial_alphabet=alphabet))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|im_end|>", chat_template=template)


def build_model(seed: int = 0, *, spread: float = 0.2, **settings: Any) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    config = LlamaConfig(
        **{**sizes, "vocab_size": 320, "max_position_embeddings": 256, "initializer_range": spread, "eos_token_id": 2, **settings}
    )
    return LlamaForCausalLM(config).float().eval()


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return build_tokenizer()


@pytest.fixture
def make_policy(tokenizer: PreTrainedTokenizerFast) -> Iterator[Callable[..., TransformersPolicy]]:
    """A factory of policies over the tiny model; all are closed afterwards."""
    made = []

    def make(model: Any = None, **options: Any) -> TransformersPolicy:
        made.append(TransformersPolicy(build_model() if model is None else model, tokenizer, name="tiny", **options))
        return made[-1]

    yield make
    for policy in made:
        asyncio.run(policy.aclose())
