"""GRPO: the clipped loss, a mean over each answer and then over the answers (long answers weigh less per token)."""

from __future__ import annotations

from dataclasses import replace

from burnish.objectives.losses.ppo_clip import ppo_clip

grpo = replace(
    ppo_clip,
    name="grpo",
    aggregation="seq-mean-token-mean",
    source="objectives spec, 1.2 (GRPO); DeepSeekMath, arXiv 2402.03300",
)
