"""Feedback beside the failed tests: traces, tool messages, step scores, checklists. Bounded, quoted as data, nothing hidden."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.core.records import Check, CheckSpec, Diagnostic, SourceSpan, Task, Verdict
from burnish.core.traces import Trace, TraceStep
from burnish.signals.messages import messages
from burnish.signals.prompts import check_text
from burnish.signals.quote import MAX_VALUE, lines, one_line
from burnish.signals.steps import MOST_ITEMS, checklist, scored_steps
from burnish.signals.traces import MOST_BLOCKS, MOST_LINES, block_trace, printed_trace

CODE = "def f(n):\n    k = n * 2\n    return k\n"
STEP = TraceStep(function="f", first=2, last=3, values=(("n", "2"), ("k", "4")), note="returns 4")


def at(line):
    return SourceSpan(start=0, end=1, line=line, col=0, end_line=line, end_col=1)


def test_a_block_is_shown_with_its_lines_and_values():
    trace = Trace(check_id="v", input="f(2)", steps=(STEP,), total=1)
    assert block_trace(trace, CODE) == (
        "What the variables hold after each block of f(2):\n[BLOCK-0] f, line 2-3: k = n * 2; return k (returns 4)\n    n = 2, k = 4"
    )


def test_of_many_blocks_the_middle_is_left_out_and_numbers_stay_true():
    steps = tuple(TraceStep(function="f", first=2, last=2, values=(("n", str(i)),)) for i in [*range(30), *range(970, 1000)])
    text = block_trace(Trace(check_id="v", steps=steps, total=1000, ending="stopped: it ran too many lines"), CODE)
    assert text.count("[BLOCK-") == MOST_BLOCKS
    assert "[BLOCK-9] f, line 2: k = n * 2\n    n = 9" in text
    assert f"… {1000 - MOST_BLOCKS} blocks left out …" in text
    assert "[BLOCK-999] f, line 2: k = n * 2\n    n = 999" in text
    assert text.endswith("It ended: stopped: it ran too many lines")


def test_a_trace_without_steps_is_nothing():
    assert block_trace(Trace(check_id="v"), CODE) == ""


@given(st.text(max_size=300), st.integers(-5, 10**9), st.integers(-5, 10**9))
def test_whatever_a_trace_says_it_stays_on_its_lines(text, first, last):
    step = TraceStep(function=text, first=first, last=last, values=((text, text),), note=text)
    shown = block_trace(Trace(check_id="v", input=text, steps=(step,), total=1, ending=text), CODE)
    assert len(shown.splitlines()) <= 4
    assert len(shown) < 5000


def test_output_is_quoted_line_by_line():
    trace = Trace(check_id="v", output="x = 1\n[My Analysis]\n\u202eevil\n", ending="ValueError: no")
    assert printed_trace(trace) == "| x = 1\n| [My Analysis]\n| \\u202eevil\nIt ended: ValueError: no"
    assert printed_trace(Trace(check_id="v")) == "(nothing was printed)"
    many = printed_trace(Trace(check_id="v", output="\n".join(map(str, range(1000)))))
    assert len(many.splitlines()) == MOST_LINES + 1
    assert "… 960 lines left out …" in many


@given(st.text(max_size=2000))
def test_quoted_text_is_bounded_and_cannot_begin_a_line(text):
    assert len(one_line(text).splitlines()) <= 1
    assert len(one_line(text)) <= MAX_VALUE
    assert all(row.startswith("| ") for row in lines(text, 5).splitlines())
    assert len(lines(text, 5).splitlines()) <= 6


def test_messages_of_tools_come_with_their_line_errors_first():
    notes = [
        Diagnostic(code="w", message="unused variable 'k'", severity="warn", span=at(2), hint="remove it"),
        Diagnostic(code="e", message="'m' undeclared", span=at(3)),
        Diagnostic(code="h", message="SECRET", visibility="eval"),
    ]
    text = messages(Verdict.of((), invalid=notes), CODE)
    assert text == ("line 3: error: 'm' undeclared\n| return k\nline 2: warn: unused variable 'k'\n| k = n * 2\n  hint: remove it")
    hidden = Check(id="h", kind="call", outcome="fail", hidden=True, diagnostics=(Diagnostic(code="x", message="SECRET"),))
    assert messages(Verdict.of([hidden]), CODE) == ""
    many = Verdict.of((), invalid=[Diagnostic(code="e", message=f"m{n}") for n in range(20)])
    assert messages(many, CODE).endswith("… 12 more …")


@pytest.mark.parametrize(
    ("score", "shown"), [(0.96, "10/10"), (0.23, "2/10"), (0.25, "2/10"), (0.0, "0/10"), (1.0, "10/10"), (0.6, "6/10")]
)
def test_scores_of_steps_are_tenths(score, shown):
    assert scored_steps(["a = 1"], [score]) == f"Step 1: a = 1 (Score: {shown})"


def test_checklists_mark_what_holds():
    items = [("total is right", True), ("dates\nare right", False), ("unclear", None)]
    assert checklist(items) == "[x] total is right\n[ ] dates\\nare right\n[?] unclear"
    assert checklist(items, only_open=True) == "[ ] dates\\nare right\n[?] unclear"
    assert len(checklist([("x", False)] * 100).splitlines()) == MOST_ITEMS + 1


def test_visible_checks_are_told_by_their_kind_and_hidden_ones_never():
    task = Task(id="t", group_id="t", kind="python", prompt="", context={"entry_point": "f"})

    def told(kind, **data):
        return check_text(task, CheckSpec(id="v", kind=kind, data=data))

    assert told("call", args="(1, 2)", expected="3") == "f(1, 2) == 3"
    assert told("call", args="(1,)", raises="ValueError") == "f(1) raises ValueError"
    assert told("assert", code="assert f(1) == 2\n") == "assert f(1) == 2"
    assert told("stdio", stdin="1 2\n", stdout="3\n") == "Input:\n| 1 2\nOutput:\n| 3"
    assert told("sequence", steps=[["f", "()"], ["get", "()", "1"]]) == "['f', '()']\n['get', '()', '1']"
    assert told("reference", program="def f(): return 'the answer'") == "reference v"
    assert len(told("assert", code="x = 1\n" * 5000)) < 1000
    with pytest.raises(ValueError, match="hidden"):
        check_text(task, CheckSpec(id="h", kind="call", data={"args": "()"}, hidden=True))
