"""Packed products: bitwise the ordinary ones, and never stale."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from burnish.models._cpu import PackedLinear, multiplies_bfloat16

pytestmark = pytest.mark.skipif(not multiplies_bfloat16(), reason="this CPU does not multiply bfloat16")


@pytest.mark.parametrize("shape", [(1, 64), (7, 64), (2, 3, 64), (0, 64)])
@pytest.mark.parametrize("bias", [True, False])
def test_bitwise_equal(shape: tuple[int, ...], bias: bool) -> None:
    layer = torch.nn.Linear(64, 48, bias=bias).bfloat16()
    data = torch.randn(shape).bfloat16()
    with torch.inference_mode():
        expected = layer(data)
        with PackedLinear() as packed:
            assert torch.equal(layer(data), expected)
        assert len(packed._packed) == 1


def test_weights_written_in_place_are_seen() -> None:
    layer, data = torch.nn.Linear(64, 48).bfloat16(), torch.randn(5, 64).bfloat16()
    packed = PackedLinear()
    with torch.no_grad():
        with packed:
            before = layer(data)
        layer.weight.mul_(2)
        with packed:
            after = layer(data)
        assert torch.equal(after, F.linear(data, layer.weight, layer.bias))
        assert not torch.equal(after, before)
        layer.weight.data.zero_()  # past torch's bookkeeping: `clear` is for this
        packed.clear()
        with packed:
            assert torch.equal(layer(data), layer.bias.expand(5, -1))


def test_passing_tensors_are_not_kept() -> None:
    with torch.no_grad(), PackedLinear() as packed:
        F.linear(torch.ones(1, 8).bfloat16(), torch.ones(8, 8).bfloat16())
    assert packed._packed == {}


def test_other_types_pass_untouched() -> None:
    layer, data = torch.nn.Linear(8, 8), torch.randn(2, 8)
    with PackedLinear() as packed:
        assert torch.equal(layer(data), F.linear(data, layer.weight, layer.bias))
    assert packed._packed == {}
