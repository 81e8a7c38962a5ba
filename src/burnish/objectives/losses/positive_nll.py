"""Negative log-likelihood of the correct answers only, with their own denominator: the extra term of VAPO and Klear (0.1)."""

from __future__ import annotations

from dataclasses import replace

from burnish.objectives.losses.nll import nll

positive_nll = replace(
    nll,
    name="positive_nll",
    needs=frozenset({"correct"}),
    formula="-logp, counted over the correct sequences only",
    source="objectives spec, 1.2 (VAPO + positive-LM; arXiv 2504.05118), 2 (GPPO; arXiv 2508.07629)",
    counts="correct",
)
