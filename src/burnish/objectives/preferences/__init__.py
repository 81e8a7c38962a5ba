"""Losses on judged answers: one module each, defining a `PreferenceLoss` of its own name."""
