"""Chunked log-softmax, entropy and KL against plain ones over the whole vocabulary: values and gradients."""

from __future__ import annotations

import pytest
import torch

from burnish.models import _vocabulary
from burnish.models._vocabulary import divergences, token_scores


def plain_scores(hidden, weight, targets, temperature):
    log_probability = ((hidden @ weight.T).float() / temperature).log_softmax(-1)
    entropy = -(log_probability.exp() * log_probability).sum(-1)
    return log_probability.gather(1, targets[:, None]).squeeze(1), entropy


def plain_divergences(hidden, weight, other, other_weight, temperature):
    p, q = ((h @ w.T / temperature).log_softmax(-1) for h, w in ((hidden, weight), (other, other_weight)))
    return (q.exp() * (q - p)).sum(-1), (p.exp() * (p - q)).sum(-1)


def assert_same_with_gradients(ours, theirs, inputs) -> None:
    slopes = torch.randn(2, len(ours[0]))
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.allclose(mine, other, atol=1e-5)
    mine, other = (torch.autograd.grad(sum((s * v).sum() for s, v in zip(slopes, found, strict=True)), inputs) for found in (ours, theirs))
    for a, b in zip(mine, other, strict=True):
        assert torch.allclose(a, b, atol=1e-5)


@pytest.fixture(params=[1, 3, 100])
def chunk_tokens(request, monkeypatch) -> None:
    monkeypatch.setattr(_vocabulary, "CHUNK_ELEMENTS", request.param * 11)


@pytest.mark.usefixtures("chunk_tokens")
@pytest.mark.parametrize("temperature", [1.0, 0.6, "each"])
@pytest.mark.parametrize("tokens", [1, 7])
def test_values_and_gradients_are_those_of_log_softmax(tokens, temperature) -> None:
    torch.manual_seed(0)
    hidden, weight = torch.randn(tokens, 5, requires_grad=True), torch.randn(11, 5, requires_grad=True)
    targets = torch.randint(11, (tokens,))
    heat = torch.rand(tokens) + 0.3 if temperature == "each" else temperature
    ours = token_scores(hidden, weight, targets, heat, True)
    theirs = plain_scores(hidden, weight, targets, heat[:, None] if temperature == "each" else heat)
    assert_same_with_gradients(ours, theirs, (hidden, weight))


@pytest.mark.usefixtures("chunk_tokens")
@pytest.mark.parametrize("temperature", [1.0, 0.6])
@pytest.mark.parametrize("tokens", [1, 7])
def test_divergences_are_those_of_whole_distributions(tokens, temperature) -> None:
    torch.manual_seed(0)
    hidden, weight = torch.randn(tokens, 5, requires_grad=True), torch.randn(11, 5, requires_grad=True)
    other, other_weight = torch.randn(tokens, 3, requires_grad=True), torch.randn(11, 3)
    ours = divergences(hidden, weight, other, other_weight, temperature)
    theirs = plain_divergences(hidden, weight, other.detach(), other_weight, temperature)
    assert_same_with_gradients(ours, theirs, (hidden, weight))
    assert all((found > 0).all() for found in ours)
    assert torch.autograd.grad(ours[0].sum(), other, allow_unused=True) == (None,)


def test_a_policy_does_not_diverge_from_itself() -> None:
    hidden, weight = torch.randn(4, 5), torch.randn(11, 5)
    forward, reverse = divergences(hidden, weight, hidden, weight)
    assert forward.tolist() == reverse.tolist() == [0.0] * 4


def test_nothing_as_large_as_the_logits_is_kept_for_the_backward_pass() -> None:
    sizes = []
    hidden, weight = torch.randn(64, 8, requires_grad=True), torch.randn(1000, 8, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: sizes.append(tensor.numel()) or tensor, lambda tensor: tensor):
        token_scores(hidden, weight, torch.zeros(64, dtype=torch.int64))
        divergences(hidden, weight, hidden, weight)
    assert max(sizes) == weight.numel()


def test_a_frozen_head_gets_no_gradient() -> None:
    hidden, weight = torch.randn(3, 4, requires_grad=True), torch.randn(9, 4)
    (token_scores(hidden, weight, torch.tensor([1, 2, 3]))[0].sum() + divergences(hidden, weight, hidden + 1, weight)[1].sum()).backward()
    assert weight.grad is None
    assert hidden.grad is not None
