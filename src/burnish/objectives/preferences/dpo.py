"""Direct preference optimisation: a classifier of pairs whose logit is the policy's own preference over the reference's.

`nll_sum` and `nll_mean` add the chosen answer's negative log-likelihood, summed or per token, which keeps its probability
from falling along with the rejected one's.
"""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from burnish.objectives.preferences.base import PairBatch, PreferenceLoss, margin


def _dpo(batch: PairBatch, options: Mapping[str, float]) -> Float[Tensor, " pairs"]:
    assert batch.chosen_tokens is not None
    likelihood = options["nll_sum"] * batch.chosen + options["nll_mean"] * batch.chosen / batch.chosen_tokens.clamp(min=1)
    return -logsigmoid(options["beta"] * margin(batch)) - likelihood


dpo = PreferenceLoss(
    name="dpo",
    function=_dpo,
    needs=frozenset({"reference_chosen", "reference_rejected", "chosen_tokens"}),
    formula="-log sigmoid(beta h) - nll_sum l_w - nll_mean l_w / |y_w|, h = (l_w - ref_w) - (l_l - ref_l)",
    source="Rafailov et al., arXiv 2305.18290; formal spec (preference training)",
    defaults={"beta": 0.1, "nll_sum": 0.0, "nll_mean": 0.0},
)
