"""Identity preference optimisation: the margin is pulled to a fixed size instead of pushed without end.

Log-ratios are means per token, as the authors' experiments have it, so that beta means the same for all lengths.
"""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

from burnish.objectives.preferences.base import PairBatch, PreferenceLoss


def _ipo(batch: PairBatch, options: Mapping[str, float]) -> Float[Tensor, " pairs"]:
    assert batch.reference_chosen is not None
    assert batch.reference_rejected is not None
    assert batch.chosen_tokens is not None
    assert batch.rejected_tokens is not None
    chosen = (batch.chosen - batch.reference_chosen) / batch.chosen_tokens.clamp(min=1)
    rejected = (batch.rejected - batch.reference_rejected) / batch.rejected_tokens.clamp(min=1)
    return (chosen - rejected - 0.5 / options["beta"]) ** 2


ipo = PreferenceLoss(
    name="ipo",
    function=_ipo,
    needs=frozenset({"reference_chosen", "reference_rejected", "chosen_tokens", "rejected_tokens"}),
    formula="(h - 1 / (2 beta))^2, h = (l_w - ref_w) / |y_w| - (l_l - ref_l) / |y_l|",
    source="Azar et al., arXiv 2310.12036",
    defaults={"beta": 0.1},
)
