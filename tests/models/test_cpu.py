"""Packed products: the ordinary ones, in bfloat16 to the bit, and never stale."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from burnish.models._cpu import PackedLinear, can_pack, multiplies_bfloat16

pytestmark = pytest.mark.skipif(not can_pack(), reason="this torch has no packed products")
DTYPES = [
    torch.float32,
    pytest.param(torch.bfloat16, marks=pytest.mark.skipif(not multiplies_bfloat16(), reason="this CPU does not multiply bfloat16")),
]


def same(got: torch.Tensor, expected: torch.Tensor) -> bool:
    return torch.equal(got, expected) if got.dtype is torch.bfloat16 else torch.allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 64), (7, 64), (2, 3, 64), (0, 64)])
@pytest.mark.parametrize("bias", [True, False])
def test_equal(shape: tuple[int, ...], bias: bool, dtype: torch.dtype) -> None:
    layer = torch.nn.Linear(64, 48, bias=bias).to(dtype)
    data = torch.randn(shape).to(dtype)
    with torch.inference_mode():
        expected = layer(data)
        with PackedLinear() as packed:
            assert same(layer(data), expected)
        assert len(packed._packed) == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_written_in_place_are_seen(dtype: torch.dtype) -> None:
    layer, data = torch.nn.Linear(64, 48).to(dtype), torch.randn(5, 64).to(dtype)
    packed = PackedLinear()
    with torch.no_grad():
        with packed:
            before = layer(data)
        layer.weight.mul_(2)
        with packed:
            after = layer(data)
        assert same(after, F.linear(data, layer.weight, layer.bias))
        assert not same(after, before)
        layer.weight.data.zero_()  # past torch's bookkeeping: `clear` is for this
        packed.clear()
        with packed:
            assert torch.equal(layer(data), layer.bias.expand(5, -1))


def test_passing_tensors_are_not_kept() -> None:
    with torch.no_grad(), PackedLinear() as packed:
        F.linear(torch.ones(1, 8), torch.ones(8, 8))
    assert packed._packed == {}


def test_other_types_pass_untouched() -> None:
    layer, data = torch.nn.Linear(8, 8).double(), torch.randn(2, 8).double()
    with PackedLinear() as packed:
        assert torch.equal(layer(data), F.linear(data, layer.weight, layer.bias))
    assert packed._packed == {}
