"""The benchmark of LeDex runs in the tiny world of `tests.operators`."""

from tests.operators import collected, pupil  # noqa: F401
