"""Scalar heads: what they read, that they learn, and that they are found again."""

from __future__ import annotations

import pytest
import torch

from burnish.core.errors import InputError
from burnish.models.scores import ProcessRewardModel, RewardModel, ScalarHead, ValueModel

from .conftest import build_model

IDS = [(5, 6, 7, 8), (9, 10), (11, 12, 13)]


def random_head(width: int = 32) -> ScalarHead:
    torch.manual_seed(3)
    head = ScalarHead(width)
    torch.nn.init.normal_(head.weight)
    torch.nn.init.normal_(head.bias)
    return head


def plain(model, head: ScalarHead, ids, place: int) -> float:
    with torch.no_grad():
        hidden = model.model(input_ids=torch.tensor([ids])).last_hidden_state[0, place]
        return (hidden @ head.weight + head.bias).item()


def test_each_head_reads_its_own_places() -> None:
    model, head = build_model(), random_head()
    rewards = RewardModel(model, head)(IDS)
    assert rewards.tolist() == pytest.approx([plain(model, head, ids, -1) for ids in IDS], abs=1e-4)
    steps = ProcessRewardModel(model, head)(IDS, [[1, 3], [], [2]])
    assert [step.tolist() for step in steps] == [
        pytest.approx([plain(model, head, IDS[0], place) for place in (1, 3)], abs=1e-4),
        [],
        pytest.approx([plain(model, head, IDS[2], 2)], abs=1e-4),
    ]
    values = ValueModel(model, head)(IDS, [[2, 3], [1], []])
    assert values[0].tolist() == pytest.approx([plain(model, head, IDS[0], place) for place in (1, 2)], abs=1e-4)
    assert values[1].tolist() == pytest.approx([plain(model, head, IDS[1], 0)], abs=1e-4)


def test_a_value_does_not_know_the_token_that_it_is_for() -> None:
    model = ValueModel(build_model(), random_head())
    first, second = model([(5, 6, 7), (5, 6, 99)], [[2], [2]])
    assert first.item() == pytest.approx(second.item(), abs=1e-5)


def test_a_fresh_head_says_nothing() -> None:
    assert RewardModel(build_model())(IDS).tolist() == [0.0, 0.0, 0.0]
    assert RewardModel(build_model())([]).tolist() == []


@pytest.mark.parametrize("frozen", [True, False])
def test_a_reward_model_learns_to_order_pairs(frozen: bool) -> None:
    """Bradley-Terry by hand: -log sigmoid(r(good) - r(bad)); good answers end in token 8."""
    model = build_model().requires_grad_(not frozen)
    reward = RewardModel(model)
    good, bad = [(5, n, 8) for n in range(20, 28)], [(5, n, 9) for n in range(20, 28)]
    parameters = [*reward.head.parameters(), *(parameter for parameter in model.parameters() if parameter.requires_grad)]
    optimizer = torch.optim.Adam(parameters, lr=3e-2 if frozen else 3e-3)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = -torch.nn.functional.logsigmoid(reward(good) - reward(bad)).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(0.6931, abs=1e-3)
    assert losses[-1] < 0.1
    assert (reward([(5, 50, 8)]) > reward([(5, 50, 9)])).item()
    assert all((parameter.grad is None) == frozen for parameter in model.model.layers[0].parameters())


@pytest.mark.parametrize("kind", [RewardModel, ProcessRewardModel, ValueModel])
def test_a_head_is_found_again(tmp_path, kind) -> None:
    model, head = build_model(), random_head()
    kind(model, head).save(tmp_path / "checkpoint")
    again = kind.load(model, tmp_path / "checkpoint")
    assert torch.equal(again.head.weight, head.weight)
    assert torch.equal(again.head.bias, head.bias)


def test_a_head_of_another_kind_or_size_or_none_at_all(tmp_path) -> None:
    model = build_model()
    with pytest.raises(InputError, match=r"is not a scalar head.*save\(folder\)"):
        RewardModel.load(model, tmp_path)
    (tmp_path / "scalar_head.safetensors").write_bytes(b"junk")
    with pytest.raises(InputError, match="is not a scalar head"):
        RewardModel.load(model, tmp_path)
    RewardModel(model).save(tmp_path)
    with pytest.raises(InputError, match="is a reward head, not a value head"):
        ValueModel.load(model, tmp_path)
    with pytest.raises(InputError, match="hidden states of size 16, but the model's have 32"):
        RewardModel(model, ScalarHead(16))


@pytest.mark.parametrize("ends", [[[4]], [[-1]], [[2, 1]], [[1, 1]]])
def test_places_outside_a_sequence_are_refused(ends) -> None:
    with pytest.raises(InputError, match="of sequence 0 must ascend within its 4 tokens"):
        ProcessRewardModel(build_model())(IDS[:1], ends)


def test_what_has_no_number() -> None:
    with pytest.raises(InputError, match="empty sequence has no reward"):
        RewardModel(build_model())([()])
    with pytest.raises(InputError, match="no state before it"):
        ValueModel(build_model())(IDS[:1], [[0]])
