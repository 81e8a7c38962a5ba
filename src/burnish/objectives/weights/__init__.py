"""Off-policy weights: one module per weight, each defining a `Weight` of its own name."""
