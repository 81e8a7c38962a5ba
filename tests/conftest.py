"""A small task, scripted policies, the real judge, and a store to write into."""

import asyncio

import pytest

from burnish.core.records import CheckSpec, Task
from burnish.models.scripted import scripted
from burnish.runs import SolveConfig, solve
from burnish.store.runs import RunStore
from burnish.verifiers.python import python


def _add_task(name="add", hidden_args="(20, 22)"):
    checks = (
        CheckSpec(id="v1", kind="call", data={"args": "(1, 2)", "expected": "3"}),
        CheckSpec(id="h1", kind="call", data={"args": hidden_args, "expected": "42"}, hidden=True),
    )
    return Task(
        id=name, group_id="add", kind="python", prompt="Write `add(a, b)`.", checks=checks, refs=("SECRET",), context={"entry_point": "add"}
    )


@pytest.fixture
def add_task():
    """`add_task(name)`: one visible and one hidden check of an addition."""
    return _add_task


@pytest.fixture
def run(tmp_path):
    """`run(replies, tasks, **config)` solves with a scripted policy and gives the store and the policy."""
    opened = []

    def go(replies, tasks=None, folder="run", **config):
        for store in opened:  # one writer at a time
            store.close()
        policy = scripted(replies)
        path = tmp_path / folder
        store = RunStore.open(path, write=True) if path.exists() else RunStore.create(path, {})
        opened.append(store)
        asyncio.run(solve(tasks or [_add_task()], policy, python, store, SolveConfig(**config)))
        return store, policy

    yield go
    for store in opened:
        store.close()


@pytest.fixture(scope="module")
def one_thread():
    """A tiny model is faster without threads."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """A folder with a random two-layer Llama, a byte-level tokenizer and a ChatML template: loads like any real model."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny-model")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate(["<|endoftext|>", "<|im_start|>", "<|im_end|>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|im_end|>", chat_template=template
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        eos_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder
