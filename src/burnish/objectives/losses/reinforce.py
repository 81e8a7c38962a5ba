"""REINFORCE over whole answers, as RLOO was published: the plain policy gradient, summed over each answer's tokens."""

from __future__ import annotations

from dataclasses import replace

from burnish.objectives.losses.policy_gradient import policy_gradient

reinforce = replace(
    policy_gradient,
    name="reinforce",
    aggregation="seq-mean-token-sum",
    source="objectives spec, 1.2 (RLOO, REINFORCE form); arXiv 2402.14740",
)
