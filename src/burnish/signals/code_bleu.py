"""CodeBLEU: how near one program is to another, in [0, 1] (arXiv 2009.10297; a part of LeDex's code reward).

A quarter each: BLEU-4 over tokens; the same with keywords weighted 1 and other single tokens 0.2; the share of the reference's
syntax subtrees that the candidate has too; the share of the reference's data-flow edges that it has. Being near says nothing
about being right: a copy with one wrong operator scores high.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from burnish.core.errors import InputError
from burnish.text.structure import Structure, structure_of

ORDERS, SMOOTHING, OTHER_WEIGHT = 4, 0.1, 0.2
"""Longest n-grams; what stands for no match of an order (Chen and Cherry 2014, method 1); weight of a token that is no keyword."""
Gram = tuple[str, ...]


class CodeBleu(NamedTuple):
    """The four parts, each in [0, 1]."""

    ngram: float
    weighted_ngram: float
    syntax: float
    data_flow: float

    @property
    def score(self) -> float:
        """Their mean."""
        return sum(self) / len(self)


def code_bleu(candidate: str, reference: str, language: str = "python") -> CodeBleu:
    """The parts for one candidate and one reference.

    ngram: brevity penalty · geometric mean over orders n of matches / n-grams of the candidate. weighted_ngram, as in the authors'
    script: the same mean of matches / n-grams of the reference, with weights for n = 1 and without a penalty, which a recall does
    not need. Orders are those that both programs have; matches are clipped, except of subtrees. A candidate that does not parse
    has syntax and data_flow 0; a reference without data flow gives data_flow 1, so that equal programs score 1. Comments count
    nowhere.

    Raises `InputError` for a reference that is no Python or an unknown language, `Unavailable` for a grammar not installed.

    >>> code_bleu("def f(a):\\n    return a + 1", "def f(x):\\n    return x - 1").data_flow
    1.0
    """
    mine, due = structure_of(candidate, language), structure_of(reference, language)
    if language == "python" and not due.parses:
        raise InputError(f"The reference program is no Python, so nothing can be compared with it: {reference[:80]!r}.")
    broken = due.parses and not mine.parses
    return CodeBleu(
        ngram=_bleu(mine, due, _precision) * _brevity_penalty(mine, due),
        weighted_ngram=_bleu(mine, due, _weighted_recall),
        syntax=0.0 if broken else _share_of_subtrees(mine, due),
        data_flow=0.0 if broken else _share_of_flow(mine, due),
    )


def mean_code_bleu(candidate: str, references: Sequence[str], language: str = "python") -> float:
    """Mean score over the references: LeDex's S_cb. Raises `InputError` if there are none."""
    if not references:
        raise InputError("There is no reference program to be near to.")
    return sum(code_bleu(candidate, reference, language).score for reference in references) / len(references)


def _bleu(mine: Structure, due: Structure, rate: Callable[[Structure, Structure, int], tuple[float, float]]) -> float:
    ours, theirs = len(mine.tokens), len(due.tokens)
    if not ours or not theirs or set(mine.tokens).isdisjoint(due.tokens):
        return 0.0
    orders = range(1, min(ORDERS, ours, theirs) + 1)
    rates = [(matched or SMOOTHING) / of for matched, of in (rate(mine, due, order) for order in orders)]
    return math.exp(sum(map(math.log, rates)) / len(orders))


def _brevity_penalty(mine: Structure, due: Structure) -> float:
    return math.exp(min(0.0, 1 - len(due.tokens) / max(1, len(mine.tokens))))


def _precision(mine: Structure, due: Structure, order: int) -> tuple[float, float]:
    ours = _grams(mine, order)
    return (ours & _grams(due, order)).total(), ours.total()


def _weighted_recall(mine: Structure, due: Structure, order: int) -> tuple[float, float]:
    theirs = _grams(due, order)
    matched = theirs & _grams(mine, order)
    if order > 1:
        return matched.total(), theirs.total()
    return _weighted(matched, due.keywords), _weighted(theirs, due.keywords)


def _weighted(grams: Counter[Gram], keywords: frozenset[str]) -> float:
    return sum(count * (1.0 if gram[0] in keywords else OTHER_WEIGHT) for gram, count in grams.items())


def _grams(structure: Structure, order: int) -> Counter[Gram]:
    tokens = structure.tokens
    return Counter(zip(*(tokens[start:] for start in range(order)), strict=False))


def _share_of_subtrees(mine: Structure, due: Structure) -> float:
    ours = set(mine.subtrees)
    return sum(key in ours for key in due.subtrees) / len(due.subtrees) if due.subtrees else 1.0


def _share_of_flow(mine: Structure, due: Structure) -> float:
    return (Counter(mine.flow) & Counter(due.flow)).total() / len(due.flow) if due.flow else 1.0
