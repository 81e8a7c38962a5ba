"""The model adapter against plain log-softmax over the whole vocabulary."""

from __future__ import annotations

import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM, LlamaModel

from burnish.core.errors import InputError
from burnish.training._forward import TokenScorer
from burnish.training._rows import Row

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
