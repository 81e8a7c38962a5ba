"""KTO: answers judged one by one, each worth its log-ratio against the policy's average drift from the reference."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from burnish.objectives.preferences.base import JudgedBatch, PreferenceLoss


def _kto(batch: JudgedBatch, options: Mapping[str, float]) -> Float[Tensor, " batch"]:
    gain = options["beta"] * (batch.logp - batch.reference - batch.divergence)
    good, bad = options["desirable"] * (-gain).sigmoid(), options["undesirable"] * gain.sigmoid()
    return torch.where(batch.desirable, good, bad)


kto = PreferenceLoss(
    name="kto",
    function=_kto,
    batch=JudgedBatch,
    formula="desirable (1 - sigmoid(g)) or undesirable (1 - sigmoid(-g)), g = beta (l - ref - divergence)",
    source="Ethayarajh et al., arXiv 2402.01306",
    defaults={"beta": 0.1, "desirable": 1.0, "undesirable": 1.0},
)
