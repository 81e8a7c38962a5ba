"""LUSPO: GSPO's loss times the length of the answer, so that long answers are not paid less per token."""

from __future__ import annotations

from dataclasses import replace

from burnish.objectives.losses.gspo import gspo

luspo = replace(gspo, name="luspo", aggregation="seq-mean-token-sum", source="objectives spec, 1.2 (LUSPO)")
