"""Advantage estimators: one module each, defining a function of its own name."""
