"""A world that a tiny model can learn: one-line programs with one wrong operator, which only the failing test gives away."""

from __future__ import annotations

import asyncio
from itertools import product

import pytest
import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from tokenizers.decoders import Fuse
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from burnish.core.records import CheckSpec, Task
from burnish.models.scripted import scripted
from burnish.runs import SolveConfig, solve
from burnish.signals.prompts import ask, ask_refinement
from burnish.store.runs import RunStore
from burnish.verifiers.python import python

OPERATORS = {"plus": "+", "minus": "-", "times": "*", "over": "//"}
SPECIAL = ["<pad>", "<end>", "<user>", "<assistant>"]
TEMPLATE = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}<end>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"


def program(operator):
    return f"def f(a, b):\n    return a {OPERATORS[operator]} b"


def reply(operator, explained=False):
    return f"{f'It must be {operator}.{chr(10) * 2}' if explained else ''}```python\n{program(operator)}\n```"


def task(operator, name=None, prompt="Write f."):
    """All tasks are worded alike: which operator is meant, only a failing test tells."""
    made = [("v", "6, 2", False), ("h", "9, 3", True)]
    checks = tuple(
        CheckSpec(
            id=name, kind="assert", data={"code": f"assert f({args}) == {eval(args.replace(',', OPERATORS[operator]))}"}, hidden=hidden
        )
        for name, args, hidden in made
    )
    return Task(id=name or operator, group_id=operator, kind="python", prompt=prompt, context={"entry_point": "f"}, checks=checks)


def held_out(*operators):
    """Tasks of the same world under other names and in other words, so that they overlap with none that is learned from."""
    return [task(operator, f"{operator} again", "Give f.") for operator in operators]


def tasks():
    return [task(operator) for operator in OPERATORS]


def meant_by(feedback):
    """The operator that a failing test asks for."""
    expected = feedback.split("it should return ")[1].split(".")[0]
    return next(name for name, sign in OPERATORS.items() if str(eval(f"6 {sign} 2")) == expected)


def teach(messages, seed):
    """Answers by chance, and repairs that know which operator the failing test asks for."""
    if len(messages) == 1:
        return reply([*OPERATORS][seed % 4])
    meant = meant_by(messages[-1].content)
    return reply(meant if seed % 3 else [*OPERATORS][seed % 4], "explain" in messages[-1].content)


@pytest.fixture(scope="session")
def collected(tmp_path_factory):
    """A collected run over the four tasks: wrong programs, and repairs of which two in three are right."""
    folder = tmp_path_factory.mktemp("collected") / "run"
    config = SolveConfig(strategy="collect", options={"answers": 16, "wrong": 3, "repairs": 6})
    with RunStore.create(folder, {"kind": "solve"}) as store:
        asyncio.run(solve(tasks(), scripted(teach), python, store, config))
    return folder


def _texts():
    """Every prompt and reply of this world."""
    for meant, wrong in product(OPERATORS, repeat=2):
        verdict = python.verify(task(meant).public(), program(wrong))
        for explain in (False, True):
            for message in (*ask(task(meant).public()), *ask_refinement(task(meant).public(), program(wrong), verdict, explain=explain)):
                yield message.content
            yield reply(meant, explain)


@pytest.fixture(scope="session")
def pupil(tmp_path_factory):
    """Folder of a random two-layer model whose words are those of this world."""
    word = r" ?\w+| ?[^\w\s]+|\s"
    splitter = pre_tokenizers.Split(Regex(word), "isolated")
    words = sorted({piece for text in _texts() for piece, _ in splitter.pre_tokenize_str(text)})
    vocabulary = {token: index for index, token in enumerate([*SPECIAL, "?", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))
    tokenizer.pre_tokenizer, tokenizer.decoder = splitter, Fuse()
    tokenizer.add_special_tokens(SPECIAL)
    folder = tmp_path_factory.mktemp("pupil")
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", pad_token="<pad>", chat_template=TEMPLATE)
    wrapped.save_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=len(vocabulary),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            tie_word_embeddings=True,
            max_position_embeddings=512,
            initializer_range=0.1,
            eos_token_id=1,
            bos_token_id=None,
            pad_token_id=0,
        )
        LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def embed(texts):
    """A sentence encoder of words: which of the four operators, or none, a text names. Vectors of length 1."""
    rows = torch.tensor([[float(name in text) for name in OPERATORS] + [0.1] for text in texts])
    return rows / rows.norm(dim=1, keepdim=True)
