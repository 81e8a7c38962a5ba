"""Recipes run in the tiny world of `tests.operators`."""

from tests.operators import collected, one_thread, pupil  # noqa: F401
