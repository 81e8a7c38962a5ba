"""Programs as CodeBLEU reads them: tokens, subtrees, data flow; in Python and, with the grammars, in other languages."""

import importlib.util

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.core.errors import InputError, Unavailable
from burnish.text import _grammar_structure
from burnish.text.structure import structure_of

CODE = "def f(a, b=2):\n    t = a + b  # c\n    for i in range(t):\n        t += i\n    return [q for q in t if q != 'x#y']\n"


def test_tokens_are_without_comments_and_layout():
    assert structure_of(CODE).tokens[:12] == ("def", "f", "(", "a", ",", "b", "=", "2", ")", ":", "t", "=")
    assert "'x#y'" in structure_of(CODE).tokens
    assert structure_of(CODE).tokens == structure_of(CODE.replace("  # c", "").replace("    ", "\t")).tokens


def test_data_flow_goes_from_definitions_to_uses_in_the_order_of_running():
    flow = structure_of(CODE).flow
    assert flow[:4] == (("used", "0", "0"), ("used", "1", "1"), ("made", "2", "0"), ("made", "2", "1"))  # t = a + b
    assert flow[4:6] == (("used", "2", "2"), ("made", "3", "2"))  # for i in range(t): range is no variable
    assert flow[6:10] == (("used", "2", "2"), ("used", "3", "3"), ("made", "2", "3"), ("made", "2", "2"))  # t += i
    assert flow[10:] == (("used", "2", "2"), ("made", "4", "2"), ("used", "4", "4"), ("used", "4", "4"))


@pytest.mark.parametrize(
    ("code", "made"),
    [
        ("def f(d, k, v):\n    d[k] = v", [("1", "0")]),
        ("def f(a):\n    (b, *c), o.x = a", [("1", "0"), ("2", "0"), ("3", "0")]),
        ("def f(a):\n    if (n := a): return n", [("1", "0")]),
        ("def f(a):\n    with a as b: return b", [("1", "0")]),
        ("def f(a):\n    b: int = a\n    c: int", [("1", "0")]),
        ("def f(a):\n    return {k: v for k, v in a}", [("1", "0"), ("2", "0")]),
        ("try:\n    pass\nexcept E as e:\n    x = e", [("1", "0")]),
        ("def f(a):\n    return len(a)", []),
    ],
)
def test_what_defines(code, made):
    assert [(target, source) for kind, target, source in structure_of(code).flow if kind == "made"] == made


def test_names_and_values_do_not_change_the_structure_but_operators_do():
    one, same, other = (structure_of(f"def f({a}):\n    return {a} {op} {n}") for a, op, n in (("x", "+", 1), ("y", "+", 2), ("x", "-", 1)))
    assert one.subtrees == same.subtrees
    assert one.flow == same.flow == other.flow
    assert one.subtrees != other.subtrees


@given(st.text(max_size=200))
def test_any_text_is_read(text):
    found = structure_of(text)
    assert found.parses or (not found.subtrees and not found.flow)


def test_deep_nesting_is_no_crash():
    assert not structure_of("(" * 5000 + ")" * 5000).parses
    assert structure_of("x = " + "+".join("a" * 300)).parses


def test_other_languages_are_named():
    with pytest.raises(InputError, match="'cobol' cannot be compared. Known languages: python, c"):
        structure_of("", "cobol")


def test_a_missing_grammar_says_how_to_get_it(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(_grammar_structure.importlib, "import_module", missing)
    _grammar_structure._parser.cache_clear()
    with pytest.raises(Unavailable, match=r"pip install 'burnish\[codebleu\]'"):
        structure_of("int unseen;", "c")


GRAMMARS = pytest.mark.skipif(importlib.util.find_spec("tree_sitter_java") is None, reason="the extra codebleu is not installed")
SOURCES = {
    "c": "int f(int a) { int b = a + 1; /* why */ for (int i = 0; i < b; i++) a += i; p[i] = b; return a; }",
    "cpp": "int f(vector<int> v) { int s = 0; for (auto x : v) { auto [p, q] = x; s += p; } return s; }",
    "java": "class A { int f(int a) { int b = a + 1; for (int x : xs) { b += x; } b++; return b; } }",
    "javascript": "function f(a) { let b = a + 1; for (const x of xs) { b += x; } const [c, d] = b; return c; }",
}


@GRAMMARS
@pytest.mark.parametrize("language", SOURCES)
def test_grammars(language):
    found = structure_of(SOURCES[language], language)
    assert found.parses
    assert found.subtrees
    assert {"for", "return"} <= found.keywords
    assert not any("why" in token for token in found.tokens)
    assert ("made", "1", "0") in found.flow
    assert ("used", "0", "0") in found.flow
    renamed = structure_of(SOURCES[language].replace("b ", "zz ").replace("b)", "zz)").replace("b;", "zz;").replace("b+", "zz+"), language)
    assert (renamed.subtrees, renamed.flow) == (found.subtrees, found.flow)
    assert not structure_of(SOURCES[language][:-1] + "for (", language).parses


@GRAMMARS
def test_what_is_kept_by_an_update_flows_on():
    flow = structure_of("int f(int a) { a += 1; a++; a = 2; return a; }", "c").flow
    assert flow == (("used", "0", "0"), ("made", "0", "0"), ("used", "0", "0"), ("made", "0", "0"), ("used", "0", "0"))


@GRAMMARS
@given(st.text(alphabet="intfor(){}=+;a1b[]<> ", max_size=80))
def test_any_text_is_read_by_a_grammar(text):
    structure_of(text, "c")
