"""From the trained model to the engine: the same weights, the same words, the right stamp."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import torch
from peft import LoraConfig, get_peft_model

from burnish.core.errors import InputError
from burnish.core.records import Sampling, TokenRecord
from burnish.models import Completion, Request
from burnish.models.scores import Scorer
from burnish.models.scripted import scripted
from burnish.models.transformers import TransformersPolicy
from burnish.models.weights import Updatable, merged, sync

from .conftest import build_model

Make = Callable[..., TransformersPolicy]
PROMPTS = [(5, 6, 7), (9, 8), (30, 31, 32, 33, 34)]


def write(policy: TransformersPolicy, temperature: float = 0.0) -> list[Completion]:
    async def gather() -> list[Completion]:
        sampling = Sampling(temperature=temperature, max_tokens=12, seed=4)
        return list(await asyncio.gather(*(policy.generate(Request(prompt_ids=ids, sampling=sampling)) for ids in PROMPTS)))

    return asyncio.run(gather())


def greedy(model) -> list[tuple[int, ...]]:
    """What the trainer's own model says, by its own generate."""
    found = []
    for prompt in PROMPTS:
        ids = torch.tensor([prompt])
        mask = torch.ones_like(ids)
        whole = model.generate(ids, attention_mask=mask, max_new_tokens=12, do_sample=False, eos_token_id=[0, 2], pad_token_id=2)
        found.append(tuple(whole[0, len(prompt) :].tolist()))
    return found


def step(model) -> None:
    """One step of plain training, large enough to be heard."""
    optimizer = torch.optim.Adam([parameter for parameter in model.parameters() if parameter.requires_grad], lr=2e-2)
    ids = torch.tensor([[5, 6, 7, 40, 41, 42, 2]])
    model(input_ids=ids, labels=ids).loss.backward()
    optimizer.step()
    optimizer.zero_grad()


def with_adapter(model, seed: int = 7):
    torch.manual_seed(seed)
    return get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")).eval()


def records(completions: list[Completion]) -> list[TokenRecord]:
    return [
        TokenRecord(ids=(*prompt, *c.ids), sampled=((len(prompt), len(prompt) + len(c.ids)),), logprobs=c.logprobs)
        for prompt, c in zip(PROMPTS, completions, strict=True)
    ]


@pytest.mark.parametrize("adapted", [False, True])
def test_after_a_sync_the_engine_says_what_the_trainer_says(make_policy: Make, adapted: bool) -> None:
    trained = with_adapter(build_model()) if adapted else build_model()
    engine = make_policy(build_model())
    for number in range(1, 3):
        step(trained)
        expected = greedy(trained)
        before = write(engine)
        assert [completion.ids for completion in before] != expected
        sync(trained, engine, version=f"step-{number}")
        after = write(engine)
        assert [completion.ids for completion in after] == expected
        assert {completion.policy_version for completion in after} == {f"step-{number}"}
        assert {completion.policy_version for completion in before} == {"0" if number == 1 else "step-1"}


def test_the_mismatch_tells_a_stale_engine_from_a_fresh_one(make_policy: Make) -> None:
    trained, engine = build_model(), make_policy(build_model())
    step(trained)
    stale = Scorer(trained).mismatch(records(write(engine, 1.0)))
    sync(trained, engine, version="1")
    fresh = Scorer(trained).mismatch(records(write(engine, 1.0)))
    assert stale.mean > 0.05
    assert fresh.maximum < 1e-4


def test_an_engine_that_holds_the_module_is_only_told(make_policy: Make) -> None:
    engine = make_policy(build_model())
    with engine.exclusive():
        step(engine.model)
    sync(engine.model, engine, version="step-1")
    assert engine.version == "step-1"
    assert [completion.ids for completion in write(engine)] == greedy(engine.model)


def test_adapter_and_merged_weights_agree() -> None:
    adapted = with_adapter(build_model())
    before = {name: tensor.clone() for name, tensor in adapted.state_dict().items()}
    weights = dict(merged(adapted))
    plain = build_model(seed=5)
    plain.load_state_dict(weights)
    ids = torch.tensor([[5, 6, 7, 8, 9, 10]])
    with torch.no_grad():
        assert torch.allclose(adapted(input_ids=ids).logits, plain(input_ids=ids).logits, atol=1e-4)
        assert not torch.allclose(build_model()(input_ids=ids).logits, plain(input_ids=ids).logits, atol=1e-2)
    assert weights.keys() == plain.state_dict().keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in adapted.state_dict().items())  # nothing was merged in place


def test_an_adapter_that_is_off_is_not_merged() -> None:
    adapted = with_adapter(build_model())
    with adapted.disable_adapter():
        weights = dict(merged(adapted))
    assert all(torch.equal(tensor, weights[name]) for name, tensor in build_model().state_dict().items())


def test_bfloat16_is_rounded_once() -> None:
    adapted = with_adapter(build_model().bfloat16())
    layer = adapted.get_base_model().model.layers[0].self_attn.q_proj
    name = "model.layers.0.self_attn.q_proj.weight"
    exact = layer.base_layer.weight.double() + layer.get_delta_weight("default").double()
    assert dict(merged(adapted))[name].dtype == torch.bfloat16
    assert torch.equal(dict(merged(adapted))[name], exact.float().bfloat16())


def test_weights_of_another_model_are_refused_whole(make_policy: Make) -> None:
    engine = make_policy(build_model())
    before = write(engine)
    for other, message in [
        (build_model(num_hidden_layers=3), r"the engine does not have model\.layers\.2"),
        (build_model(num_hidden_layers=1), r"the engine misses model\.layers\.1"),
        (build_model(intermediate_size=48), r"the engine has in another size model\.layers\.0"),
    ]:
        with pytest.raises(InputError, match=message):
            sync(other, engine, version="1")
    assert engine.version == "0"
    assert [completion.ids for completion in write(engine)] == [completion.ids for completion in before]


def test_a_tied_head_need_not_be_given(make_policy: Make) -> None:
    engine, trained = make_policy(build_model(tie_word_embeddings=True)), build_model(1, tie_word_embeddings=True)
    engine.load_weights(((name, tensor) for name, tensor in merged(trained) if name != "lm_head.weight"), version="1")
    assert [completion.ids for completion in write(engine)] == greedy(trained)


def test_what_cannot_be_synced(make_policy: Make) -> None:
    assert isinstance(make_policy(), Updatable)
    with pytest.raises(InputError, match="ScriptedPolicy cannot take new weights"):
        sync(build_model(), scripted(["a"]), version="1")
    with pytest.raises(InputError, match="carries a LoRA adapter"):
        sync(build_model(), make_policy(with_adapter(build_model())), version="1")
    dora = get_peft_model(build_model(), LoraConfig(r=4, use_dora=True, target_modules=["q_proj"], task_type="CAUSAL_LM"))
    with pytest.raises(InputError, match=r"q_proj is no plain LoRA.*merge_and_unload"):
        dict(merged(dora))
