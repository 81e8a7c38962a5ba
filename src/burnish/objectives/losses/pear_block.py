"""Supervised fine-tuning with the weight `pear_block`."""

from __future__ import annotations

from burnish.objectives.losses._weighted import weighted_nll
from burnish.objectives.weights import pear_block as weight

pear_block = weighted_nll(weight.pear_block)
