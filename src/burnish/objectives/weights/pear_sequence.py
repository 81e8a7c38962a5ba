"""PEAR, sequence form: every token of a sequence is weighted by the product of all its ratios."""

from __future__ import annotations

from burnish.objectives.base import Weight
from burnish.objectives.weights._pear import CLIP, sequence_weight

pear_sequence = Weight(
    name="pear_sequence",
    function=sequence_weight,
    needs=frozenset({"rollout"}),
    formula="exp(clip(log G, -10, 5)), log G = sum_j delta_j, delta = clip(logp - rollout)",
    source="objectives spec, 2 (PEAR; arXiv 2602.01058)",
    defaults=CLIP,
)
