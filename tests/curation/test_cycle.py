"""CYCLE's examples: targets nearest to the faulty program, the template with its headings, nothing hidden."""

import pytest

from burnish.core.errors import InputError
from burnish.core.plugins import find
from burnish.curation.cycle import cycle
from burnish.models import ByteRenderer
from burnish.signals.cycle import BAD, FAILURE, GOOD
from burnish.training.inputs.past_generation import faulty_span

from .conftest import SECRET

SUM, LOOP = "def f(x):\n    return sum([x])", "def f(x):\n    result = 0\n    for one in [x]:\n        result += one\n    return result"
WRONG = LOOP.replace("result = 0", "result = 1")


def block(code):
    return f"```python\n{code}\n```"


@pytest.fixture
def collected(run):
    run.attempt("a", block(SUM))
    run.attempt("b", block(LOOP))
    run.attempt("w", block(WRONG), visible="fail", hidden="fail")
    return run


def kinds(store, **options):
    found = {}
    for example in cycle(store, references=False, **options):
        found.setdefault(example.kind, []).append(example)
    return found


def test_it_is_found_by_name():
    assert find("curation", "cycle") is cycle


def test_the_target_is_the_right_program_most_like_the_faulty_one(collected):
    found = kinds(collected.store)
    assert {kind: len(examples) for kind, examples in found.items()} == {"cycle-solve": 2, "cycle-refine": 1, "cycle-keep": 2}
    (refine,) = found["cycle-refine"]
    assert refine.messages[-1].content == block(LOOP)
    assert refine.attempts == ("w",)
    targets = {
        kinds(collected.store, kinds="refine", target="random", seed=seed)["cycle-refine"][0].messages[-1].content for seed in range(20)
    }
    assert targets == {block(SUM), block(LOOP)}


def test_the_prompt_is_the_template_that_the_mask_looks_for(collected):
    (refine,) = kinds(collected.store, kinds=["refine"])["cycle-refine"]
    prompt = refine.messages[0].content
    assert [prompt.count(heading) for heading in (BAD, FAILURE, GOOD)] == [1, 1, 1]
    assert "# Test Case Failed: Input: f(2), Expected output: 1, Actual output: 0" in prompt
    ids = ByteRenderer().render(refine.messages[:-1])
    start, end = faulty_span(ByteRenderer(), ids, None)
    assert bytes(ids[start:end]).decode().startswith(BAD)
    assert SECRET not in f"{cycle(collected.store, references=False)}"


def test_what_the_run_did_not_solve_takes_the_reference_of_the_task_if_wanted(run):
    run.attempt("w", block(WRONG), visible="fail", hidden="fail")
    assert cycle(run.store, references=False) == []
    assert {example.messages[-1].content for example in cycle(run.store, kinds=["refine"])} == {block(f"# {SECRET}")}


def test_repairs_and_undecided_answers_are_not_faulty_answers(collected):
    collected.attempt("s", block(WRONG + " "), visible="fail", hidden="fail", parent="w")
    collected.attempt("u", block(SUM.replace("x", "y")), visible="error", hidden="fail")
    collected.attempt("v", block(SUM.replace("x", "z")), visible="pass", hidden="fail")
    assert [example.attempts for example in kinds(collected.store, kinds=["refine"])["cycle-refine"]] == [("w",)]


@pytest.mark.parametrize("options", [{"kinds": "repair"}, {"kinds": []}, {"target": "first"}])
def test_bad_options_are_explained(run, options):
    with pytest.raises(InputError, match="cycle needs kinds from solve, refine, keep and target = bm25 or random"):
        cycle(run.store, **options)
    with pytest.raises(InputError, match="per_task is 0"):
        cycle(run.store, per_task=0)
