"""Dr. GRPO: the clipped loss, summed over tokens and divided by a constant length, so that no length is favoured."""

from __future__ import annotations

from dataclasses import replace

from burnish.objectives.losses.ppo_clip import ppo_clip

dr_grpo = replace(
    ppo_clip,
    name="dr_grpo",
    aggregation="seq-mean-token-sum-norm",
    source="objectives spec, 1.2 (Dr.GRPO); arXiv 2503.20783; use the advantage `dr_grpo`",
)
