"""Equivalence by behaviour: which inputs are tried, and which programs are told apart. In the real jail."""

import ast
import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.core.records import CheckSpec, Task
from burnish.store.verdicts import VerdictCache
from burnish.verifiers._behaviour import canonical
from burnish.verifiers._inputs import probes, stdins
from burnish.verifiers._vary import generate, varied
from burnish.verifiers.base import Limits, observe
from burnish.verifiers.c import c
from burnish.verifiers.cached import CachedVerifier
from burnish.verifiers.python import INPUTS, python


def task(*checks, prompt="", **context):
    specs = tuple(CheckSpec(id=f"{n}", kind=kind, data=data, hidden=hidden) for n, (kind, data, hidden) in enumerate(checks))
    return Task(id="t", group_id="t", kind="python", prompt=prompt, context={"entry_point": "f", **context}, checks=specs)


def call(args, expected="0", hidden=False):
    return "call", {"args": args, "expected": expected}, hidden


def outcomes(of, *programs, limits=Limits()):
    return [seen.outcomes for seen in asyncio.run(python.aobserve(of, programs, limits=limits))]


def test_the_same_function_written_differently_is_the_same():
    one, other, third = outcomes(
        task(call("(3,)", "6"), signature="f(n: int) -> int"),
        "def f(n):\n    return n * (n + 1) // 2 if n > 0 else 0",
        "def f(n):\n    return sum(range(n + 1))",
        "def f(n):\n    return 2 * n",
    )
    assert one == other
    assert one[0] == third[0] == "0x6"  # the example alone does not tell them apart
    assert one != third
    assert len(one) == INPUTS


def test_programs_that_cannot_be_run_have_no_outcomes_and_the_rest_do():
    broken, missing, empty, right = outcomes(task(call("(1,)")), "def f(n) return n", "g = 1", "", "def f(n):\n    return n")
    assert (broken, missing, empty) == ((), (), ())
    assert len(right) == INPUTS


def test_exceptions_and_time_outs_are_outcomes_and_later_inputs_still_count():
    program = "def f(n):\n    if n == 7:\n        while True: pass\n    if n == 8:\n        import os; os._exit(3)\n    return 1 // (n - 9)"
    of = task(call("(7,)"), call("(9,)"), call("(10,)"), call("(8,)"), call("(11,)"))
    found = outcomes(of, program, limits=Limits(wall_s=0.3, cpu_s=1))[0]
    assert found[:3] == ("timeout", "raises ZeroDivisionError", "0x1")
    assert set(found[3:]) == {"crash"}  # the second death: the rest is not tried


def test_hidden_checks_give_no_inputs():
    of = task(call("(1,)"), call("(123456,)", hidden=True))
    assert not any("123456" in repr(probe) for probe in probes(of, [], count=64, seed=0))


def test_inputs_are_the_same_for_the_same_seed_and_distinct():
    of = task(call("([3, 1, 2],)"))
    first, again, other = (probes(of, [], count=20, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    assert len({repr(probe) for probe in first}) == 20
    assert first[0][0].args == ([3, 1, 2],)


def test_inputs_come_from_examples_in_the_text_and_from_annotations():
    shown = probes(task(prompt="Write it.\n>>> f('ab', 2)\n'abab'\nf(x) raises for others."), [], count=4, seed=0)
    assert shown[0][0].args == ("ab", 2)
    annotated = probes(task(signature="f(a: list[str], b: int | None) -> int"), [], count=12, seed=0)
    assert len(annotated) == 12
    assert all(type(p[0].args[0]) is list and type(p[0].args[1]) in (int, type(None)) for p in annotated)
    from_program = probes(task(), ["def f(word: str): return word"], count=12, seed=0)
    assert all(type(probe[0].args[0]) is str for probe in from_program)
    assert probes(task(), ["def g(): pass"], count=12, seed=0) == []


def test_a_function_without_parameters_has_one_input():
    assert len(probes(task(), ["def f(): return 1"], count=12, seed=0)) == 1


def test_classes_are_compared_by_sequences_of_calls():
    steps = [["f", "()"], ["add", "(2,)"], ["total", "()", "2"]]
    of = task(("sequence", {"steps": steps}, False))
    source = "class f:\n    def __init__(self): self.n = 0\n    def add(self, n): self.n {} n\n    def total(self): return self.n"
    one, same, other = outcomes(of, source.format("+="), source.format("= self.n +"), source.format("-="))
    assert one == same != other


def test_whole_programs_are_compared_by_what_they_print():
    of = task(("stdio", {"stdin": "3 4\n", "stdout": "7\n"}, False), ("stdio", {"stdin": "99 1\n", "stdout": "100\n"}, True))
    texts = stdins(of, count=INPUTS, seed=0)
    assert texts[0] == "3 4\n"
    assert not any("99" in text and text.endswith("1\n") for text in texts)
    one, same, other = outcomes(
        of,
        "print(sum(map(int, input().split())))",
        "a, b = input().split()\nprint(int(b) + int(a))",
        "a, b = map(int, input().split())\nprint(a + abs(b))",
    )
    assert one == same != other


def test_without_inputs_or_observer_the_text_stands_for_the_artefact():
    def seen(verifier, of, *artefacts):
        return [found.outcomes for found in asyncio.run(observe(verifier, of, artefacts))]

    assert seen(c, task(), "int main;", " int main;\n", "") == [("int main;",), ("int main;",), ()]
    assert seen(python, task(), "x = 1", "x = 2") == [("x = 1",), ("x = 2",)]


def test_a_cached_verifier_observes_too(tmp_path):
    cached = CachedVerifier(python, VerdictCache(tmp_path / "cache"))
    found = asyncio.run(cached.aobserve(task(call("(1,)")), ["def f(n): return n"]))
    assert found[0].outcomes[0] == "0x1"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, st.integers(0, 2**32))
def test_a_varied_value_keeps_its_type_and_the_old_one_is_left_alone(value, seed):
    before = repr(value)
    assert type(varied(value, random.Random(seed))) is type(value)
    assert repr(value) == before


TYPES = {
    **{"int": int, "List[int]": list, "typing.Dict[str, list[int]]": dict, "tuple[int, str]": tuple, "set[str]": set},
    **{"frozenset": frozenset, "float": float, "'str'": str, "bool": bool, "None": type(None), "bytes": bytes},
}


@pytest.mark.parametrize("annotation", TYPES)
def test_generated_values_are_of_the_annotated_type(annotation):
    node = ast.parse(annotation, mode="eval").body
    assert {type(generate(node, random.Random(seed))) for seed in range(40)} == {TYPES[annotation]}


def test_generated_values_of_choices():
    def kinds(annotation):
        return {type(generate(ast.parse(annotation, mode="eval").body, random.Random(seed))) for seed in range(60)}

    assert kinds("Optional[int]") == {int, type(None)}
    assert kinds("int | str") == {int, str}
    assert kinds("Literal[1, 'a']") == {int, str}
    assert kinds("Whatever") == {int, str, list}


def test_canonical_text_follows_the_judges_equality():
    same = [(1, 1.0), (0.1 + 0.2, 0.3), ({1, 2}, {2, 1}), ({"a": 1, "b": 2}, {"b": 2, "a": 1}), (-0.0, 0), (float("nan"), -float("nan"))]
    assert all(canonical(a) == canonical(b) for a, b in same)
    different = [(True, 1), ([1], (1,)), ("1", 1), ({1}, frozenset({1})), (1.0, 1.1), (b"a", "a"), ([[1], 2], [1, [2]]), (None, "None")]
    assert all(canonical(a) != canonical(b) for a, b in different)
