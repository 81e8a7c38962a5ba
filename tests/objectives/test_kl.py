"""KL terms: the numbers of the spec, what each gradient stands for, and what a sum over all tokens would give."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests.objectives.fx import LOG_RATIO, MASK, OLD, REFERENCE_MINUS_OLD, TRL, coefficient, fx_rl, run

from burnish.core.plugins import find
from burnish.objectives.base import TokenBatch

DIFFERENCE = (REFERENCE_MINUS_OLD - LOG_RATIO) * MASK
"""d = reference - logp."""

NUMBERS = {
    "kl_k1": (-0.0420000000, torch.ones_like(MASK)),
    "kl_k1_plus": (-0.0420000000, -DIFFERENCE),
    "kl_k2": (0.0546600000, -DIFFERENCE),
    "kl_k3": (0.0580579350, 1 - DIFFERENCE.exp()),
    "kl_k3_plus": (0.0580579350, -DIFFERENCE),
    "kl_absolute": (0.3020000000, -DIFFERENCE.sign()),
    "kl_k3_corrected": (0.0526647044, LOG_RATIO.exp() * (-DIFFERENCE)),
}
"""Value and dL/dlogp per token. k3 times r: r (1 - e^d) + r (e^d - d - 1) = -d r."""


@pytest.mark.parametrize("name", NUMBERS)
def test_fx_rl(name) -> None:
    value, slope = NUMBERS[name]
    assert run(find("loss", name), fx_rl()).loss == pytest.approx(value, rel=0, abs=1e-10)
    assert torch.allclose(coefficient(find("loss", name), fx_rl()), -slope * MASK, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "total"), [("kl_k3", 0.0171942330), ("kl_k3_corrected", 0.0170644451)])
def test_beside_grpo(name, total) -> None:
    batch = fx_rl(TRL)
    got = run(find("loss", "grpo"), batch).loss + 0.04 * run(find("loss", name), batch, "seq-mean-token-mean").loss
    assert got == pytest.approx(total, rel=0, abs=1e-9)


@pytest.mark.parametrize("name", NUMBERS)
def test_zero_at_the_reference(name) -> None:
    assert run(find("loss", name), replace(fx_rl(), logp=OLD + REFERENCE_MINUS_OLD)).loss == 0


def expected_slope(name: str, logits: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """The exact expectation of a term's gradient with respect to the logits, over the policy's own samples."""
    leaf = logits.clone().requires_grad_()
    logp = leaf.log_softmax(-1)
    ones = torch.ones(1, len(logits), dtype=torch.float64)
    batch = TokenBatch(logp=logp[None], old=logp.detach()[None], mask=ones, reference=reference.log_softmax(-1)[None])
    term = find("loss", name).function(batch, {})[0]
    return torch.autograd.grad((logp.detach().exp() * term).sum(), leaf)[0]


def test_whose_gradient_each_term_has() -> None:
    logits = torch.tensor([0.3, -1.0, 0.8, 0.1], dtype=torch.float64, requires_grad=True)
    reference = torch.tensor([0.0, 0.5, 0.2, -0.7], dtype=torch.float64)
    policy, anchor = logits.log_softmax(-1), reference.log_softmax(-1)
    reverse = torch.autograd.grad((policy.exp() * (policy - anchor)).sum(), logits, retain_graph=True)[0]
    forward = torch.autograd.grad((anchor.exp() * (anchor - policy)).sum(), logits)[0]
    expected = {
        **dict.fromkeys(("kl_k1_plus", "kl_k2", "kl_k3_plus", "kl_k3_corrected"), reverse),
        "kl_k3": forward,
        "kl_k1": torch.zeros(4, dtype=torch.float64),
    }
    for name, slope in expected.items():
        assert torch.allclose(expected_slope(name, logits.detach(), reference), slope, rtol=0, atol=1e-14), name
