"""Loss of a reward model: the chosen answer must score higher, and more so where it is much better.

`chosen` and `rejected` are the model's scores. With a `strength` this is scaled Bradley–Terry; without, it is the plain one.
"""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from burnish.objectives.preferences.base import PairBatch, PreferenceLoss


def _bradley_terry(batch: PairBatch, options: Mapping[str, float]) -> Float[Tensor, " pairs"]:
    difference = batch.chosen - batch.rejected
    loss = -logsigmoid(difference) if batch.strength is None else -batch.strength * logsigmoid(difference)
    return loss + options["center"] * (batch.chosen + batch.rejected) ** 2


bradley_terry = PreferenceLoss(
    name="bradley_terry",
    function=_bradley_terry,
    scores=True,
    formula="-strength log sigmoid(r_w - r_l) + center (r_w + r_l)^2",
    source="code and debugging spec, RewardRanker (arXiv 2504.09643); medical spec, WiNGPT-3.0 (arXiv 2505.17387)",
    defaults={"center": 0.0},
)
