"""Weights of tokens: one module per weight, each defining a `Weight` of its own name."""
