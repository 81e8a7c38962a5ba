"""Packed products: the ordinary ones, never stale, and out of the way of training."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from burnish.models._cpu import FLOAT32_ROWS, PackedWeights, multiplies_bfloat16, packs

DTYPES = [torch.float32, pytest.param(torch.bfloat16, marks=pytest.mark.skipif(not multiplies_bfloat16(), reason="no bfloat16 here"))]
pytestmark = pytest.mark.skipif(not packs(torch.device("cpu"), torch.float32), reason="this torch has no oneDNN")


def layer_of(dtype: torch.dtype, bias: bool = True) -> nn.Sequential:
    return nn.Sequential(nn.Linear(64, FLOAT32_ROWS, bias=bias).to(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 64), (7, 64), (2, 3, 64), (0, 64)])
@pytest.mark.parametrize("bias", [True, False])
def test_products_are_the_ordinary_ones(dtype: torch.dtype, shape: tuple[int, ...], bias: bool) -> None:
    model, data, packed = layer_of(dtype, bias), torch.randn(shape).to(dtype), PackedWeights()
    with torch.inference_mode():
        expected = model(data)
        with packed.used_by(model):
            found = model(data)
    assert len(packed._packed) == 1
    assert torch.equal(found, expected) if dtype is torch.bfloat16 else torch.allclose(found, expected, atol=1e-6)


def test_weights_written_in_place_are_seen() -> None:
    model, data, packed = layer_of(torch.float32), torch.randn(5, 64), PackedWeights()
    with torch.no_grad():
        with packed.used_by(model):
            before = model(data)
        model[0].weight.mul_(2)
        with packed.used_by(model):
            after = model(data)
        assert torch.allclose(after, F.linear(data, model[0].weight, model[0].bias), atol=1e-6)
        assert not torch.allclose(after, before)
        model[0].weight.data.zero_()  # past torch's bookkeeping: `clear` is for this
        packed.clear()
        with packed.used_by(model):
            assert torch.equal(model(data), model[0].bias.expand(5, -1))


def test_gradients_flow_and_the_layer_is_left_as_it_was() -> None:
    model, packed = layer_of(torch.float32), PackedWeights()
    with packed.used_by(model):
        model(torch.ones(2, 64)).sum().backward()
    assert torch.equal(model[0].weight.grad, torch.full_like(model[0].weight, 2.0))
    assert "forward" not in model[0].__dict__
    assert "forward" not in copy.deepcopy(model)[0].__dict__


def test_layers_that_are_not_plain_keep_their_own_forward() -> None:
    class Own(nn.Linear):
        def forward(self, data: torch.Tensor) -> torch.Tensor:
            return super().forward(data) + 1

    hooked = nn.Linear(64, FLOAT32_ROWS)
    hooked.forward = lambda data: data  # as accelerate's hooks do
    model, packed = nn.Sequential(Own(64, FLOAT32_ROWS), nn.Linear(FLOAT32_ROWS, 8), hooked), PackedWeights()
    with torch.no_grad(), packed.used_by(model):
        assert torch.equal(hooked(torch.ones(1)), torch.ones(1))
    assert packed._packed == {}
    assert "forward" in hooked.__dict__
