import pytest

from burnish.core.errors import InputError
from burnish.core.plugins import find, names
from burnish.curation.rejection import rejection
from burnish.signals.prompts import ask


def block(code):
    return f"Sure.\n\n```python\n{code}\n```\nDone."


def test_it_is_found_by_name():
    assert find("curation", "rejection") is rejection
    assert "_select" not in names("curation")


def test_an_empty_run_gives_no_examples(run):
    assert rejection(run.store) == []


def test_verified_answers_only(run):
    run.attempt("good", block("def f(x): return 1"))
    run.attempt("misleading", block("def f(x): return 2"), hidden="fail")
    run.attempt("unjudged", block("def f(x): return 3"), hidden=None)
    run.attempt("error", block("def f(x): return 4"), hidden="error")
    run.attempt("tampered", block("def f(x): return 5"), hidden="tampered")
    run.attempt("suspect", block("def f(x): return 6"), hidden="suspect")
    run.attempt("skipped", block("def f(x): return 7"), hidden="skip")
    run.attempt("repaired", block("def f(x): return 8"), parent="misleading")
    run.attempt("empty", "no program at all")
    assert [example.attempts for example in rejection(run.store, per_task=9)] == [("good",)]


def test_what_was_sampled_is_what_is_learned(run):
    run.attempt("a", block("def f(x): return 1"), tokens=True)
    (example,) = rejection(run.store)
    assert example.tokens == run.store.attempt("a").tokens
    assert example.messages[:-1] == ask(run.tasks["t"].public())
    assert example.messages[-1].content == run.store.attempt("a").text
    assert (example.kind, example.task_id, example.meta) == ("rejection", "t", {"policy": "tiny"})
    (rendered,) = rejection(run.store, exact=False)
    assert (rendered.tokens, rendered.messages) == (None, example.messages)


@pytest.mark.parametrize(("stop", "whole", "exact"), [("eos", True, True), ("stop", True, False), ("length", False, False)])
def test_only_an_ending_that_was_sampled_is_learned(run, stop, whole, exact):
    run.attempt("a", block("def f(x): return 1"), tokens=True, stop=stop)
    (example,) = rejection(run.store)
    program = "```python\ndef f(x): return 1\n```"
    assert example.messages[-1].content == (run.store.attempt("a").text if whole else program)
    assert (example.tokens is not None) is exact


def test_the_prose_can_be_dropped(run):
    run.attempt("a", block("def f(x): return 1"), tokens=True)
    (example,) = rejection(run.store, code_only=True)
    assert example.messages[-1].content == "```python\ndef f(x): return 1\n```"
    assert example.tokens is None


def test_equal_programs_count_once_and_tasks_are_capped(run):
    for number in range(6):
        run.attempt(f"same-{number}", block(f"def f(x): return 1  # {number}"))
        run.attempt(f"new-{number}", block(f"def f(x): return {number + 2}"))
    assert len(rejection(run.store, per_task=20)) == 7
    assert len(rejection(run.store)) == 4
    assert rejection(run.store, seed=1) == rejection(run.store, seed=1) != rejection(run.store, seed=2)
    with pytest.raises(InputError, match="per_task is 0"):
        rejection(run.store, per_task=0)
