"""Supervised fine-tuning with the weight `fait`."""

from __future__ import annotations

from burnish.objectives.losses._weighted import weighted_nll
from burnish.objectives.weights import fait as weight

fait = weighted_nll(weight.fait)
