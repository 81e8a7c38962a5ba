"""vLLM in process on a two-layer random Llama in fp32, held to transformers; weights and adapters sent while it runs."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from peft import LoraConfig, get_peft_model

from burnish.core.errors import ContextExceeded, InputError
from burnish.core.records import Constraint, Sampling
from burnish.models import Completion, Policy, Request, load
from burnish.models._constraints import Constraints
from burnish.models._sampling import Setting, draw

from .conftest import build_model, build_tokenizer

pytest.importorskip("vllm")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default"), pytest.mark.timeout(600)]

PROMPTS = [(9, 8, 7), (100, 101, 102, 103, 104, 105), tuple(range(40, 90))]


def model_of(seed: int = 0) -> Any:
    """Heads of 32: vLLM's attention on CPUs has no smaller ones."""
    return build_model(seed, hidden_size=128)


def checkpoint(folder: Path, seed: int = 0) -> Path:
    model_of(seed).save_pretrained(folder)
    build_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Policy]:
    folder = checkpoint(tmp_path_factory.mktemp("tiny"))
    loaded = load(str(folder), engine="vllm", dtype="float32", context=128, max_batch=8, lora_rank=8, cpu_cache_gib=1)
    yield loaded
    asyncio.run(loaded.aclose())


def run(policy: Policy, asked: Sequence[Request]) -> list[Completion]:
    async def gather() -> list[Completion]:
        return list(await asyncio.gather(*map(policy.generate, asked)))

    return asyncio.run(gather())


def asked(**sampling: object) -> list[Request]:
    return [Request(prompt_ids=ids, sampling=Sampling(**{"max_tokens": 16, "seed": i, **sampling})) for i, ids in enumerate(PROMPTS)]


def recomputed(model: torch.nn.Module, request: Request, completion: Completion) -> torch.Tensor:
    ids = torch.tensor([[*request.prompt_ids, *completion.ids]])
    with torch.no_grad():
        logits = model(input_ids=ids).logits[0, :-1].float() / (request.sampling.temperature or 1.0)
    start = len(request.prompt_ids) - 1
    return logits.log_softmax(-1)[start:].gather(-1, ids[0, start + 1 :, None])[:, 0]


def check(model: torch.nn.Module, requests: Sequence[Request], completions: Sequence[Completion], version: str) -> None:
    for request, completion in zip(requests, completions, strict=True):
        expected = recomputed(model, request, completion)
        assert torch.allclose(torch.tensor(completion.logprobs), expected, atol=1e-3)
        assert completion.policy_version == version
        if request.sampling.temperature == 0:
            ids = torch.tensor([request.prompt_ids])
            ends = {"eos_token_id": [0, 2], "pad_token_id": 2}
            plain = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=16, do_sample=False, **ends)
            assert completion.ids == tuple(plain[0, len(request.prompt_ids) :].tolist())


def test_whole_token_truth_at_mixed_temperatures(policy: Policy) -> None:
    requests = [request for temperature in (0.0, 0.7, 1.0) for request in asked(temperature=temperature)]
    check(model_of(), requests, run(policy, requests), "0")


def test_stop_strings_seeds_and_limits(policy: Policy) -> None:
    free, again = (run(policy, [Request(prompt_ids=(9, 8, 7), sampling=Sampling(max_tokens=40, seed=3))])[0] for _ in range(2))
    assert free.ids == again.ids
    text = policy.renderer.decode(free.ids)
    stopped = run(policy, [Request(prompt_ids=(9, 8, 7), sampling=Sampling(max_tokens=40, seed=3, stop=(text[8:11],)))])[0]
    assert (stopped.text, stopped.stop_reason) == (text[: text.index(text[8:11])], "stop")
    with pytest.raises(ContextExceeded, match="exceed the 128 tokens"):
        run(policy, [Request(prompt_ids=(1,) * 100, sampling=Sampling(max_tokens=29))])


@pytest.mark.parametrize("cut", [{"top_k": 3}, {"min_p": 0.3}, {"top_p": 0.5, "temperature": 2.0}])
def test_each_cut_is_made_where_ours_is(policy: Policy, cut: dict[str, float]) -> None:
    requests = [Request(prompt_ids=(9, 8, 7), sampling=Sampling(max_tokens=1, seed=seed, **cut)) for seed in range(60)]
    with torch.no_grad():
        logits = model_of()(input_ids=torch.tensor([[9, 8, 7]])).logits[:, -1]
    setting = Setting(cut.get("temperature", 1.0), cut.get("top_p", 1.0), int(cut.get("top_k", 0)), cut.get("min_p", 0.0))
    grid = (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000
    ours = draw(logits.expand(4000, -1), [setting] * 4000, grid)
    expected = dict(zip(ours.tokens.tolist(), ours.logprobs.tolist(), strict=True))
    for completion in run(policy, requests):
        assert completion.logprobs[0] == pytest.approx(expected[completion.ids[0]], abs=2e-3)
        assert (completion.kept, completion.raw_logprobs) == ((None,), (None,))


def test_forced_beginnings_and_ends(policy: Policy) -> None:
    sampling = Sampling(max_tokens=6, seed=3)
    forced = Request(prompt_ids=PROMPTS[1], prefix_ids=(60, 61, 62), suffix_ids=(70, 71), sampling=sampling)
    whole, plain = run(policy, [forced, Request(prompt_ids=(*PROMPTS[1], 60, 61, 62), sampling=sampling)])
    assert (plain.stop_reason, whole.ids) == ("length", (60, 61, 62, *plain.ids, 70, 71))
    assert whole.sampled == ((3, 9),)


def constrained(model: torch.nn.Module, request: Request, completion: Completion) -> None:
    """Each token's log-probability is that among the tokens which the grammar allowed."""
    rules = Constraints(build_tokenizer(), 320, frozenset({0, 2})).matcher(request.sampling.constraint)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[*request.prompt_ids, *completion.ids]])).logits[0, len(request.prompt_ids) - 1 : -1].float()
    for row, token, logprob in zip(logits, completion.ids, completion.logprobs, strict=True):
        row[~rules.allowed()] = -torch.inf
        assert logprob == pytest.approx(float(row.log_softmax(-1)[token]), abs=2e-3)
        rules.accept(token)


def test_constraints_are_kept_to(policy: Policy) -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"], "additionalProperties": False}
    shapes = {"json": json.dumps(schema), "regex": "[a-f]{3}-[0-9]{2,4}", "grammar": 'root ::= "(" root ")" | [0-9]'}
    for kind, text in shapes.items():
        shape = Constraint(kind=kind, text=text)
        requests = [Request(prompt_ids=(9, 8), sampling=Sampling(max_tokens=60, seed=seed, constraint=shape)) for seed in range(3)]
        for request, completion in zip(requests, run(policy, requests), strict=True):
            constrained(model_of(), request, completion)
            if completion.stop_reason == "eos":
                patterns = {"json": r'\{\s*"ok"\s*:\s*(true|false)\s*\}', "regex": text, "grammar": r"\(*[0-9]\)*"}
                assert re.fullmatch(patterns[kind], completion.text)
    unreadable = Sampling(max_tokens=9, constraint=Constraint(kind="grammar", text="root ::= other"))
    with pytest.raises(InputError, match="is no grammar that vLLM reads"):
        run(policy, [Request(prompt_ids=(9,), sampling=unreadable)])
    with pytest.raises(InputError, match=r"temperature must be in \[0, 2\]"):
        run(policy, [Request(prompt_ids=(9,), sampling=Sampling(max_tokens=9, temperature=3.0))])


def test_what_there_is_when_the_time_is_up(policy: Policy) -> None:
    slow = Request(prompt_ids=(9, 8, 7), sampling=Sampling(max_tokens=100, temperature=2.0), timeout_s=1e-6)
    whole = Request(prompt_ids=(9, 8, 7), sampling=Sampling(max_tokens=5, seed=1), timeout_s=100.0)
    late, got, plain = run(policy, [slow, whole, msgspec.structs.replace(whole, timeout_s=None)])
    assert (late.stop_reason, late.ids) == ("timeout", ())
    assert (got.ids, got.logprobs, got.stop_reason) == (plain.ids, pytest.approx(plain.logprobs, abs=1e-3), plain.stop_reason)


def test_new_weights_and_adapters_while_it_runs(policy: Policy, tmp_path: Path) -> None:
    """Requests under way keep the weights they began with; after a sync greedy output equals the trainer's."""
    other = checkpoint(tmp_path / "other", seed=1)
    requests = asked(temperature=0.0) + asked(temperature=1.0)

    async def swap() -> tuple[list[Completion], list[Completion]]:
        before = [asyncio.ensure_future(policy.generate(request)) for request in requests]
        await asyncio.sleep(0.05)
        loading = asyncio.ensure_future(asyncio.to_thread(policy.load_weights, other, version="one"))
        await asyncio.sleep(0.01)
        after = [asyncio.ensure_future(policy.generate(request)) for request in requests]
        await loading
        assert policy.version == "one"
        return list(await asyncio.gather(*before)), list(await asyncio.gather(*after))

    before, after = asyncio.run(swap())
    for completions in (before, after):
        for version in {completion.policy_version for completion in completions}:
            same = [pair for pair in zip(requests, completions, strict=True) if pair[1].policy_version == version]
            check(model_of(1 if version == "one" else 0), *zip(*same, strict=True), version)
    check(model_of(1), requests, run(policy, requests), "one")

    adapted = get_peft_model(model_of(1), LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False))
    adapted.save_pretrained(tmp_path / "adapter")
    policy.load_weights(tmp_path / "adapter", version="2")
    check(adapted.eval(), requests, run(policy, requests), "2")

    policy.load_weights(model_of(2).state_dict().items(), version="back")
    check(model_of(2), requests, run(policy, requests), "back")
    with pytest.raises(InputError, match="holds neither"):
        policy.load_weights(tmp_path, version="3")


def test_cancelling_frees_the_row(policy: Policy) -> None:
    async def cancel() -> None:
        running = [asyncio.create_task(policy.generate(request)) for request in asked(max_tokens=70)]
        await asyncio.sleep(0.02)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await asyncio.wait_for(policy.generate(asked(max_tokens=2)[0]), 20)

    asyncio.run(cancel())


def test_what_cannot_be_served(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lacks"):
        load(str(tmp_path), engine="vllm")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """vLLM's own HTTP server, which takes adapters at run time."""
    folder = checkpoint(tmp_path_factory.mktemp("served"))
    port = "18431"
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder), "--port", port, "--host", "127.0.0.1"]
    command += ["--served-model-name", "tiny", "--dtype", "float32", "--max-model-len", "128", "--enforce-eager", "--enable-lora"]
    settings = {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}
    process = subprocess.Popen(command, env=os.environ | settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(int(port), process)
        yield f"http://127.0.0.1:{port}/v1", folder
    finally:
        process.terminate()
        process.wait(30)


def wait_for_port(port: int, process: subprocess.Popen) -> None:
    for _ in range(1200):
        assert process.poll() is None, "the vLLM server ended"
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
            return
        except OSError:
            time.sleep(0.25)
    raise AssertionError("the vLLM server did not start")


def test_a_vllm_server_cuts_and_constrains(served: tuple[str, Path]) -> None:
    address, folder = served
    policy = load(address, tokenizer=str(folder))
    shape = Constraint(kind="regex", text="[a-f]{3}-[0-9]{2,4}")
    shaped = [
        Request(prompt_ids=(9, 8), prefix_ids=(60,), sampling=Sampling(max_tokens=60, seed=seed, constraint=shape)) for seed in range(3)
    ]
    for completion in run(policy, shaped):
        assert re.fullmatch(policy.renderer.decode((60,)) + shape.text, completion.text)
        assert completion.knows_ids
        assert not completion.logprobs
    two = [Sampling(max_tokens=1, seed=seed, top_k=2, temperature=2.0) for seed in range(60)]
    best = run(policy, [Request(prompt_ids=(9, 8, 7), sampling=sampling) for sampling in two])
    with torch.no_grad():
        logits = model_of()(input_ids=torch.tensor([[9, 8, 7]])).logits[0, -1]
    assert {completion.ids[0] for completion in best} == set(logits.topk(2).indices.tolist())
    (late,) = run(policy, [Request(prompt_ids=(9, 8, 7), sampling=Sampling(max_tokens=100), timeout_s=1e-6)])
    assert late.stop_reason == "timeout"
    asyncio.run(policy.aclose())


def test_a_vllm_server_takes_adapters(served: tuple[str, Path], tmp_path: Path) -> None:
    address, folder = served
    policy = load(address, tokenizer=str(folder))
    requests = asked(temperature=0.0) + asked(temperature=1.0)
    check(model_of(), requests, run(policy, requests), "0")
    (warm,) = run(policy, asked(temperature=0.7)[:1])
    assert warm.knows_ids
    assert not warm.knows_logprobs  # the server's are those before temperature
    adapted = get_peft_model(model_of(), LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False))
    adapted.save_pretrained(tmp_path / "adapter")
    for version in ("one", "two"):
        policy.load_weights(tmp_path / "adapter", version=version)
        check(adapted.eval(), requests, run(policy, requests), version)
    with pytest.raises(InputError, match="is no folder of a LoRA adapter"):
        policy.load_weights(folder, version="x")
    asyncio.run(policy.aclose())
