"""Scores of sequences that are there already, against one plain forward pass per sequence."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import Gemma2Config, Gemma2ForCausalLM, LlamaModel, MistralConfig, MistralForCausalLM

from burnish.core.errors import InputError
from burnish.core.records import Message, Sampling, TokenRecord
from burnish.models import Completion, Conversation, Request, _vocabulary
from burnish.models._backbone import Backbone
from burnish.models.scores import Scorer
from burnish.models.transformers import TransformersPolicy

from .conftest import build_model

IDS = [tuple(np.random.default_rng(n).integers(3, 320, length).tolist()) for n, length in enumerate((17, 1, 5, 40, 2, 40, 9, 23))]
MASKS = [[place % 3 > 0 for place in range(len(row))] for row in IDS]


@torch.no_grad()
def plain(model, ids, temperature=1.0) -> torch.Tensor:
    """Log-probabilities over the vocabulary of every place but the last, by one forward pass of its own."""
    return (model(input_ids=torch.tensor([ids])).logits[0, :-1].float() / temperature).log_softmax(-1)


def chosen(ids, mask) -> list[int]:
    return [place for place in range(1, len(ids)) if mask[place]]


def with_adapter(model):
    torch.manual_seed(7)
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM"))
    return adapted.eval()


@pytest.mark.parametrize("pack_tokens", [1, 48, 1024])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_logprobs_and_entropy_are_those_of_the_whole_model(pack_tokens: int, temperature: float) -> None:
    model = build_model()
    scorer = Scorer(model, pack_tokens=pack_tokens)
    logprobs, entropies = scorer.logprobs(IDS, MASKS, temperature=temperature), scorer.entropy(IDS, MASKS, temperature=temperature)
    for ids, mask, logp, entropy in zip(IDS, MASKS, logprobs, entropies, strict=True):
        expected = plain(model, ids, temperature)
        places = chosen(ids, mask)
        assert logp.tolist() == pytest.approx([expected[place - 1, ids[place]].item() for place in places], abs=1e-4)
        assert entropy.tolist() == pytest.approx([-(expected[p - 1].exp() * expected[p - 1]).sum().item() for p in places], abs=1e-4)


def test_nothing_is_computed_for_padding_or_beyond_the_last_mark() -> None:
    model, read = build_model(), []
    scorer = Scorer(model)
    model.model.embed_tokens.register_forward_hook(lambda module, args, output: read.append(args[0].shape))
    scorer.logprobs(IDS)
    assert sum(rows * columns for rows, columns in read) == sum(len(ids) - 1 for ids in IDS)
    read.clear()
    scorer.logprobs([IDS[0]], [[place == 3 for place in range(17)]])
    assert read == [(1, 3)]


class Largest(TorchDispatchMode):
    """Watches every tensor that any operation makes."""

    size = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        self.size = max([self.size, *(leaf.numel() for leaf in tree_leaves(made) if isinstance(leaf, torch.Tensor))])
        return made


def test_no_tensor_of_tokens_times_vocabulary_is_ever_made(monkeypatch) -> None:
    monkeypatch.setattr(_vocabulary, "CHUNK_ELEMENTS", 16 * 320)
    scorer, reference = Scorer(build_model(), pack_tokens=64), Scorer(build_model(1), pack_tokens=64)
    with Largest() as watched:
        scorer.logprobs(IDS)
        scorer.entropy(IDS)
        scorer.kl(IDS, reference=reference)
    assert watched.size == 320 * 32  # the output matrix itself; 40 tokens times the vocabulary would be 12,800


def test_a_sliding_window_is_kept_within_each_sequence() -> None:
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=320,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        sliding_window=6,
    )
    model = MistralForCausalLM(config).float().eval()
    for ids, logp in zip(IDS, Scorer(model).logprobs(IDS), strict=True):
        expected = plain(model, ids)
        assert logp.tolist() == pytest.approx([expected[p - 1, ids[p]].item() for p in range(1, len(ids))], abs=1e-4)


def test_each_token_may_have_its_own_temperature() -> None:
    """Text at 1, code at 0: greedy tokens are scored at temperature 1, as the engine records them."""
    model, ids = build_model(), IDS[0]
    heat = [0.5 if place < 9 else 0.0 for place in range(len(ids))]
    (logp,) = Scorer(model).logprobs([ids], temperature=[heat])
    cold, plain_ones = plain(model, ids, 0.5), plain(model, ids)
    expected = [(cold if place < 9 else plain_ones)[place - 1, ids[place]].item() for place in range(1, len(ids))]
    assert logp.tolist() == pytest.approx(expected, abs=1e-4)


def test_nothing_to_score() -> None:
    scorer = Scorer(build_model())
    assert scorer.logprobs([]) == []
    assert [len(row) for row in scorer.logprobs([(5,), (5, 6), ()])] == [0, 1, 0]
    assert [len(found.forward) for found in scorer.kl([(5,)], reference=scorer)] == [0]
    assert math.isnan(scorer.mismatch([]).mean)


@pytest.mark.parametrize(
    ("ids", "masks", "message"),
    [
        ([(5, 6)], [[False]], "one mask for each sequence"),
        ([(5, 6)], [[True, True]], "first token, which nothing predicts"),
        ([(5, 400)], None, r"Sequence 0 has token ids outside 0 … 319"),
    ],
)
def test_what_cannot_be_scored_is_said(ids, masks, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Scorer(build_model()).logprobs(ids, masks)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_kl_is_that_of_the_whole_distributions(temperature: float) -> None:
    model, other = build_model(0), build_model(1)
    found = Scorer(model, pack_tokens=48).kl(IDS, MASKS, reference=Scorer(other), temperature=temperature)
    for ids, mask, kl in zip(IDS, MASKS, found, strict=True):
        p, q = plain(model, ids, temperature), plain(other, ids, temperature)
        rows = [place - 1 for place in chosen(ids, mask)]
        assert torch.allclose(kl.forward, (q.exp() * (q - p)).sum(-1)[rows], atol=1e-4)
        assert torch.allclose(kl.reverse, (p.exp() * (p - q)).sum(-1)[rows], atol=1e-4)


def test_kl_against_the_adapter_switched_off_is_kl_against_the_base() -> None:
    adapted, base = with_adapter(build_model()), build_model()
    trained = [parameter.requires_grad for parameter in adapted.parameters()]
    ours, theirs = Scorer(adapted).kl(IDS), Scorer(adapted).kl(IDS, reference=Scorer(base))
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.allclose(mine.forward, other.forward, atol=1e-5)
        assert torch.allclose(mine.reverse, other.reverse, atol=1e-5)
    assert torch.cat([mine.reverse for mine in ours]).mean() > 1e-3
    assert [parameter.requires_grad for parameter in adapted.parameters()] == trained
    assert torch.allclose(Scorer(adapted).kl(IDS)[0].forward, ours[0].forward)  # the adapter is on again


def test_kl_needs_an_adapter_or_a_reference_with_the_same_tokens() -> None:
    with pytest.raises(InputError, match=r"no adapter that could be off.*reference=Scorer"):
        Scorer(build_model()).kl([(5, 6)])
    with pytest.raises(InputError, match="320 token ids, the policy 300"):
        Scorer(build_model(vocab_size=300)).kl([(5, 6)], reference=Scorer(build_model()))


def test_dropout_is_off_and_comes_back() -> None:
    model = build_model(attention_dropout=0.5)
    model.train()
    scorer = Scorer(model)
    assert torch.equal(scorer.logprobs(IDS)[0], scorer.logprobs(IDS)[0])
    assert model.training


def test_a_model_that_mixes_packed_sequences_reads_them_one_by_one() -> None:
    """A trunk that ignores positions cannot tell where a sequence ends, and is not asked to."""
    model = build_model()
    expected = Scorer(model).logprobs(IDS)
    forward = model.model.forward
    model.model.forward = lambda position_ids=None, **inputs: forward(**inputs)
    blind = Scorer(model)
    assert [len(pack) for pack in blind.backbone.packs([[3], [2], [5]])] == [1, 1, 1]
    for mine, other in zip(blind.logprobs(IDS), expected, strict=True):
        assert torch.allclose(mine, other, atol=1e-4)


def test_models_that_cannot_be_taken_apart_are_refused() -> None:
    config = Gemma2Config(
        vocab_size=20, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=8
    )
    with pytest.raises(InputError, match="Gemma2ForCausalLM changes its logits"):
        Scorer(Gemma2ForCausalLM(config))
    with pytest.raises(InputError, match="not a causal language model"):
        Backbone(LlamaModel(build_model().config))


Make = Callable[..., TransformersPolicy]


def conversations(policy: TransformersPolicy, count: int) -> list[TokenRecord]:
    """Two turns each, at mixed lengths and temperatures, some greedy, all in one batch."""

    async def one(number: int) -> tuple[TokenRecord, ...]:
        talk = Conversation(policy.renderer, [Message(role="user", content="add " * (number % 7 + 1))])
        for turn in range(2):
            sampling = Sampling(temperature=(0.0, 0.6, 1.0, 1.4)[(number + turn) % 4], max_tokens=3 + 5 * (number % 5), seed=number)
            completion: Completion = await policy.generate(talk.request(sampling))
            talk.wrote(completion, sampling)
            if not turn:
                talk.add(Message(role="user", content=f"again, {number}"))
        return talk.records()

    async def all_of_them() -> list[TokenRecord]:
        return [record for records in await asyncio.gather(*map(one, range(count))) for record in records]

    return asyncio.run(all_of_them())


def test_recorded_logprobs_equal_recomputed_ones(make_policy: Make) -> None:
    """The parity that training stands on: fp32, max |Δ| < 1e-4 over lengths, turns, temperatures and company in the batch."""
    policy = make_policy(max_batch=7, prefill_tokens=32)
    records = conversations(policy, 24)
    found = policy.scorer().mismatch(records)
    assert found.tokens == sum(len(record.logprobs) for record in records) > 300
    assert found.unknown == 0
    assert found.maximum < 1e-4
    assert found.ess == pytest.approx(1.0, abs=1e-4)


def test_recorded_logprobs_equal_recomputed_ones_under_an_adapter(make_policy: Make) -> None:
    policy = make_policy(with_adapter(build_model()))
    assert policy.scorer().mismatch(conversations(policy, 8)).maximum < 1e-4


def test_likelihoods_are_sums_over_turns_and_sequences(make_policy: Make) -> None:
    scorer = make_policy().scorer()
    record = TokenRecord(ids=(5, 6, 7, 8, 9), sampled=((1, 3), (4, 5)), logprobs=(-1.0,) * 3, temperatures=(1.0, 1.0, 0.5))
    silent = TokenRecord(ids=(5, 6), sampled=(), logprobs=())
    tokens, nothing = scorer.likelihood([record, silent])
    (turns, _), (whole, none) = (scorer.likelihood([record, silent], level=level) for level in ("turn", "sequence"))
    assert len(nothing) == 0
    assert none.tolist() == [0.0]
    assert turns.tolist() == pytest.approx([tokens[:2].sum().item(), tokens[2].item()])
    assert whole.tolist() == pytest.approx([tokens.sum().item()])


def test_mismatch_counts_what_an_engine_did_not_tell(make_policy: Make) -> None:
    policy = make_policy()
    silent = TokenRecord(ids=(5, 6, 7), sampled=((1, 3),), logprobs=())
    spoken = TokenRecord(ids=(5, 6, 7), sampled=((1, 3),), logprobs=(-1.0, float("nan")))
    found = policy.scorer().mismatch([silent, spoken])
    first = policy.logprobs((5, 6, 7))[0].item()
    assert (found.tokens, found.unknown) == (1, 3)
    assert found.mean == found.maximum == pytest.approx(abs(first + 1.0), abs=1e-5)
    assert found.ess == pytest.approx(1.0)


def test_scores_agree_with_the_engines_own(make_policy: Make) -> None:
    policy = make_policy()
    request = Request(prompt_ids=IDS[2], sampling=Sampling(max_tokens=5))
    completion = asyncio.run(policy.generate(request))
    whole = (*IDS[2], *completion.ids)
    (ours,) = policy.scorer().logprobs([whole])
    assert torch.allclose(ours, policy.logprobs(whole), atol=1e-4)
