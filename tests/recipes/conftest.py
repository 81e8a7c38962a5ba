"""Recipes run in the tiny world of `tests.operators`."""

import pytest
from tests.operators import collected, pupil  # noqa: F401


@pytest.fixture(scope="module", autouse=True)
def one_thread_for_all(one_thread):
    """Every test here is of a tiny model."""
