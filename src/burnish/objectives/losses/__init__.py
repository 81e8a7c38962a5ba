"""Losses: one module per loss, each defining a `Loss` of its own name."""
