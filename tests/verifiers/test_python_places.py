"""What a diagnostic points at in the program is what it points at in the model's reply."""

import pytest

from burnish.core.records import Attempt, CheckSpec, Task
from burnish.text.code import extract_code, spans_of
from burnish.text.places import in_attempt, moved
from burnish.verifiers.python import PythonVerifier

BODY = 'def f(x):\n\té = "漢字😀"; return [x.wrong][0]\n'


@pytest.fixture(scope="module")
def verifier():
    verifier = PythonVerifier(workers=1)
    yield verifier
    verifier.close()


TASK = Task(
    id="t",
    group_id="g",
    kind="python",
    prompt="",
    context={"entry_point": "f"},
    checks=(CheckSpec(id="c", kind="call", data={"args": "(1,)", "expected": "1"}),),
)


def judged(verifier, reply):
    code = extract_code(reply, "f")
    attempt = Attempt(id="a", task_id="t", op="sample", messages=(), text=reply, spans=spans_of(reply, code), artefacts={"code": code.text})
    verdict = verifier.verify(TASK, code.text)
    notes = verdict.diagnostics or verdict.checks[0].diagnostics
    return in_attempt(attempt, notes[0].span), verdict


@pytest.mark.parametrize(
    "reply",
    [
        f"```python\n{BODY}```",
        f"Why: é漢😀.\n\n```python\n{BODY}```\nDone.",
        f"Why.\n\n~~~~py\n{BODY}",
        f"First:\n```\nprint(1)\n```\nNow:\n```python\n# 漢\n\n\n{BODY}\n\n```",
        BODY,
        "Why.\n```python\nif True:\n  " + BODY.replace("\n", "\n  ") + "\n```",
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_an_exception_points_into_the_reply(verifier, reply, ending):
    reply = reply.replace("\n", ending)
    span, verdict = judged(verifier, reply)
    assert verdict.checks[0].outcome == "crash"
    assert reply[span.start : span.end] == "x.wrong"
    assert reply.split(ending)[span.line - 1][span.col :].startswith("x.wrong")
    assert reply.split(ending)[span.end_line - 1][: span.end_col].endswith("x.wrong")


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_syntax_error_points_into_the_reply(verifier, ending):
    reply = ending.join(["Why é:", "```python", "def f(x):", '    é = "漢"; return x +* 1', "```"])
    span, verdict = judged(verifier, reply)
    assert verdict.status == "invalid"
    assert reply[span.start] == "*"


def test_an_indented_block_is_judged_as_it_stands_and_the_error_is_at_its_first_line(verifier):
    reply = "1. Write:\n\n   ```python\n   def f(x):\n       return x\n   ```\n"
    span, verdict = judged(verifier, reply)
    assert verdict.diagnostics[0].code == "python.syntax.IndentationError"
    assert span.line == 4


def test_a_completion_of_a_code_prompt_is_reached_behind_the_prompt(verifier):
    prompt, completion = 'def f(x):\n    """é"""\n', "    return x.wrong\n"
    span = verifier.verify(TASK, prompt + completion).checks[0].diagnostics[0].span
    found = moved(span, completion, -len(prompt))
    assert completion[found.start : found.end] == "x.wrong"
    assert found.line == 1
