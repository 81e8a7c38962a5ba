"""The engine on a two-layer random Llama in fp32: parity with plain transformers, independence of the batch, failure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from burnish.core.errors import InputError, PolicyError
from burnish.core.records import Message, Sampling
from burnish.models import Completion, Policy, Request, load, token_texts
from burnish.models._decoder import common_prefix
from burnish.models.transformers import TransformersPolicy
from burnish.training._forward import TokenScorer
from burnish.training._rows import Row

from .conftest import build_model

Make = Callable[..., TransformersPolicy]


def prompts(count: int, seed: int = 0, longest: int = 60) -> list[tuple[int, ...]]:
    """Prompts of all lengths, some sharing a beginning, some equal."""
    rng = np.random.default_rng(seed)
    base = rng.integers(3, 320, longest).tolist()
    made = []
    for index in range(count):
        length = int(rng.integers(1, longest))
        shared = length if index % 4 == 3 else int(rng.integers(0, length + 1)) if index % 2 else 0
        made.append((*base[:shared], *rng.integers(3, 320, length - shared).tolist()))
    return made


def requests(count: int, **sampling: object) -> list[Request]:
    return [
        Request(prompt_ids=ids, sampling=Sampling(**{"max_tokens": 5 + 3 * (i % 7), "seed": i, **sampling}))
        for i, ids in enumerate(prompts(count))
    ]


def run(policy: TransformersPolicy, asked: Sequence[Request]) -> list[Completion]:
    async def gather() -> list[Completion]:
        return list(await asyncio.gather(*map(policy.generate, asked)))

    return asyncio.run(gather())


def recomputed(policy: TransformersPolicy, request: Request, completion: Completion) -> torch.Tensor:
    """Log-probabilities of the sampled ids by one full forward pass without a cache."""
    ids = torch.tensor([[*request.prompt_ids, *completion.ids]])
    with torch.no_grad():
        logits = policy.model(input_ids=ids).logits[0, :-1].float() / (request.sampling.temperature or 1.0)
    start = len(request.prompt_ids) - 1
    return logits.log_softmax(-1)[start:].gather(-1, ids[0, start + 1 :, None])[:, 0]


def endless() -> torch.nn.Module:
    """A model that never ends a turn by itself."""

    def forbid(module: object, args: object, output: Any) -> None:
        output.logits[..., [0, 2]] = -torch.inf

    model = build_model()
    model.register_forward_hook(forbid)
    return model


def test_is_a_policy(make_policy: Make) -> None:
    assert isinstance(make_policy(), Policy)


def test_greedy_equals_plain_generate(make_policy: Make) -> None:
    policy = make_policy(max_batch=5)
    asked = requests(12, temperature=0.0, max_tokens=15)
    for request, completion in zip(asked, run(policy, asked), strict=True):
        ids = torch.tensor([request.prompt_ids])
        plain = policy.model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=15, do_sample=False, eos_token_id=[0, 2], pad_token_id=2
        )
        assert completion.ids == tuple(plain[0, len(request.prompt_ids) :].tolist())


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
def test_sampled_logprobs_equal_recomputed_ones(make_policy: Make, temperature: float) -> None:
    policy = make_policy()
    asked = requests(16, temperature=temperature)
    for request, completion in zip(asked, run(policy, asked), strict=True):
        expected = recomputed(policy, request, completion)
        assert torch.allclose(torch.tensor(completion.logprobs), expected, atol=1e-4)
        scored = policy.logprobs((*request.prompt_ids, *completion.ids), start=len(request.prompt_ids), temperature=temperature)
        assert torch.allclose(scored, expected, atol=1e-4)


@pytest.mark.parametrize("top_p", [1.0, 0.6])
def test_a_request_does_not_depend_on_its_batch(make_policy: Make, top_p: float) -> None:
    asked = requests(32, top_p=top_p)
    together = run(make_policy(prefill_tokens=64, max_batch=13), asked)
    alone_policy = make_policy()
    for request, completion in list(zip(asked, together, strict=True))[::5]:
        alone = run(alone_policy, [request])[0]
        assert (alone.ids, alone.stop_reason) == (completion.ids, completion.stop_reason)
        assert alone.logprobs == pytest.approx(completion.logprobs, abs=1e-5)


def test_alone_and_among_63_others(make_policy: Make) -> None:
    """Groups of 8 samples of one prompt, of all lengths, in batches of 64 and of 1: the same tokens in fp32."""
    starts = prompts(8, seed=9)
    asked = [
        Request(
            prompt_ids=starts[i // 8] + (7,) * 20, sampling=Sampling(max_tokens=4 + (i * 7) % 40, seed=i, temperature=(0.7, 1.0)[i % 2])
        )
        for i in range(64)
    ]
    together = run(make_policy(), asked)
    alone_policy = make_policy()
    for request, completion in list(zip(asked, together, strict=True))[::3]:
        alone = run(alone_policy, [request])[0]
        assert (alone.ids, alone.text, alone.stop_reason) == (completion.ids, completion.text, completion.stop_reason)
        assert alone.logprobs == pytest.approx(completion.logprobs, abs=1e-5)


def groups(count: int, size: int, length: int, **sampling: object) -> list[Request]:
    """`size` samples each of `count` different prompts of `length` tokens."""
    ids = np.random.default_rng(4).integers(3, 320, (count, length)).tolist()
    return [
        Request(prompt_ids=tuple(prompt), sampling=Sampling(**{"max_tokens": 6 + 5 * (i % 5), "seed": i, **sampling}))
        for prompt in ids
        for i in range(size)
    ]


def test_a_group_computes_and_stores_its_prompt_once(make_policy: Make) -> None:
    policy = make_policy(endless())
    asked = groups(3, 8, 50)
    with policy._batcher._weights, policy._batcher._condition:  # all arrive before the first step
        futures = [policy._batcher.submit(request) for request in asked]
    got = [future.result(60) for future in futures]
    counters = policy.counters()
    assert counters.prompt_tokens == 3 * 49
    assert counters.tokens == sum(request.sampling.max_tokens for request in asked)
    assert counters.steps == 26
    assert counters.rows_per_step == pytest.approx(counters.tokens / 26)
    assert 0 < counters.busy_share <= 1
    assert {bank.columns for bank, _ in policy._batcher._decoder._banks} == {64}  # of 76 tokens, 49 lie in the prefix
    for request, completion in zip(asked, got, strict=True):
        assert torch.allclose(torch.tensor(completion.logprobs), recomputed(policy, request, completion), atol=1e-4)
    again = run(policy, asked[:1])[0]
    assert again.ids == got[0].ids
    assert policy.counters().prompt_tokens == 3 * 49  # a prompt that comes back is still there


def test_new_weights_never_meet_an_old_prefix(make_policy: Make) -> None:
    policy = make_policy()
    asked = groups(1, 8, 40)
    run(policy, asked)
    with policy.exclusive(), torch.no_grad():
        for weight in policy.model.parameters():
            weight.mul_(1.5)
    for request, completion in zip(asked, run(policy, asked), strict=True):
        assert torch.allclose(torch.tensor(completion.logprobs), recomputed(policy, request, completion), atol=1e-4)


@pytest.mark.parametrize("options", [{}, {"max_batch": 5}, {"cache_tokens": 300}, {"prefill_tokens": 20}])
def test_groups_and_singles_mix(make_policy: Make, options: dict[str, int]) -> None:
    policy = make_policy(**options)
    asked = [*groups(2, 6, 40), *requests(10), *groups(1, 3, 30)]
    asked = [asked[i] for i in np.random.default_rng(0).permutation(len(asked))]
    for request, completion in zip(asked, run(policy, asked), strict=True):
        assert torch.allclose(torch.tensor(completion.logprobs), recomputed(policy, request, completion), atol=1e-4)


def test_one_long_row_does_not_block_short_ones(make_policy: Make) -> None:
    policy = make_policy(endless(), cache_tokens=600)
    long = Request(prompt_ids=(5,) * 150, sampling=Sampling(max_tokens=100, seed=1))
    short = [Request(prompt_ids=(6, 7, i), sampling=Sampling(max_tokens=5, seed=i)) for i in range(3, 23)]

    async def scenario() -> None:
        running = asyncio.create_task(policy.generate(long))
        await asyncio.gather(*map(policy.generate, short))
        assert not running.done()
        await running

    asyncio.run(scenario())
    assert policy.counters().rows_per_step > 1.5


def test_a_long_prompt_waits_while_rows_run(make_policy: Make) -> None:
    """At most one prefill pass of new prompt tokens between two steps, however many wait."""
    policy = make_policy(endless(), prefill_tokens=50)
    asked = [Request(prompt_ids=tuple(range(3 + 40 * i, 43 + 40 * i)), sampling=Sampling(max_tokens=20)) for i in range(5)]
    widths = []
    forward = policy.model.forward

    def watched(*args: Any, **kwargs: Any) -> Any:
        widths.append(tuple(kwargs["input_ids"].shape))
        return forward(*args, **kwargs)

    policy.model.forward = watched

    async def scenario() -> None:
        first = asyncio.create_task(policy.generate(asked[0]))
        while not widths:
            await asyncio.sleep(0.001)
        await asyncio.gather(first, *map(policy.generate, asked[1:]))

    asyncio.run(scenario())
    prefills = [index for index, (_, steps) in enumerate(widths) if steps > 1]
    assert len(prefills) == 5
    assert all(later - earlier > 1 for earlier, later in pairwise(prefills))


@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_recorded_logprobs_are_those_of_the_trainer(make_policy: Make, temperature: float) -> None:
    policy = make_policy()
    asked = groups(4, 4, 30, temperature=temperature)
    got = run(policy, asked)
    rows = [
        Row(id="", ids=r.prompt_ids + c.ids, positions=tuple(range(len(r.prompt_ids), len(r.prompt_ids) + len(c.ids))))
        for r, c in zip(asked, got, strict=True)
    ]
    with torch.no_grad():
        scores = TokenScorer(policy.model)(rows, temperature=temperature)["logp"]
    worst = max(float((scores[i, : len(c.ids)] - torch.tensor(c.logprobs)).abs().max()) for i, c in enumerate(got))
    assert worst < 1e-4


def test_order_of_arrival_does_not_matter(make_policy: Make) -> None:
    asked = requests(10)
    forwards, backwards = run(make_policy(), asked), run(make_policy(), asked[::-1])
    assert [c.ids for c in forwards] == [c.ids for c in backwards[::-1]]


def test_seeds_differ_and_repeat(make_policy: Make) -> None:
    policy = make_policy()
    same = [Request(prompt_ids=(5, 6, 7), sampling=Sampling(seed=seed, max_tokens=8)) for seed in (1, 2, 1)]
    first, second, third = run(policy, same)
    assert first.ids == third.ids != second.ids


def test_stops_at_max_tokens_or_end(make_policy: Make) -> None:
    for completion, request in zip(run(make_policy(), asked := requests(40, max_tokens=30)), asked, strict=True):
        ended = completion.ids[-1] in (0, 2)
        assert completion.stop_reason == ("eos" if ended else "length")
        assert ended or len(completion.ids) == request.sampling.max_tokens
        assert len(completion.ids) == len(completion.logprobs)
        assert not set(completion.ids[:-1]) & {0, 2}


def test_stop_string_ends_the_row_and_is_cut_from_the_text(make_policy: Make) -> None:
    policy = make_policy()
    free = run(policy, [Request(prompt_ids=(9, 8, 7), sampling=Sampling(max_tokens=40, seed=3))])[0]
    text = policy.renderer.decode(free.ids)
    stop = text[8:11]
    stopped = run(policy, [Request(prompt_ids=(9, 8, 7), sampling=Sampling(max_tokens=40, seed=3, stop=("never there", stop)))])[0]
    assert stopped.stop_reason == "stop"
    assert stopped.text == text[: text.index(stop)]
    assert stopped.ids == free.ids[: len(stopped.ids)]
    assert stop in policy.renderer.decode(stopped.ids)
    assert stop not in policy.renderer.decode(stopped.ids[:-1])


def test_conversations_round_trip(make_policy: Make) -> None:
    policy = make_policy()
    prompt = policy.renderer.render([Message(role="user", content="add")])
    completion = run(policy, [Request(prompt_ids=prompt, sampling=Sampling(max_tokens=6))])[0]
    following = policy.renderer.extend((*prompt, *completion.ids), [Message(role="user", content="again")])
    assert following[: len(prompt) + len(completion.ids)] == (*prompt, *completion.ids)
    assert run(policy, [Request(prompt_ids=following, sampling=Sampling(max_tokens=6))])[0].ids


def test_version_is_stamped(make_policy: Make) -> None:
    policy = make_policy()
    asked = requests(1)
    assert run(policy, asked)[0].policy_version == policy.version == "0"
    with policy.exclusive():
        assert policy.bump_version() == "1"
    assert run(policy, asked)[0].policy_version == "1"
    assert policy.bump_version("step-7") == policy.version == "step-7"


def test_exclusive_drains_running_rows_and_holds_new_ones(make_policy: Make) -> None:
    policy = make_policy(endless())

    async def scenario() -> tuple[Completion, Completion]:
        running = asyncio.create_task(policy.generate(Request(prompt_ids=(5, 6), sampling=Sampling(max_tokens=100, seed=1))))
        await asyncio.sleep(0.02)
        assert not running.done()
        with policy.exclusive(), policy.exclusive():
            await asyncio.wait_for(asyncio.shield(running), 60)
            waiting = asyncio.create_task(policy.generate(Request(prompt_ids=(5, 6), sampling=Sampling(max_tokens=3, seed=1))))
            await asyncio.sleep(0.05)
            assert not waiting.done()
            policy.model.train()
            with torch.no_grad():
                policy.model.lm_head.weight.neg_()
            policy.bump_version()
        return await running, await waiting

    before, after = asyncio.run(scenario())
    assert (before.policy_version, after.policy_version) == ("0", "1")
    assert torch.allclose(
        torch.tensor(after.logprobs), recomputed(policy, Request(prompt_ids=(5, 6)), after), atol=1e-4
    )  # the new weights, without a stale cache
    assert not policy.model.training


def test_cancelling_frees_the_row(make_policy: Make) -> None:
    policy = make_policy(endless(), max_batch=1)

    async def scenario() -> Completion:
        long = asyncio.create_task(policy.generate(Request(prompt_ids=(5, 6), sampling=Sampling(max_tokens=250))))
        queued = asyncio.create_task(policy.generate(Request(prompt_ids=(5, 7), sampling=Sampling(max_tokens=250))))
        await asyncio.sleep(0.02)
        long.cancel()
        queued.cancel()
        with pytest.raises(asyncio.CancelledError):
            await long
        return await asyncio.wait_for(policy.generate(Request(prompt_ids=(5, 8), sampling=Sampling(max_tokens=2))), 20)

    assert asyncio.run(scenario()).ids
    assert policy._batcher._decoder.rows == []


@pytest.mark.parametrize("failing_call", [1, 2, 3, 6])
def test_a_failing_model_reaches_the_callers_and_the_engine_goes_on(make_policy: Make, failing_call: int) -> None:
    policy = make_policy()
    forward, calls = policy.model.forward, []

    def failing(*args: object, **kwargs: object) -> object:
        calls.append(1)
        if len(calls) == failing_call:
            raise RuntimeError("out of memory")
        return forward(*args, **kwargs)

    policy.model.forward = failing
    asked = requests(8, max_tokens=20)

    async def gather() -> list[Completion | BaseException]:
        return await asyncio.gather(*map(policy.generate, asked), return_exceptions=True)

    failed = [outcome for outcome in asyncio.run(gather()) if not isinstance(outcome, Completion)]
    assert failed
    assert all(isinstance(error, PolicyError) and "RuntimeError: out of memory" in str(error) for error in failed)
    assert run(policy, asked[:1])[0].ids == run(make_policy(), asked[:1])[0].ids


def test_closing_fails_what_waits(make_policy: Make) -> None:
    policy = make_policy(endless())

    async def scenario() -> None:
        waiting = asyncio.create_task(policy.generate(Request(prompt_ids=(5, 6), sampling=Sampling(max_tokens=250, seed=1))))
        await asyncio.sleep(0.01)
        await policy.aclose()
        with pytest.raises(PolicyError, match="closed"):
            await waiting
        with pytest.raises(PolicyError, match="closed"):
            await policy.generate(Request(prompt_ids=(5, 6), sampling=Sampling(max_tokens=5)))

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (Request(prompt_ids=()), "no token"),
        (Request(prompt_ids=(320,)), r"outside 0 … 319"),
        (Request(prompt_ids=(-1,)), "outside"),
        (Request(prompt_ids=(5,) * 250, sampling=Sampling(max_tokens=7)), "250 tokens and max_tokens=7 exceed the 256"),
        (Request(prompt_ids=(5,), sampling=Sampling(max_tokens=0)), "max_tokens ≥ 1"),
        (Request(prompt_ids=(5,), sampling=Sampling(temperature=-1.0)), "temperature ≥ 0"),
        (Request(prompt_ids=(5,), sampling=Sampling(top_p=0.0)), "top_p"),
    ],
)
def test_unusable_requests(make_policy: Make, request_: Request, said: str) -> None:
    with pytest.raises(InputError, match=said):
        run(make_policy(), [request_])


def test_the_whole_context_can_be_used(make_policy: Make) -> None:
    policy = make_policy(prefill_tokens=50)
    long = Request(prompt_ids=tuple(3 + i % 300 for i in range(250)), sampling=Sampling(max_tokens=6))
    short = Request(prompt_ids=(5, 6), sampling=Sampling(max_tokens=6))
    completion, _ = run(policy, [long, short])
    assert torch.allclose(torch.tensor(completion.logprobs), recomputed(policy, long, completion), atol=1e-4)


@pytest.mark.parametrize("piece", [1, 7, 512])
def test_logprobs_do_not_depend_on_the_pieces(make_policy: Make, piece: int) -> None:
    policy = make_policy(prefill_tokens=piece)
    ids = prompts(1, seed=5, longest=60)[0] + (9, 8, 7)
    expected = recomputed(policy, Request(prompt_ids=ids[:1]), Completion(ids=ids[1:], text="", logprobs=(), stop_reason=""))
    for start in (1, 2, len(ids) - 1, len(ids)):
        assert torch.allclose(policy.logprobs(ids, start=start), expected[start - 1 :], atol=1e-4)
    with pytest.raises(InputError, match="start must lie"):
        policy.logprobs(ids, start=0)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft asks the old name
def test_lora_generates_with_its_own_weights(make_policy: Make) -> None:
    policy = make_policy()
    asked = requests(4)
    base = run(policy, asked)
    with policy.exclusive():
        policy.model = get_peft_model(policy.model, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False))
    adapted = run(policy, asked)
    assert [c.ids for c in adapted] != [c.ids for c in base]
    for request, completion in zip(asked, adapted, strict=True):
        assert torch.allclose(torch.tensor(completion.logprobs), recomputed(policy, request, completion), atol=1e-4)


SMALL = {"vocab_size": 320, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


@pytest.mark.parametrize(
    "build",
    [
        lambda: MistralForCausalLM(MistralConfig(**SMALL, num_key_value_heads=2, sliding_window=8, initializer_range=0.2)),
        lambda: Qwen2ForCausalLM(
            Qwen2Config(
                **SMALL, num_key_value_heads=2, initializer_range=0.2, use_sliding_window=True, sliding_window=8, max_window_layers=1
            )
        ),
    ],
    ids=["sliding", "mixed"],
)
def test_sliding_windows(make_policy: Make, build: Callable[[], torch.nn.Module]) -> None:
    torch.manual_seed(0)
    policy = make_policy(build().eval())
    asked = requests(8, max_tokens=12)
    for request, completion in zip(asked, run(policy, asked), strict=True):
        assert torch.allclose(torch.tensor(completion.logprobs), recomputed(policy, request, completion), atol=1e-4)


def test_a_recurrent_architecture_is_refused(tokenizer: PreTrainedTokenizerFast) -> None:
    model = build_model()
    model.config.layer_types = ["linear_attention", "full_attention"]
    with pytest.raises(InputError, match="linear_attention"):
        TransformersPolicy(model, tokenizer, name="hybrid")


def test_loading_a_folder(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    build_model().save_pretrained(tmp_path)
    with pytest.raises(InputError, match="a tokenizer"):
        load(str(tmp_path))
    tokenizer.save_pretrained(tmp_path)
    policy = load(str(tmp_path), dtype="float32")
    assert isinstance(policy, TransformersPolicy)
    assert policy.name == tmp_path.name
    assert policy.model.dtype == torch.float32
    with pytest.raises(InputError, match="There is no dtype 'int4'"):
        load(str(tmp_path), dtype="int4")
    (tmp_path / "config.json").write_text("{broken")
    with pytest.raises(InputError, match="cannot be loaded"):
        load(str(tmp_path))


@pytest.mark.parametrize(
    ("a", "b", "length"), [([], [1], 0), ([1], [1], 1), ([1, 2, 3], [1, 2, 4, 5], 2), ([2], [1], 0), ([1, 2], [1, 2, 3], 2)]
)
def test_common_prefix(a: list[int], b: list[int], length: int) -> None:
    assert common_prefix(a, b) == common_prefix(b, a) == length


@pytest.mark.model
def test_the_embedded_model_answers() -> None:
    policy = load("embedded")
    prompt = policy.renderer.render([Message(role="user", content="What is the capital of France?")])
    asked = Request(prompt_ids=prompt, sampling=Sampling(temperature=0.0, max_tokens=12))

    async def ask() -> Completion:
        completion = await policy.generate(asked)
        await policy.aclose()
        return completion

    answer = asyncio.run(ask())
    assert "Paris" in answer.text
    assert "".join(token_texts(policy.name)(answer.ids)) == answer.text  # runs are stamped with this name
