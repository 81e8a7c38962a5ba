"""Parts of an answer: forced beginnings and ends, temperatures that switch, truncation, time-outs, adapters."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model

from burnish.core.errors import InputError
from burnish.core.records import Sampling, Switch
from burnish.models import Completion, Request
from burnish.models.transformers import TransformersPolicy

from .conftest import build_model

Make = Callable[..., TransformersPolicy]
PROMPT = (40, 41, 42, 43, 44)


def run(policy: TransformersPolicy, *asked: Request) -> list[Completion]:
    async def gather() -> list[Completion]:
        return list(await asyncio.gather(*map(policy.generate, asked)))

    return asyncio.run(gather())


def whole_logits(model: Any, ids: Sequence[int]) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=torch.tensor([list(ids)])).logits[0].float()


def endless(*, only: Sequence[int] | None = None) -> torch.nn.Module:
    """A model that never ends its turn; with `only`, it can write nothing else."""

    def forbid(module: object, args: object, output: Any) -> None:
        output.logits[..., [0, 2]] = -torch.inf
        if only is not None:
            output.logits[..., [token for token in range(320) if token not in only]] = -torch.inf

    model = build_model()
    model.register_forward_hook(forbid)
    return model


def test_a_forced_beginning_is_continued(make_policy: Make) -> None:
    policy = make_policy(endless())
    sampling = Sampling(max_tokens=8, seed=3)
    forced, plain = run(
        policy,
        Request(prompt_ids=PROMPT, prefix_ids=(60, 61, 62), sampling=sampling),
        Request(prompt_ids=(*PROMPT, 60, 61, 62), sampling=sampling),
    )
    assert forced.ids == (60, 61, 62, *plain.ids)
    assert forced.logprobs == pytest.approx(plain.logprobs, abs=1e-5)
    assert (forced.forced, forced.sampled) == (((0, 3),), ((3, 11),))
    assert forced.text == policy.renderer.decode(forced.ids)
    assert plain.sampled == ((0, 8),)


def test_a_stop_string_is_not_found_in_the_forced_beginning(make_policy: Make) -> None:
    policy = make_policy(endless())
    fence = tuple(policy.tokenizer("```", add_special_tokens=False)["input_ids"])
    (got,) = run(policy, Request(prompt_ids=PROMPT, prefix_ids=fence, sampling=Sampling(max_tokens=5, stop=("```",))))
    assert got.stop_reason == "length"
    assert got.text.startswith("```")


def test_a_forced_end_closes_only_what_was_cut_off(make_policy: Make) -> None:
    policy = make_policy(endless())
    (cut,) = run(policy, Request(prompt_ids=PROMPT, suffix_ids=(70, 71), sampling=Sampling(max_tokens=4)))
    assert cut.stop_reason == "length"
    assert cut.ids[4:] == (70, 71)
    assert len(cut.logprobs) == 4
    assert (cut.forced, cut.sampled) == (((4, 6),), ((0, 4),))
    stop = policy.renderer.decode(cut.ids[1:2])
    (stopped,) = run(policy, Request(prompt_ids=PROMPT, suffix_ids=(70, 71), sampling=Sampling(max_tokens=4, stop=(stop,))))
    assert stopped.stop_reason == "stop"
    assert stopped.forced == ()


def test_temperature_switches_inside_marks(make_policy: Make) -> None:
    """Only a backtick and a letter can be written, so marks are frequent: after every odd one greedy, after every even one not."""
    tokenizer = make_policy().tokenizer
    mark, letter = (tokenizer.convert_tokens_to_ids(text) for text in ("`", "q"))
    policy = make_policy(endless(only=(mark, letter)))
    sampling = Sampling(temperature=1.5, max_tokens=60, seed=5, switches=(Switch(open="``", close="`", temperature=0.0),))
    (got,) = run(policy, Request(prompt_ids=PROMPT, sampling=sampling))
    expected, inside, since = [], False, 0
    for index in range(60):
        expected.append(0.0 if inside else 1.5)
        text = policy.renderer.decode(got.ids[since : index + 1])
        if ("`" if inside else "``") in text:
            inside, since = not inside, index + 1
    assert got.temperatures == tuple(expected)
    assert set(expected) == {0.0, 1.5}
    logits = whole_logits(policy.model, (*PROMPT, *got.ids))[len(PROMPT) - 1 : -1]
    for index, token in enumerate(got.ids):
        temperature = got.temperatures[index]
        if temperature == 0:
            assert int(logits[index].argmax()) == token
        assert got.logprobs[index] == pytest.approx(float((logits[index] / (temperature or 1)).log_softmax(-1)[token]), abs=1e-4)
        assert (got.raw_logprobs or got.logprobs)[index] == pytest.approx(float(logits[index].log_softmax(-1)[token]), abs=1e-4)


def test_truncated_sampling_records_the_mass(make_policy: Make) -> None:
    policy = make_policy(endless())
    (got,) = run(policy, Request(prompt_ids=PROMPT, sampling=Sampling(max_tokens=10, top_k=3, seed=1)))
    probabilities = whole_logits(policy.model, (*PROMPT, *got.ids))[len(PROMPT) - 1 : -1].softmax(-1)
    for index, token in enumerate(got.ids):
        best = probabilities[index].topk(3)
        assert token in best.indices.tolist()
        assert got.kept[index] == pytest.approx(float(best.values.sum()), abs=1e-5)
        assert got.raw_logprobs[index] == pytest.approx(math.log(float(probabilities[index, token])), abs=1e-4)
        assert got.logprobs[index] == pytest.approx(got.raw_logprobs[index] - math.log(got.kept[index]), abs=1e-4)
    (free,) = run(policy, Request(prompt_ids=PROMPT, sampling=Sampling(max_tokens=10, seed=1)))
    assert (free.kept, free.raw_logprobs, free.temperatures) == ((), (), ())


@pytest.mark.parametrize(
    ("sampling", "truncated"),
    [({}, False), ({"top_p": 0.9}, True), ({"top_k": 5}, True), ({"min_p": 0.1}, True), ({"temperature": 0.5}, False)],
)
def test_which_sampling_is_truncated(sampling: dict[str, Any], truncated: bool) -> None:
    assert Sampling(**sampling).truncated is truncated


def test_a_time_out_hands_over_what_there_is(make_policy: Make) -> None:
    policy = make_policy(endless(), max_batch=1)
    slow = Request(prompt_ids=PROMPT, sampling=Sampling(max_tokens=250), timeout_s=0.15)
    queued = Request(prompt_ids=PROMPT, sampling=Sampling(max_tokens=250), timeout_s=0.01)
    forward = policy.model.forward

    def slower(*args: Any, **kwargs: Any) -> Any:
        import time

        time.sleep(0.01)
        return forward(*args, **kwargs)

    policy.model.forward = slower
    got, waited = run(policy, slow, queued)
    assert got.stop_reason == waited.stop_reason == "timeout"
    assert 0 < len(got.ids) < 100
    assert waited.ids == ()
    assert run(policy, Request(prompt_ids=PROMPT, sampling=Sampling(max_tokens=2)))[0].stop_reason == "length"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"sampling": Sampling(top_k=-1)}, "top_k"),
        ({"sampling": Sampling(min_p=1.5)}, "min_p"),
        ({"sampling": Sampling(stop=("",))}, "empty"),
        ({"sampling": Sampling(switches=(Switch(open="a", close="b", temperature=-1),))}, "temperature"),
        ({"timeout_s": 0.0}, "timeout_s"),
        ({"adapter": "poet"}, "no adapter 'poet'"),
        ({"prefix_ids": (999,)}, "outside"),
    ],
)
def test_unusable_requests(make_policy: Make, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        run(make_policy(), Request(prompt_ids=PROMPT, **fields))


def make_adapter(folder: Path, seed: int, rank: int = 4) -> None:
    torch.manual_seed(seed)
    config = LoraConfig(r=rank, lora_alpha=16, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
    get_peft_model(build_model(), config).save_pretrained(folder)


def test_adapters_mix_in_one_batch_and_equal_merged_models(make_policy: Make, tmp_path: Path) -> None:
    policy = make_policy()
    sampling = Sampling(max_tokens=12, temperature=0.0)
    for seed, name in enumerate(("one", "two")):
        make_adapter(tmp_path / name, seed + 1, rank=2 + 2 * seed)
        policy.load_adapter(name, str(tmp_path / name))
    asked = [Request(prompt_ids=tuple(range(30, 60)), sampling=sampling, adapter=name) for name in ("", "one", "two", "one", "")]
    got = run(policy, *asked)
    for request, completion in zip(asked, got, strict=True):
        model: Any = build_model()
        if request.adapter:
            model = PeftModel.from_pretrained(model, tmp_path / request.adapter).merge_and_unload()
        (merged,) = run(make_policy(model), Request(prompt_ids=request.prompt_ids, sampling=sampling))
        assert completion.ids == merged.ids
        assert completion.logprobs == pytest.approx(merged.logprobs, abs=1e-4)
    assert len({completion.ids for completion in got}) == 3


def test_an_adapter_is_swapped_hot(make_policy: Make, tmp_path: Path) -> None:
    policy = make_policy()
    request = Request(prompt_ids=PROMPT, sampling=Sampling(max_tokens=12, temperature=0.0), adapter="mine")
    answers = []
    for seed in (1, 2):
        make_adapter(tmp_path / str(seed), seed, rank=seed * 2)
        policy.load_adapter("mine", str(tmp_path / str(seed)))
        answers.append(run(policy, request)[0].ids)
    fresh = make_policy()
    fresh.load_adapter("mine", str(tmp_path / "2"))
    assert answers[0] != answers[1] == run(fresh, request)[0].ids


def test_unusable_adapters(make_policy: Make, tmp_path: Path) -> None:
    policy = make_policy()
    with pytest.raises(InputError, match=r"adapter_config.json is missing"):
        policy.load_adapter("mine", str(tmp_path))
    with pytest.raises(InputError, match="cannot be called"):
        policy.load_adapter("", str(tmp_path))
