"""Scorers: what each says of a program, and the one message for a scorer that says something else."""

import asyncio
import math
import sys
import types

import pytest

from burnish.core import plugins
from burnish.core.budget import Budget, Meter
from burnish.core.errors import InputError
from burnish.core.records import Attempt, Sampling, Span, TokenRecord
from burnish.models.scripted import scripted
from burnish.strategies.base import Judge, Writer
from burnish.strategies.scorers.base import score, score_whole
from burnish.verifiers.base import Limits
from burnish.verifiers.python import python

CODE = "def add(a, b):\n\n    return a - b\n"


class Nowhere:
    """A log that remembers nothing."""

    def attempt(self, attempt_id):
        return None

    def verdict(self, attempt_id, view):
        return None

    def add_attempt(self, attempt):
        pass

    def add_verdict(self, attempt_id, view, verdict):
        pass


@pytest.fixture
def ask(add_task):
    """`ask(scorer, program, attempts)` gives the scores; `ask.whole` those of an attempt."""
    task, meter = add_task(), Meter(Budget())
    policy = Writer(scripted([]), task.public(), "e", sampling=Sampling(), seed=0, meter=meter, log=Nowhere())
    judge = Judge(python, task, limits=Limits(), meter=meter, log=Nowhere())

    def go(scorer, program, attempts):
        return asyncio.run(score(scorer, task, program, attempts, policy, judge))

    go.whole = lambda scorer, attempt: asyncio.run(score_whole(scorer, task, attempt, policy, judge))
    return go


def attempt(code, logprob=lambda index: 0.0, given="", name="e/0"):
    """A reply that is just code, one byte per token; `given` of it was read, not sampled."""
    ids, start = tuple(code.encode()), len(given.encode())
    tokens = TokenRecord(ids=ids, sampled=((start, len(ids)),), logprobs=tuple(map(logprob, range(start, len(ids)))))
    spans = (Span(kind="code", start=0, end=len(code)),)
    return Attempt(id=name, task_id="add", op="sample", messages=(), text=code, artefacts={"code": code}, tokens=tokens, spans=spans)


def test_the_family_is_found_by_name():
    assert plugins.names("scorer") == ["likelihood", "line_likelihood", "pass_rate", "plausible"]


def test_pass_rate_is_the_mean_over_the_known_completions(ask):
    right = attempt(CODE.replace("-", "+"), name="e/1")
    assert ask("pass_rate", "def add(a, b):", [attempt(CODE), right]) == (0.5,)
    assert ask.whole("pass_rate", right) == 1.0
    assert ask.whole("pass_rate", attempt("", name="e/2")) == 0.0


def test_likelihood_is_the_length_normalised_probability(ask):
    assert ask("likelihood", CODE, [attempt(CODE, lambda index: math.log(0.25))]) == pytest.approx((0.25,))


def test_each_line_has_the_likelihood_of_its_own_tokens(ask):
    second = CODE.index("    return")
    steps = ask("line_likelihood", CODE, [attempt(CODE, lambda index: math.log(0.5 if index < second else 0.9))])
    assert steps == pytest.approx((0.5, 0.9))
    assert ask.whole("line_likelihood", attempt(CODE, lambda index: math.log(0.5))) == pytest.approx(0.25)


def test_lines_that_were_given_are_certain(ask):
    given = "def add(a, b):\n"
    assert ask("line_likelihood", CODE, [attempt(CODE, lambda index: math.log(0.5), given=given)]) == pytest.approx((1.0, 0.5))


def test_the_heuristic_prefers_what_can_become_the_function(ask):
    good, unfinished, other, broken, loop = (
        ask("plausible", program, [])[0]
        for program in (CODE, "def add(a, b):", "def sub(a, b):", "def add(a, b", "def add(a, b):\n" + "    a += 1\n" * 30)
    )
    assert good == unfinished == 1.0
    assert other < good
    assert broken < good
    assert loop < good


def test_a_scorer_of_your_own_is_given_by_its_path_and_held_to_its_word(ask, monkeypatch):
    async def model(task, program, attempts, policy, verifier):
        return (0.25, 0.5)

    async def wild(task, program, attempts, policy, verifier):
        return (1.5,)

    monkeypatch.setitem(sys.modules, "mine", types.SimpleNamespace(model=model, wild=wild))
    assert ask("mine:model", CODE, []) == (0.25, 0.5)
    assert ask.whole("mine:model", attempt(CODE)) == 0.125
    with pytest.raises(InputError, match="numbers from 0 to 1"):
        ask("mine:wild", CODE, [])
