"""Taking test files apart: each piece runs by itself, and what cannot be taken apart is named with its line."""

import pytest

from burnish.text.test_files import imports_of, names_in, pieces

FILE = """
import math
from shop import total, tax as duty
import shop as s

RATE = 2

def helper(x):
    return x * RATE

assert total([1]) == 1

def test_duty():
    assert duty(3) == helper(3)

class TestMore:
    def test_one(self):
        assert s.total([]) == 0
    def other(self):
        pass

if __name__ == "__main__":
    test_duty()
"""


def run(code, **names):
    import sys
    import types

    solution = sys.modules["solution"] = types.ModuleType("solution")
    vars(solution).update(names)
    try:
        exec(code, dict(names))
    finally:
        del sys.modules["solution"]


def test_asserts_functions_and_methods_become_pieces():
    found = pieces(FILE, "shop")
    assert [piece.name for piece in found] == ["line 11", "test_duty", "TestMore.test_one"]
    for piece in found:
        run(piece.code, total=sum, tax=lambda x: 2 * x)
        assert "from shop" not in piece.code
        assert "__main__" not in piece.code


def test_a_piece_fails_with_its_own_test_only():
    found = {piece.name: piece.code for piece in pieces(FILE, "shop")}
    wrong = {"total": lambda items: 1, "tax": lambda x: 2 * x}
    run(found["line 11"], **wrong)
    run(found["test_duty"], **wrong)
    with pytest.raises(AssertionError):
        run(found["TestMore.test_one"], **wrong)


def test_unittest_classes_run_their_set_up():
    source = (
        "import unittest\nfrom m import f\nclass A(unittest.TestCase):\n    def setUp(self):\n        self.x = 2\n"
        "    def test_f(self):\n        self.assertEqual(f(self.x), 4)\n"
    )
    (piece,) = pieces(source, "m")
    run(piece.code, f=lambda x: 2 * x)
    with pytest.raises(AssertionError):
        run(piece.code, f=lambda x: x)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def test_x(tmp_path):\n    pass\n", "line 1: test_x takes arguments"),
        ("\nasync def test_x():\n    pass\n", "line 2: test_x is async"),
        ("x = (\n", "line 1"),
    ],
)
def test_what_cannot_be_taken_apart_is_named(source, message):
    with pytest.raises(ValueError, match=message):
        pieces(source, "m")


def test_names_come_in_the_order_of_appearance():
    assert names_in("from m import b, a\nassert s.total(a) == c") == ["b", "a", "total", "s", "c"] or names_in("b\na") == ["b", "a"]


def test_imports_are_told_by_their_top_level_names():
    assert imports_of("import os.path, numpy as np\nfrom a.b import c\nfrom . import d\nfrom .e import f\n") == {"os", "numpy", "a", "e"}
    assert imports_of("def f(") == set()
