"""What is read off a test file before it runs."""

import ast

import pytest

from burnish.sandbox.inside.source import assertions, free_names


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("assert True", 0),
        ("assert not []", 0),
        ("assert 'a'.upper() == 'A'", 0),
        ("assert f(1) == f(1)", 0),
        ("assert f(1) == f(2)", 1),
        ("assert (f(1) == 2, 'why')", 0),
        ("assert f(1) == 2, 'why'", 1),
        ("assert f(1) or True", 0),
        ("assert f(1) and True", 1),
        ("assert f(1)\nassert f(2)", 2),
        ("self.assertEqual(f(1), 2)", 1),
        ("with pytest.raises(ValueError): f(1)", 1),
        ("if f(1): raise AssertionError", 1),
        ("raises = 1\nf(1)", 0),
    ],
)
def test_assertions(text, count):
    assert assertions(ast.parse(text)) == count


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", set()),
        ("assert f(1) == g", {"f", "g"}),
        ("from solution import f\nf(1)", set()),
        ("import a.b as c, d.e\nc, d, e", {"e"}),
        ("def f(x, *y, z=w, **v): return x, y, z, v", {"w"}),
        ("class A: pass\nA(), len([]), __name__", set()),
        ("try: pass\nexcept ValueError as e: e", set()),
        ("[x for x in xs]", {"xs"}),
        ("match m:\n    case [a, *b] | {'k': a, **b}: a, b", {"m"}),
        ("global g\ng = 1\ng", set()),
        ("(n := 1), n", set()),
    ],
)
def test_free_names(text, names):
    assert free_names(ast.parse(text)) == names
