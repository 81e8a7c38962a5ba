"""Supervised fine-tuning with the weight `pear_token`."""

from __future__ import annotations

from burnish.objectives.losses._weighted import weighted_nll
from burnish.objectives.weights import pear_token as weight

pear_token = weighted_nll(weight.pear_token)
