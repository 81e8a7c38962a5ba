"""Inputs: what the model reads instead of the plain tokens of an example, and where the loss looks. One plug-in per module."""
