"""A two-layer random Llama with a character tokenizer, served by the real engine, and a judge of one line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from tokenizers.decoders import Fuse
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from burnish.core.records import Check, CheckSpec, Example, Message, Task, Verdict
from burnish.models.transformers import TransformersPolicy
from burnish.training.rollouts import RolloutSource

LETTERS = "abcdefghijklmnopqrstuvwxyz ?"
TEMPLATE = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}<end>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    special = ["<pad>", "<end>", "<system>", "<user>", "<assistant>"]
    vocabulary = {token: index for index, token in enumerate([*special, *LETTERS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.decoder = Fuse()
    tokenizer.add_special_tokens(special)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", pad_token="<pad>", chat_template=TEMPLATE)


def tiny_model(dtype: torch.dtype = torch.float32, vocabulary: int = 33) -> LlamaForCausalLM:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        config = LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            tie_word_embeddings=True,
            max_position_embeddings=256,
            initializer_range=0.1,
            eos_token_id=1,
            bos_token_id=None,
            pad_token_id=0,
        )
        return LlamaForCausalLM(config).to(dtype).eval()


@pytest.fixture(scope="module", autouse=True)
def one_thread_for_all(one_thread: None) -> None:
    """Every test here is of a tiny model."""


@pytest.fixture
def make_policy() -> Iterator[Callable[..., TransformersPolicy]]:
    """Fresh policies with the same random weights every time."""
    made: list[TransformersPolicy] = []

    def make(dtype: torch.dtype = torch.float32) -> TransformersPolicy:
        made.append(TransformersPolicy(tiny_model(dtype), tiny_tokenizer(), name="tiny"))
        return made[-1]

    yield make
    for policy in made:
        asyncio.run(policy.aclose())


@pytest.fixture
def examples() -> list[Example]:
    """Six questions of several lengths, each with its answer."""
    pairs = {"say a": "aaa", "say bb": "bbbbbb", "say c please": "c", "say d": "dddd", "say e now": "eeeeeeee", "f": "ff"}
    return [
        Example(
            id=f"e{number}",
            kind="sft",
            task_id=f"t{number}",
            messages=(Message(role="user", content=q), Message(role="assistant", content=a)),
        )
        for number, (q, a) in enumerate(pairs.items())
    ]


class Contains:
    """Passes an artefact that contains the task's letter; the letter `x` is a fault of the judge."""

    id, version = "contains", "1"

    def doctor(self):
        return ()

    def verify(self, task, artefact, *, limits=None, first_fail=False) -> Verdict:
        outcome = "error" if "x" in artefact else "pass" if task.checks[0].data["letter"] in artefact else "fail"
        return Verdict.of([Check(id=task.checks[0].id, kind="contains", outcome=outcome)])

    async def averify(self, task, artefact, *, limits=None, first_fail=False) -> Verdict:
        await asyncio.sleep(0)
        return self.verify(task, artefact)


@pytest.fixture
def source() -> RolloutSource:
    """Four tasks that all want the letter q somewhere in the answer."""
    check = CheckSpec(id="c", kind="contains", data={"letter": "q"}, hidden=True)
    tasks = [Task(id=f"t{n}", group_id=f"t{n}", kind="contains", prompt=f"task {'abcd'[n]}", checks=(check,)) for n in range(4)]
    return RolloutSource(
        verifier=Contains(),
        tasks=tasks,
        messages=lambda task: (Message(role="user", content=task.prompt),),
        extract=lambda task, text: text or None,
        reward=lambda verdict: verdict.score,
    )
