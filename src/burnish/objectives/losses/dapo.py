"""DAPO: the clipped loss with a higher upper limit, so that rare tokens can grow, and a mean over all tokens of the step."""

from __future__ import annotations

from dataclasses import replace

from burnish.objectives.losses.ppo_clip import ppo_clip

dapo = replace(
    ppo_clip,
    name="dapo",
    defaults={"epsilon_low": 0.2, "epsilon_high": 0.28},
    source="objectives spec, 1.2 (DAPO, VAPO policy); arXiv 2503.14476",
)
