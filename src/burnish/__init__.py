"""Burnish: a language model writes, a real verifier judges, the verdict becomes feedback and training signal."""

__version__ = "0.1.0"
