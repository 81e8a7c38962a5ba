"""A program, wrong variants of it, and a test file that catches them all."""

RIGHT = "def grade(points):\n    if points < 0:\n        raise ValueError('negative')\n    return 'pass' if points >= 50 else 'fail'\n"
MUTANTS = [
    RIGHT.replace(">=", ">"),
    RIGHT.replace("50", "60"),
    RIGHT.replace("points < 0", "points < -1"),
    RIGHT.replace("'pass'", "'Pass'"),
]
GOOD = """
import pytest
from solution import grade

@pytest.fixture
def limit():
    return 50

@pytest.mark.parametrize(("points", "due"), [(0, "fail"), (49, "fail"), (50, "pass"), (100, "pass")])
def test_grades(points, due):
    assert grade(points) == due

def test_limit(limit):
    assert grade(limit) == "pass"

class TestNegative:
    def test_raises(self):
        with pytest.raises(ValueError, match="negative"):
            grade(-1)
"""
CALL_ALL = "[grade(points) for points in range(0, 100)]"
"""Makes every mutant answer otherwise than the right program, without looking at the answers."""
