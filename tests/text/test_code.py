"""Code is found as an exact range of the reply."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.text.code import defines, extract_code, fenced, spans_of

REPLY = "The bug is the sign.\n\n```python\ndef f(x):\n    return x\n```\nDone."


def test_a_fenced_block_is_an_exact_range():
    code = extract_code(REPLY)
    assert code.text == "def f(x):\n    return x\n"
    assert REPLY[code.start : code.end] == code.text


@pytest.mark.parametrize("reply", ["", "   \n", "I cannot do that.", "```python\n\n```"])
def test_replies_without_code_give_none(reply):
    assert extract_code(reply) is None


def test_the_block_that_defines_the_wanted_name_wins():
    reply = "```python\ndef f(): return 1\n```\nUse it:\n```python\nprint(f())\n```"
    assert extract_code(reply, "f").text == "def f(): return 1\n"
    assert extract_code(reply).text == "print(f())\n"


def test_the_last_version_of_the_wanted_function_wins():
    reply = "```\ndef f(): return 1\n```\nBetter:\n```\ndef f(): return 2\n```"
    assert extract_code(reply, "f").text == "def f(): return 2\n"


def test_a_truncated_block_runs_to_the_end():
    assert extract_code("```python\ndef f():\n    return (1 +").text == "def f():\n    return (1 +"


def test_a_longer_fence_can_hold_backticks():
    assert extract_code("````\ns = '''\n```\n'''\n````").text == "s = '''\n```\n'''\n"


def test_bare_code_counts_only_with_a_definition():
    assert extract_code("Sure!\ndef f():\n    return 1").text.startswith("def f")
    assert extract_code("x = 1") is None


def test_a_missing_opening_fence_does_not_make_the_prose_the_program():
    reply = "def f(x):\n    return x\n```\n\nThis returns x."
    assert extract_code(reply, "f").text == "def f(x):\n    return x\n"


def test_spans_cover_explanation_and_code():
    spans = {span.kind: REPLY[span.start : span.end] for span in spans_of(REPLY, extract_code(REPLY))}
    assert spans == {"explanation": "The bug is the sign.", "code": "def f(x):\n    return x\n"}


def test_a_reply_that_starts_with_its_fence_has_no_explanation():
    reply = fenced("def f(): ...")
    assert [span.kind for span in spans_of(reply, extract_code(reply))] == ["code"]


def test_a_reply_without_code_is_all_explanation():
    assert [span.kind for span in spans_of("hm", None)] == ["explanation"]
    assert spans_of("", None) == ()


def test_defines_means_binding_at_a_line_s_start():
    assert defines("def f(x): ...", "f")
    assert defines("f = lambda x: x", "f")
    assert not defines("print(f(1))", "f")
    assert not defines("def ff(x): ...", "f")


@pytest.mark.parametrize("code", ["int f(int x) {", "static std::vector<int> *f(int a,\n  int b)\n{", "auto f() const {", "int\nf(){"])
def test_c_like_definitions_count(code):
    assert defines(code, "f")


@pytest.mark.parametrize(
    "code", ["int f(int x);", "return g(f(1)); }", "if (f(1)) {", "return f(x)\n\ny = {}", "x = f(1) + {1}", "int ff() {"]
)
def test_c_like_calls_and_declarations_do_not(code):
    assert not defines(code, "f")


def test_the_block_that_defines_a_c_function_wins():
    reply = "```cpp\nint f(int x) { return x; }\n```\nUse:\n```cpp\nint main() { return f(1); }\n```"
    assert extract_code(reply, "f").text.startswith("int f")
    assert extract_code("Sure!\n#include <stdio.h>\nint main() {}").text.startswith("#include")


@given(st.text(alphabet="abc`~\n def", max_size=60))
def test_fencing_and_extracting_is_the_identity_up_to_trailing_space(code):
    found = extract_code(fenced(code))
    assert (found.text.rstrip() if found else "") == code.rstrip()
