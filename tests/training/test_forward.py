"""The model adapter against plain log-softmax over the whole vocabulary."""

from __future__ import annotations

import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM, LlamaModel

from burnish.core.errors import InputError
from burnish.training import _forward
from burnish.training._forward import TokenScorer, token_scores
from burnish.training._rows import Row


def plain(hidden, weight, targets, temperature):
    log_probability = ((hidden @ weight.T).float() / temperature).log_softmax(-1)
    entropy = -(log_probability.exp() * log_probability).sum(-1)
    return log_probability.gather(1, targets[:, None]).squeeze(1), entropy


@pytest.mark.parametrize("temperature", [1.0, 0.6])
@pytest.mark.parametrize("chunk_tokens", [1, 3, 100])
@pytest.mark.parametrize("tokens", [1, 7])
def test_values_and_gradients_are_those_of_log_softmax(monkeypatch, tokens, chunk_tokens, temperature) -> None:
    monkeypatch.setattr(_forward, "CHUNK_ELEMENTS", chunk_tokens * 11)
    torch.manual_seed(0)
    hidden, weight = torch.randn(tokens, 5, requires_grad=True), torch.randn(11, 5, requires_grad=True)
    targets, slopes = torch.randint(11, (tokens,)), torch.randn(2, tokens)
    ours = token_scores(hidden, weight, targets, temperature, True)
    theirs = plain(hidden, weight, targets, temperature)
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.allclose(mine, other, atol=1e-5)
    mine = torch.autograd.grad(sum((s * v).sum() for s, v in zip(slopes, ours, strict=True)), (hidden, weight))
    other = torch.autograd.grad(sum((s * v).sum() for s, v in zip(slopes, theirs, strict=True)), (hidden, weight))
    for a, b in zip(mine, other, strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_nothing_as_large_as_the_logits_is_kept_for_the_backward_pass() -> None:
    sizes = []
    hidden, weight = torch.randn(64, 8, requires_grad=True), torch.randn(1000, 8, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: sizes.append(tensor.numel()) or tensor, lambda tensor: tensor):
        token_scores(hidden, weight, torch.zeros(64, dtype=torch.int64))
    assert max(sizes) == weight.numel()


def test_a_frozen_head_gets_no_gradient() -> None:
    hidden, weight = torch.randn(3, 4, requires_grad=True), torch.randn(9, 4)
    logp, _ = token_scores(hidden, weight, torch.tensor([1, 2, 3]))
    logp.sum().backward()
    assert weight.grad is None
    assert hidden.grad is not None


ROWS = [
    Row(id="a", ids=(3, 9, 8, 1, 4, 7, 7, 1), positions=(5, 6, 7)),
    Row(id="b", ids=(3, 5, 4, 6), positions=(3,)),
    Row(id="c", ids=(3, 5, 1, 4, 9, 9, 1, 3, 8, 1, 4, 12, 1), positions=(4, 5, 6, 11, 12)),  # two sampled turns
    Row(id="d", ids=(3, 5, 1, 4, 9, 1, 3, 8, 8), positions=(1, 2)),  # nothing to learn at its end
]


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_scores_are_those_of_the_whole_model(make_policy, temperature) -> None:
    model = make_policy().model
    scores = TokenScorer(model)(ROWS, temperature=temperature, entropy=True)
    assert scores["logp"].shape == scores["entropy"].shape == (4, 5)
    for number, row in enumerate(ROWS):
        logits = model(input_ids=torch.tensor([row.ids])).logits[0].float() / temperature
        count = len(row.positions)
        for index, position in enumerate(row.positions):
            log_probability = logits[position - 1].log_softmax(-1)
            assert scores["logp"][number, index].item() == pytest.approx(log_probability[row.ids[position]].item(), abs=1e-5)
            entropy = -(log_probability.exp() * log_probability).sum()
            assert scores["entropy"][number, index].item() == pytest.approx(entropy.item(), abs=1e-5)
        assert (scores["logp"][number, count:] == 0).all()


def test_company_in_the_batch_does_not_matter(make_policy) -> None:
    score = TokenScorer(make_policy().model)
    together = score(ROWS)["logp"]
    for number, row in enumerate(ROWS):
        assert torch.allclose(score([row])["logp"][0], together[number, : len(row.positions)], atol=1e-6)


def test_agrees_with_what_the_engine_recomputes(make_policy) -> None:
    policy = make_policy()
    row = ROWS[2]
    recomputed = policy.logprobs(row.ids)
    ours = TokenScorer(policy.model)([row])["logp"][0]
    assert torch.allclose(ours, recomputed[[position - 1 for position in row.positions]], atol=1e-5)


def test_a_model_that_caps_its_logits_is_refused() -> None:
    config = Gemma2Config(
        vocab_size=20, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=8
    )
    with pytest.raises(InputError, match="Gemma2ForCausalLM changes its logits"):
        TokenScorer(Gemma2ForCausalLM(config))


def test_a_model_without_an_output_head_is_refused(make_policy) -> None:
    with pytest.raises(InputError, match="not a causal language model"):
        TokenScorer(LlamaModel(make_policy().model.config))
