"""Advantage estimators: one module each, defining an `Advantage` of its own name."""
