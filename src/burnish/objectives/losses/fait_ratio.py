"""Supervised fine-tuning with the weight `fait_ratio`."""

from __future__ import annotations

from burnish.objectives.losses._weighted import weighted_nll
from burnish.objectives.weights import fait_ratio as weight

fait_ratio = weighted_nll(weight.fait_ratio)
