"""Supervised fine-tuning with the weight `pear_sequence`."""

from __future__ import annotations

from burnish.objectives.losses._weighted import weighted_nll
from burnish.objectives.weights import pear_sequence as weight

pear_sequence = weighted_nll(weight.pear_sequence)
