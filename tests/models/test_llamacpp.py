"""llama.cpp on a two-layer random Llama in fp32, held to what transformers computes; and on the embedded model."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
import torch

from burnish.core.errors import ContextExceeded, InputError, PolicyError
from burnish.core.records import Constraint, Message, Sampling, Switch
from burnish.models import Completion, Policy, Request, load, token_texts
from burnish.models._checkpoint import resolve
from burnish.models._sampling import Setting, draw

from .conftest import build_model, build_tokenizer
from .gguf_files import write_gguf

pytest.importorskip("xllamacpp")

from burnish.models.llamacpp import LlamaCppPolicy, llamacpp

PROMPTS = [(9, 8, 7), (100, 101, 102, 103, 104, 105), (300, 12), tuple(range(40, 90))]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(build_model(), build_tokenizer(), tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture(scope="module")
def policy(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaCppPolicy]:
    tokenizer = tmp_path_factory.mktemp("tokenizer")
    build_tokenizer().save_pretrained(tokenizer)
    loaded = llamacpp(str(file), tokenizer=str(tokenizer), threads=1, slots=4, context=256)
    yield loaded
    asyncio.run(loaded.aclose())


def run(policy: Policy, asked: Sequence[Request]) -> list[Completion]:
    async def gather() -> list[Completion]:
        return list(await asyncio.gather(*map(policy.generate, asked)))

    return asyncio.run(gather())


def asked(**sampling: object) -> list[Request]:
    return [Request(prompt_ids=ids, sampling=Sampling(**{"max_tokens": 24, "seed": i, **sampling})) for i, ids in enumerate(PROMPTS)]


def recomputed(request: Request, completion: Completion) -> torch.Tensor:
    ids = torch.tensor([[*request.prompt_ids, *completion.ids]])
    with torch.no_grad():
        logits = build_model()(input_ids=ids).logits[0, :-1].float() / (request.sampling.temperature or 1.0)
    start = len(request.prompt_ids) - 1
    return logits.log_softmax(-1)[start:].gather(-1, ids[0, start + 1 :, None])[:, 0]


def test_is_a_policy(policy: LlamaCppPolicy) -> None:
    assert isinstance(policy, Policy)
    assert policy.name == "tiny"


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
def test_told_logprobs_equal_those_of_transformers(policy: LlamaCppPolicy, temperature: float) -> None:
    """Its cache is in fp16. It tells none for a token that ends within a character, as half of these random ones do."""
    requests, told = asked(temperature=temperature), 0
    for request, completion in zip(requests, run(policy, requests), strict=True):
        assert completion.knows_ids
        for logprob, expected in zip(completion.logprobs, recomputed(request, completion).tolist(), strict=True):
            assert logprob is None or logprob == pytest.approx(expected, abs=0.03)
            told += logprob is not None
    assert told > 20


def test_greedy_equals_plain_generate(policy: LlamaCppPolicy) -> None:
    for request, completion in zip(requests := asked(temperature=0.0), run(policy, requests), strict=True):
        ids = torch.tensor([request.prompt_ids])
        plain = build_model().generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, do_sample=False, eos_token_id=[2], pad_token_id=2
        )
        assert completion.ids == tuple(plain[0, len(request.prompt_ids) :].tolist())


def test_samples_come_from_the_whole_distribution(policy: LlamaCppPolicy) -> None:
    """llama.cpp's own top-k of 40 and min-p of 0.05 would leave most of these 320 tokens out."""
    requests = [Request(prompt_ids=(9, 8, 7), sampling=Sampling(temperature=3.0, max_tokens=1, seed=seed)) for seed in range(120)]
    assert len({completion.ids for completion in run(policy, requests)}) > 60


def test_seeds_differ_and_repeat(policy: LlamaCppPolicy) -> None:
    draw = [run(policy, [Request(prompt_ids=(5, 6, 7), sampling=Sampling(seed=seed, max_tokens=8))])[0].ids for seed in (1, 2, 1, 2**62)]
    assert draw[0] == draw[2]
    assert len(set(draw)) == 3


def test_a_stop_string_ends_the_row_and_is_cut_from_the_text(policy: LlamaCppPolicy) -> None:
    candidates = [Request(prompt_ids=(9,), sampling=Sampling(max_tokens=40, seed=seed)) for seed in range(8)]
    request, free = next(pair for pair in zip(candidates, run(policy, candidates), strict=True) if len(pair[1].ids) > 20)
    assert free.stop_reason == ("eos" if free.ids[-1] == 2 else "length")
    text = policy.renderer.decode(free.ids)
    stop = next(text[i : i + 2] for i in range(4, len(text)) if text[i : i + 2].isascii() and text.index(text[i : i + 2]) == i)
    sampling = msgspec.structs.replace(request.sampling, stop=("never there", stop))
    stopped = run(policy, [Request(prompt_ids=(9,), sampling=sampling)])[0]
    assert stopped.stop_reason == "stop"
    assert stopped.text == text[: text.index(stop)]
    assert stopped.ids == free.ids[: len(stopped.ids)]
    assert len(stopped.ids) == len(stopped.logprobs)
    assert stop in policy.renderer.decode(stopped.ids)


def test_a_forced_beginning_is_continued_and_a_forced_end_closes_what_was_cut_off(policy: LlamaCppPolicy) -> None:
    sampling = Sampling(max_tokens=6, seed=3)
    forced = Request(prompt_ids=PROMPTS[1], prefix_ids=(60, 61, 62), suffix_ids=(70, 71), sampling=sampling)
    whole, plain = run(policy, [forced, Request(prompt_ids=(*PROMPTS[1], 60, 61, 62), sampling=sampling)])
    assert plain.stop_reason == "length"
    assert whole.ids == (60, 61, 62, *plain.ids, 70, 71)
    for one, other in zip(whole.logprobs, plain.logprobs, strict=True):
        assert one == pytest.approx(other, abs=0.03) if other is not None else one is None
    assert (whole.forced, whole.sampled) == (((0, 3), (9, 11)), ((3, 9),))
    assert whole.text == policy.renderer.decode((60, 61, 62)) + plain.text + policy.renderer.decode((70, 71))
    assert whole.record(PROMPTS[1]).sampled == ((9, 15),)
    with pytest.raises(ContextExceeded, match="A prompt of 250 tokens"):
        run(policy, [Request(prompt_ids=(1,) * 100, prefix_ids=(1,) * 150, sampling=Sampling(max_tokens=7))])


@pytest.mark.parametrize(
    "cut",
    [{"top_k": 3}, {"min_p": 0.3}, {"top_p": 0.5}, {"top_p": 0.5, "temperature": 3.0}, {"top_k": 20, "min_p": 0.4, "temperature": 2.0}],
)
def test_each_cut_is_made_where_ours_is(policy: LlamaCppPolicy, cut: dict[str, float]) -> None:
    """The same tokens are left as in our own engine, and a token's log-probability is that among them; their mass is not told."""
    requests = [Request(prompt_ids=(9, 8, 7), sampling=Sampling(max_tokens=1, seed=seed, **cut)) for seed in range(60)]
    with torch.no_grad():
        logits = build_model()(input_ids=torch.tensor([[9, 8, 7]])).logits[:, -1]
    setting = Setting(cut.get("temperature", 1.0), cut.get("top_p", 1.0), int(cut.get("top_k", 0)), cut.get("min_p", 0.0))
    grid = (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000
    ours = draw(logits.expand(4000, -1), [setting] * 4000, grid)
    expected = dict(zip(ours.tokens.tolist(), ours.logprobs.tolist(), strict=True))
    seen = set()
    for completion in run(policy, requests):
        (token,), (logprob,) = completion.ids, completion.logprobs
        seen.add(token)
        assert token in expected
        assert logprob is None or logprob == pytest.approx(expected[token], abs=0.03)
        assert (completion.kept, completion.raw_logprobs) == ((None,), (None,))
    assert len(seen) > min(len(expected), 40) / 2


SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}, "n": {"enum": [1, 22]}}, "required": ["ok", "n"]}


def test_answers_keep_to_a_schema_or_a_grammar(policy: LlamaCppPolicy) -> None:
    grammar = 'root ::= "(" inner ")"\ninner ::= root | [a-c] "," inner | [0-9]'
    shapes = [Constraint(kind="json", text=json.dumps(SCHEMA | {"additionalProperties": False})), Constraint(kind="grammar", text=grammar)]
    asked = [
        Request(prompt_ids=(9, 8), sampling=Sampling(max_tokens=90, seed=seed, constraint=shape)) for shape in shapes for seed in range(4)
    ]
    got = run(policy, asked)
    ended = [completion for completion in got if completion.stop_reason == "eos"]
    assert len(ended) > 4
    for completion in ended:
        if completion.text.startswith("{"):
            answer = json.loads(completion.text)
            assert isinstance(answer["ok"], bool)
            assert answer["n"] in (1, 22)
        else:
            assert re.fullmatch(r"(\(|[a-c],)+[0-9]\)+", completion.text)
            assert completion.text.count("(") == completion.text.count(")")
    assert all(completion.knows_ids and not completion.knows_logprobs for completion in got)


@pytest.mark.parametrize("text", ["[a-f]{3}-[0-9]{2,4}", r"(root_1|x\.y)(,[x-z]){1,3}", "root_1x{1,2}", r"\d\w?", '"[a-z]"'])
def test_answers_keep_to_a_regular_expression(policy: LlamaCppPolicy, text: str) -> None:
    pytest.importorskip("xgrammar", reason="pip install xgrammar")
    shape = Constraint(kind="regex", text=text)
    asked = [Request(prompt_ids=(9, 8), sampling=Sampling(max_tokens=60, seed=seed, constraint=shape)) for seed in range(4)]
    for completion in run(policy, asked):
        assert completion.stop_reason == "eos"
        assert re.fullmatch(text, completion.text)


def test_what_llamacpp_cannot_do_is_refused_with_a_way_out(policy: LlamaCppPolicy) -> None:
    asked = {
        "is no regex": {"sampling": Sampling(constraint=Constraint(kind="regex", text="[a-c"))},
        "is no JSON schema": {"sampling": Sampling(constraint=Constraint(kind="json", text="{"))},
        "'llamacpp' cannot do adapter='poet'.*'transformers'": {"adapter": "poet"},
        "cannot do switches": {"sampling": Sampling(switches=(Switch(open="a", close="b", temperature=0.0),))},
        "cannot do parallel": {"parallel": (((1, 2), (2, 3)),)},
        "timeout_s must be greater": {"timeout_s": 0.0},
    }
    for words, fields in asked.items():
        with pytest.raises(InputError, match=words):
            run(policy, [Request(prompt_ids=(9, 8, 7), **fields)])


def test_the_server_asks_for_a_key_and_counts(policy: LlamaCppPolicy) -> None:
    completion = run(policy, asked(max_tokens=5)[:1])[0]
    assert completion.cost is not None
    assert (completion.cost.tokens_in, completion.cost.tokens_out) == (3, len(completion.ids))
    with pytest.raises(InputError, match="refuses the key"):
        load(policy.base_url)


def test_too_much_is_refused_before_it_is_sent(policy: LlamaCppPolicy) -> None:
    with pytest.raises(ContextExceeded, match="exceed the 256 tokens that tiny"):
        run(policy, [Request(prompt_ids=(1,) * 250, sampling=Sampling(max_tokens=7))])


def test_new_weights_are_refused(policy: LlamaCppPolicy, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Convert them to a GGUF file"):
        policy.load_weights(tmp_path, version="1")


def test_a_closed_engine_says_so(file: Path, tmp_path: Path) -> None:
    build_tokenizer().save_pretrained(tmp_path)
    loaded = llamacpp(str(file), tokenizer=str(tmp_path), threads=1, slots=1, context=256)
    asyncio.run(loaded.aclose())
    asyncio.run(loaded.aclose())
    with pytest.raises(PolicyError, match="closed"):
        run(loaded, asked()[:1])


def test_what_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no GGUF file"):
        load(str(tmp_path / "none.gguf"))
    (tmp_path / "broken.gguf").write_bytes(b"GGUFnonsense")
    with pytest.raises(InputError, match="slots=0"):
        load(str(tmp_path / "broken.gguf"), slots=0)
    with pytest.raises(InputError, match="cannot be read"):
        load(str(tmp_path / "broken.gguf"))
    build_tokenizer().save_pretrained(tmp_path / "tokenizer")
    with pytest.raises(InputError, match=r"llama\.cpp cannot load"):
        load(str(tmp_path / "broken.gguf"), tokenizer=str(tmp_path / "tokenizer"))


@pytest.mark.model
def test_the_embedded_model_answers_with_the_tokenizer_of_its_file() -> None:
    policy = load("embedded", engine="llamacpp", threads=1, slots=1)
    prompt = policy.renderer.render([Message(role="user", content="What is 2+2?")])
    completion = run(policy, [Request(prompt_ids=prompt, sampling=Sampling(temperature=0.0, max_tokens=12))])[0]
    asyncio.run(policy.aclose())
    assert "4" in completion.text
    resolve("embedded")  # the texts of tokens are read from the converted checkpoint
    assert "".join(token_texts(policy.name)(completion.ids)) == completion.text
