"""Laws that hold for every source (valid, different, distinct, deterministic) and, by example, each fault that is made."""

import ast
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.core.errors import InputError
from burnish.text.mutate import mutants


def sources(source, limit=1000, seed=0):
    return {mutant.source for mutant in mutants(source, limit=limit, seed=seed)}


def lines(body):
    """What the single line `body` of a function becomes."""
    return {source.split("\n")[1].strip() for source in sources(f"def f(a, b, n):\n    {body}\n")}


atoms = st.sampled_from(["a", "b", "xs", "0", "1", "-2", "2.5", "True", "None", "''", "'é\"'", "xs[0]", "xs[1:n]", "[]"])
expressions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "//", "%", "**", "and", "or"]), inner),
        st.builds("{} {} {}".format, atoms, st.sampled_from(["<", "<=", "==", "!=", "in", "is not"]), atoms),
        st.builds("(not {})".format, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("{}({}, {})".format, st.sampled_from(["max", "f", "range"]), inner, inner),
        st.builds("[{} for x in {} if {}]".format, inner, inner, inner),
        st.builds("{{{}: {}, 'k': {}}}".format, inner, inner, inner),
    ),
    max_leaves=8,
)
statements = st.recursive(
    st.one_of(
        st.builds("return {}\n".format, expressions), st.builds("y = {}\n".format, expressions), st.builds("y += {}\n".format, expressions)
    ),
    lambda inner: st.one_of(
        st.builds(lambda test, body: f"if {test}:\n{indented(body)}", expressions, inner),
        st.builds(
            lambda test, body, other: f"if a:\n  y\nelif {test}:\n{indented(body)}else:\n{indented(other)}", expressions, inner, inner
        ),
        st.builds(lambda items, body: f"for x in {items}:\n{indented(body)}", expressions, inner),
    ),
    max_leaves=4,
)


def indented(text):
    return "".join(f"    {line}\n" for line in text.splitlines())


@settings(max_examples=60, deadline=None)
@given(statements, st.integers(0, 3))
def test_every_mutant_is_valid_different_and_distinct(body, seed):
    source = f"def f(a, b, xs, n):\n    '''Doc 1.'''\n{indented(body)}"
    found = mutants(source, limit=40, seed=seed)
    trees = [ast.dump(ast.parse(mutant.source)) for mutant in found]
    assert ast.dump(ast.parse(source)) not in trees
    assert len(set(trees)) == len(trees)
    assert all(mutant.description and mutant.source.startswith("def f(a, b, xs, n):\n    '''Doc 1.'''\n") for mutant in found)
    assert found == mutants(source, limit=40, seed=seed)


@settings(max_examples=30, deadline=None)
@given(statements, st.integers(0, 12))
def test_limit_is_kept_and_smaller_limits_take_a_part_in_source_order(body, limit):
    source = f"def f(a, b, xs, n):\n{indented(body)}"
    whole, part = mutants(source, limit=10_000, seed=5), mutants(source, limit=limit, seed=5)
    assert len(part) == min(limit, len(whole))
    assert part == [mutant for mutant in whole if mutant in part]


def test_nothing_to_mutate():
    assert mutants("", limit=9, seed=0) == []
    assert mutants("'''Only a docstring.'''\nimport math\n", limit=9, seed=0) == []
    assert mutants("def f(a):\n    return a + 1\n", limit=0, seed=0) == []


def test_seeds_choose_different_mutants():
    source = "def f(a, b):\n    return (a + b * 3 - 4) // 5 + max(a, b) - 7\n"
    assert len({frozenset(sources(source, limit=3, seed=seed)) for seed in range(8)}) > 1


@pytest.mark.parametrize(
    ("source", "message"),
    [("def f(:", "not valid Python"), ("\0", "not valid Python"), ("-" * 100_000 + "1", "nested"), ("1" + "+1" * 3000, "nested")],
)
def test_unusable_source_is_refused_with_a_reason(source, message):
    with pytest.raises(InputError, match=message):
        mutants(source, limit=1, seed=0)


def test_negative_limit_is_refused():
    with pytest.raises(InputError, match="limit is -1"):
        mutants("x = 1", limit=-1, seed=0)


def test_source_with_a_doubtful_escape_gives_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert mutants("x = '\\d' + y\n", limit=99, seed=0)


def test_the_whole_set_for_a_small_function():
    assert lines("return a + b") == {"return a - b", "return a", "return b", "return None"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return a - b", "return a + b"),
        ("return a * b", "return a + b"),
        ("return a // b", "return a / b"),
        ("return a % b", "return a // b"),
        ("return a ** b", "return a * b"),
        ("return a < b", "return a <= b"),
        ("return a < b", "return a >= b"),
        ("return a == b", "return a != b"),
        ("return a in b", "return a not in b"),
        ("return a is None", "return a is not None"),
        ("return 0 <= a < n", "return 0 <= a <= n"),
        ("return a and b", "return a or b"),
        ("return not a", "return a"),
        ("return True", "return False"),
        ("return 5", "return 6"),
        ("return 5", "return 4"),
        ("return 'x'", "return ''"),
        ("return ''", "return ' '"),
        ("return a[:n]", "return a[:n + 1]"),
        ("return a[n:]", "return a[n - 1:]"),
        ("return a[1:]", "return a[2:]"),
        ("return range(n)", "return range(n + 1)"),
        ("return range(a, n)", "return range(a, n - 1)"),
        ("return min(a)", "return max(a)"),
        ("return a.upper()", "return a.lower()"),
        ("return a.upper()", "return a"),
        ("return abs(a)", "return a"),
        ("return sorted(a)", "return a"),
        ("return f(a, b)", "return f(b, a)"),
        ("return [x for x in a if x]", "return [x for x in a]"),
        ("return a, b", "return (b, a)"),
        ("return {**a, **b}", "return {**a}"),
        ("a.append(b)", "pass"),
        ("a += b", "pass"),
        ("a += b", "a -= b"),
        ("if a: return b", "if not a: return b"),
        ("if a: return b", "pass"),
        ("while a: break", "while a: continue"),
        ("return (a + b) * n", "return (a - b) * n"),
        ("return a * b - n", "return a + b - n"),
        ("return n - a * b", "return n - (a + b)"),
    ],
)
def test_faults(body, expected):
    assert expected in lines(body)


@pytest.mark.parametrize(
    ("body", "equivalent", "wrong"),
    [
        ("if a > b: b = a", "if a >= b: b = a", "if a <= b: b = a"),
        ("return a if a > b else b", "return a if a >= b else b", "return a if a <= b else b"),
        ("if a < b: return a\n    return b", "if a <= b: return a", "if a >= b: return a"),
    ],
)
def test_a_comparison_whose_tie_cannot_matter_keeps_its_strictness(body, equivalent, wrong):
    assert equivalent not in lines(body)
    assert wrong in lines(body)


def test_other_comparisons_do_lose_their_strictness():
    assert "if a > b: b = n" in lines("if a >= b: b = n")
    assert "return a if a >= b else n" in lines("return a if a > b else n")


def test_elif_keeps_its_shape():
    source = "def f(a):\n    if a > 1:\n        return 1\n    elif a.ready():\n        return 2\n"
    assert source.replace("elif a.ready()", "elif not a.ready()") in sources(source)


def test_only_the_changed_line_changes_and_it_is_the_one_reported():
    source = "def f(xs):  # ü, counted in characters\n    é = 'ü' + xs  # kept\n\n    return é[1:]  # kept too\n"
    original = source.split("\n")
    for mutant in mutants(source, limit=99, seed=0):
        changed = [number for number, (old, new) in enumerate(zip(original, mutant.source.split("\n"), strict=True), 1) if old != new]
        assert changed == [mutant.line]
        assert "# kept" in mutant.source.split("\n")[mutant.line - 1]


@pytest.mark.parametrize("kept", ["'''Return 1 + 1.'''", "x: Literal[1, 'a']", "return f'{a + 1} {b}'"])
def test_docstrings_annotations_and_f_strings_are_left_alone(kept):
    assert lines(kept) <= {"return None"}


def test_carriage_returns_do_not_shift_the_change():
    assert sources("x = 1\r\ny = a + b\r\n") == sources("x = 1\ny = a + b\n")
