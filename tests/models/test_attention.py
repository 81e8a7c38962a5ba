"""Attention that gives its normaliser: each way to compute it against the formula in float64."""

import pytest
import torch

from burnish.models._attention import _by_products, _grouped

COLUMNS = (1, 100, 600, 777)
"""How many columns the rows see; the kernel takes 512 at once."""


@pytest.mark.parametrize("attend", [_grouped, _by_products])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("first", [0, 520])
def test_attention_and_its_normaliser(attend, kind: torch.dtype, first: int) -> None:
    random = torch.Generator().manual_seed(0)
    query, keys, values = (torch.randn(4, 3, size, 16, generator=random).to(kind) for size in (2, 900, 900))
    keys, values = keys[:, :, :777], values[:, :, :777]  # parts of a bank
    mask = torch.zeros(4, 1, 1, 777)
    for row, seen in enumerate(COLUMNS):
        mask[row, ..., seen:] = -torch.inf
        mask[row, ..., : min(first, seen - 1)] = torch.finfo(kind).min  # as sliding windows hide
    output, norm = attend(query, keys, values, mask.to(kind), 0.25)
    scores = query.double() @ keys.double().transpose(2, 3) * 0.25 + mask.double()
    rough = kind is torch.bfloat16
    torch.testing.assert_close(norm.double(), scores.logsumexp(-1), atol=2e-2 if rough else 1e-5, rtol=0)
    torch.testing.assert_close(output.double(), scores.softmax(-1) @ values.double(), atol=3e-2 if rough else 1e-5, rtol=0)
    assert (norm.dtype, output.dtype) == (torch.float32, kind)
