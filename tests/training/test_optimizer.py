"""The optimiser against torch's own, and what bfloat16 alone would lose."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from burnish.training._optimizer import MasterAdamW, learning_rate
from burnish.training.config import TrainConfig


def parameters(dtype=torch.float32):
    torch.manual_seed(0)
    return {"matrix": nn.Parameter(torch.randn(4, 3).to(dtype)), "vector": nn.Parameter(torch.randn(3).to(dtype))}


def test_float32_is_plain_adamw_with_decay_on_matrices_only() -> None:
    ours, theirs = parameters(), parameters()
    optimizer = MasterAdamW(ours, weight_decay=0.1)
    plain = torch.optim.AdamW(
        [{"params": [theirs["matrix"]], "weight_decay": 0.1}, {"params": [theirs["vector"]], "weight_decay": 0.0}], lr=0.01
    )
    for _ in range(3):
        for group in (ours, theirs):
            sum((parameter**3).sum() for parameter in group.values()).backward()
        optimizer.update(0.01)
        plain.step()
        plain.zero_grad()
    for name in ours:
        assert torch.allclose(ours[name], theirs[name], atol=1e-7)


def test_updates_too_small_for_bfloat16_add_up() -> None:
    parameter = nn.Parameter(torch.ones(1, dtype=torch.bfloat16))  # the next smaller bfloat16 is 1 - 1/256
    optimizer = MasterAdamW({"p": parameter}, weight_decay=0.0)
    for _ in range(20):
        parameter.sum().backward()
        optimizer.update(5e-4)
    assert parameter.item() == pytest.approx(1 - 20 * 5e-4, abs=1 / 256)
    assert parameter.item() < 1


def test_micro_batch_gradients_are_summed_in_float32() -> None:
    parameter = nn.Parameter(torch.ones(1, dtype=torch.bfloat16))
    optimizer = MasterAdamW({"p": parameter}, weight_decay=0.0)
    (256 * parameter).sum().backward()
    for _ in range(8):
        (0.5 * parameter).sum().backward()  # each would vanish beside 256 in bfloat16
    assert optimizer.gradient_norm() == 260.0
    assert parameter.grad is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_parameter_without_gradient_stays(dtype) -> None:
    group = parameters(dtype)
    optimizer = MasterAdamW(group, weight_decay=0.1)
    assert not optimizer.has_gradients
    sum(parameter.float().sum() for parameter in group.values()).backward()
    optimizer.update(0.1)
    before = group["vector"].detach().clone()
    group["matrix"].float().sum().backward()
    assert optimizer.has_gradients
    optimizer.update(0.1)
    assert torch.equal(group["vector"], before)
    assert not optimizer.has_gradients


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_state_goes_over_exactly(dtype) -> None:
    def steps(optimizer, group, count):
        for _ in range(count):
            sum((parameter.float() ** 2).sum() for parameter in group.values()).backward()
            optimizer.update(0.01, scale=0.5)

    straight = parameters(dtype)
    steps(MasterAdamW(straight, 0.1), straight, 4)
    first, second = parameters(dtype), parameters(dtype)
    optimizer = MasterAdamW(first, 0.1)
    steps(optimizer, first, 2)
    state = {name: tensor.clone() for name, tensor in optimizer.state().items()}
    resumed = MasterAdamW(second, 0.1)
    resumed.load(state)
    steps(resumed, second, 2)
    assert all(torch.equal(straight[name], second[name]) for name in straight)


def test_closing_gives_gradients_back_to_the_parameters() -> None:
    group = parameters(torch.bfloat16)
    MasterAdamW(group, 0.0).close()
    group["vector"].float().sum().backward()
    assert group["vector"].grad is not None


def test_schedule() -> None:
    cosine = TrainConfig(learning_rate=1.0, warmup=3)
    rates = [learning_rate(cosine, step, 13) for step in range(13)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[8] == pytest.approx(0.5)
    assert 0 < rates[12] < 0.05
    constant = TrainConfig(learning_rate=1.0, warmup=0, schedule="constant")
    assert [learning_rate(constant, step, 2) for step in range(2)] == [1.0, 1.0]
