"""Constrained answers on a tiny random model: what is written matches, at the probabilities that are recorded, and ends when it may."""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Callable

import pytest
import torch

from burnish.core.errors import InputError
from burnish.core.records import Constraint, Sampling
from burnish.models import Completion, Request
from burnish.models.scores import Scorer
from burnish.models.transformers import TransformersPolicy

from .conftest import build_model

pytest.importorskip("xgrammar", reason="pip install xgrammar")

Make = Callable[..., TransformersPolicy]
PROMPT = (40, 41, 42, 43, 44)
SCHEMA = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}, "n": {"enum": [1, 22]}, "way": {"type": "string", "pattern": "^[a-c]{1,4}$"}},
    "required": ["ok", "n", "way"],
    "additionalProperties": False,
}
BRACKETS = 'root ::= "(" inner ")"\ninner ::= root | [a-c] "," inner | [0-9]'
"""No regular expression counts brackets."""


def run(policy: TransformersPolicy, *asked: Request) -> list[Completion]:
    async def gather() -> list[Completion]:
        return list(await asyncio.gather(*map(policy.generate, asked)))

    return asyncio.run(gather())


def ask(kind: str, text: str, seed: int, **sampling: object) -> Request:
    shape = Constraint(kind=kind, text=text)  # type: ignore[arg-type]
    return Request(prompt_ids=PROMPT, sampling=Sampling(**{"max_tokens": 100, "seed": seed, "constraint": shape, **sampling}))


def is_object(text: str) -> bool:
    answer = json.loads(text)
    way = re.fullmatch("[a-c]{1,4}", answer["way"])
    return answer.keys() == {"ok", "n", "way"} and isinstance(answer["ok"], bool) and answer["n"] in (1, 22) and way is not None


def is_bracketed(text: str) -> bool:
    opened = text.count("(")
    return opened == text.count(")") and re.fullmatch(r"(\(|[a-c],)+[0-9]\)+", text) is not None


def is_code(text: str) -> bool:
    return re.fullmatch("[a-f]{3}-[0-9]{2,4}", text) is not None


CASES = [
    pytest.param("json", json.dumps(SCHEMA), is_object, id="json"),
    pytest.param("regex", "[a-f]{3}-[0-9]{2,4}", is_code, id="regex"),
    pytest.param("grammar", BRACKETS, is_bracketed, id="grammar"),
]


@pytest.mark.parametrize(("kind", "text", "matches"), CASES)
def test_what_is_written_matches(make_policy: Make, kind: str, text: str, matches: Callable[[str], bool]) -> None:
    """Several at once, each with a state of its own, beside a free one that does not notice them."""
    policy = make_policy(build_model(max_position_embeddings=512))  # the model is fond of white space
    free = Request(prompt_ids=PROMPT, sampling=Sampling(max_tokens=8, seed=1))
    *got, beside = run(policy, *(ask(kind, text, seed, max_tokens=450) for seed in range(6)), free)
    assert len({completion.text for completion in got}) > 1
    ended = [completion for completion in got if completion.stop_reason == "eos"]
    assert len(ended) > 2
    assert all(matches(completion.text) for completion in ended)
    assert beside.ids == run(policy, free)[0].ids


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
@pytest.mark.parametrize(("kind", "text", "matches"), CASES)
def test_recorded_is_the_distribution_that_was_drawn_from(
    make_policy: Make, kind: str, text: str, matches: Callable[[str], bool], temperature: float
) -> None:
    """Recomputed from whole logits, and from a state of the grammar of its own."""
    policy = make_policy()
    request = ask(kind, text, 4, temperature=temperature)
    (got,) = run(policy, request)
    state = policy._constraint_compiler().matcher(request.sampling.constraint)
    with torch.no_grad():
        logits = policy.model(input_ids=torch.tensor([[*PROMPT, *got.ids]])).logits[0, len(PROMPT) - 1 : -1].float()
    for index, token in enumerate(got.ids):
        probabilities = (logits[index] / (temperature or 1.0)).softmax(-1)
        allowed = state.allowed()
        assert allowed[token]
        mass = float(probabilities[allowed].sum())
        kept = got.kept[index] if got.kept else 1.0
        assert kept == pytest.approx(mass, abs=1e-5)
        assert got.logprobs[index] == pytest.approx(math.log(float(probabilities[token]) / mass), abs=2e-4)
        raw = float(logits[index].log_softmax(-1)[token])
        assert (got.raw_logprobs or got.logprobs)[index] == pytest.approx(raw, abs=2e-4)
        if temperature == 0:
            assert float(probabilities[token]) == float(probabilities[allowed].max())
        state.accept(token)
    assert Scorer(policy.model).mismatch([got.record(PROMPT)], temperature=temperature).maximum < 1e-3


def test_an_answer_ends_only_where_it_may_and_then_it_must(make_policy: Make) -> None:
    """The end of the turn is allowed once all is matched; where nothing else is, it is certain."""
    policy = make_policy()
    (got,) = run(policy, ask("regex", "abc", 0))
    assert (got.text, got.stop_reason) == ("abc", "eos")
    assert got.ids[-1] in policy.renderer.stop_ids
    assert not set(got.ids[:-1]) & policy.renderer.stop_ids
    state = policy._constraint_compiler().matcher(Constraint(kind="regex", text="abc"))
    for token in got.ids[:-1]:
        assert not state.allowed()[sorted(policy.renderer.stop_ids)].any()
        state.accept(token)
    assert set(state.allowed().nonzero()[:, 0].tolist()) == policy.renderer.stop_ids


def test_limits_stop_strings_and_forced_beginnings_work_as_ever(make_policy: Make) -> None:
    """A forced beginning is no part of what must match: it is read, not written."""
    policy = make_policy()
    digits = Constraint(kind="regex", text="[0-9]{30}")
    cut, stopped, begun = run(
        policy,
        ask("regex", digits.text, 1, max_tokens=5),
        ask("regex", "[0-9]{10};[0-9]{10}", 1, stop=(";",)),
        Request(prompt_ids=PROMPT, prefix_ids=(60, 61), sampling=Sampling(max_tokens=60, seed=2, constraint=digits)),
    )
    assert (cut.stop_reason, re.fullmatch("[0-9]{5,29}", cut.text) is not None) == ("length", True)
    assert (stopped.stop_reason, re.fullmatch("[0-9]{10}", stopped.text) is not None) == ("stop", True)
    assert begun.text[len(policy.renderer.decode((60, 61))) :].isdigit()
    assert begun.stop_reason == "eos"


def test_special_tokens_never_match(make_policy: Make) -> None:
    """Any text matches, but a turn's header is no text."""
    policy = make_policy()
    state = policy._constraint_compiler().matcher(Constraint(kind="regex", text=r"[\s\S]*"))
    assert not state.allowed()[policy.tokenizer.convert_tokens_to_ids("<|im_start|>")]
    assert state.allowed()[policy.tokenizer.convert_tokens_to_ids("<|im_end|>")]


def test_an_unreadable_constraint_is_refused(make_policy: Make) -> None:
    for kind, text in (("regex", "[0-9"), ("json", "{"), ("grammar", "root ::= other")):
        with pytest.raises(InputError, match=f"is no {kind}"):
            run(make_policy(), ask(kind, text, 0, max_tokens=9))
