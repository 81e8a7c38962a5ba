"""PEAR, block form (the published setting): one weight per block of tokens, from the ratios after the block."""

from __future__ import annotations

from burnish.objectives.base import Weight
from burnish.objectives.weights._pear import CLIP, block_weight

pear_block = Weight(
    name="pear_block",
    function=block_weight,
    needs=frozenset({"rollout"}),
    formula="exp(clip(log G_t, -10, 5)), log G_t = (T - e) log gamma + sum_{j > e} delta_j, e = last token of the block of t",
    source="objectives spec, 2 (PEAR; arXiv 2602.01058)",
    defaults={**CLIP, "gamma": 0.999, "block": 4.0},
)
