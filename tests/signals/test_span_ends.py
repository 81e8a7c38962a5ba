"""Where the rewards of an explanation and its code fall, from text to tokens to advantages."""

import pytest
import torch

from burnish.models import ByteRenderer
from burnish.objectives.advantages.span_gae import span_gae
from burnish.objectives.base import AdvantageBatch
from burnish.objectives.credit import at_ends
from burnish.signals.ledex import RepairReward
from burnish.signals.span_ends import explanation_length, reward_ends, tokens_within
from burnish.text.code import extract_code, spans_of

REPLY = "It is off by one.\n\n```python\ndef f(x):\n    return x\n```\nDone."
VOCABULARY = ["It is off", " by one.", "\n\n", "```", "python\n", "def f(x):", "\n    return x\n", "```\nDone.", ""]


def decode(ids):
    return "".join(VOCABULARY[index] for index in ids)


def spans(text):
    return spans_of(text, extract_code(text, "f"))


@pytest.mark.parametrize(
    ("text", "explanation"),
    [
        (REPLY, "It is off by one.\n\n"),
        ("```python\ndef f(x): return x\n```", ""),
        ("I cannot do this.", "I cannot do this."),
        ("Why.\n  ```python\n  def f(x): return x\n```", "Why.\n  "),
        ("Why.\n\ndef f(x): return x", "Why.\n\n"),
        ("Why.\ndef f(x): return x", "Why.\n"),
        ("", ""),
    ],
)
def test_the_explanation_goes_up_to_the_fence(text, explanation):
    assert text[: explanation_length(text, spans(text))] == explanation


def test_rewards_fall_on_the_last_token_before_the_fence_and_on_the_last_of_all():
    ids, explained = range(len(VOCABULARY)), explanation_length(REPLY, spans(REPLY))
    assert decode(ids) == REPLY
    assert reward_ends(RepairReward(code=1.5, explanation=2.0), ids, explained, decode) == ([2, 8], [2.0, 1.5])
    assert reward_ends(RepairReward(code=1.5), ids, explained, decode) == ([8], [1.5])


def test_a_token_that_reaches_into_the_fence_belongs_to_the_code():
    merged = ["It is off", " by one.", "\n\n```", "python\n"]
    assert tokens_within(range(4), len("It is off by one.\n\n"), lambda ids: "".join(merged[index] for index in ids)) == 2


def test_one_token_takes_both():
    reward = RepairReward(code=-5.0, explanation=-2.0)
    assert reward_ends(reward, range(3), 19, decode) == ([2], [-7.0])  # a reply without code: both at its end
    assert reward_ends(reward, range(3, 9), 0, decode) == ([5], [-7.0])  # an explanation was asked for and left out


def test_ends_are_found_in_bytes_that_cut_characters():
    renderer, text = ByteRenderer(), "Größer – nicht kleiner.\n```python\ndef f(x): return x\n```"
    ids = [*text.encode(), renderer.end]
    (ends, _) = reward_ends(RepairReward(code=1.0, explanation=1.0), ids, explanation_length(text, spans(text)), renderer.decode)
    assert renderer.decode(ids[: ends[0] + 1]) == "Größer – nicht kleiner.\n"
    assert ends[1] == len(ids) - 1


@pytest.mark.parametrize(
    ("cut", "expected"), [(0, [3.291685, 3.236046, 1.130349, 1.0751, 0.99]), (1, [1.8898, 1.82, 1.130349, 1.0751, 0.99])]
)
def test_from_a_reply_to_the_advantages_of_the_paper(cut, expected):
    """|e| = 2, |r| = 3, R(e) = 2, R(r) = 1.5: literal and cut."""
    words = ["Off by", " one.\n", "```python\n", "def f(x): return x\n", "```"]
    text = "".join(words)
    reward = RepairReward(code=1.5, explanation=2.0)
    ends, scores = reward_ends(reward, range(5), explanation_length(text, spans(text)), lambda ids: "".join(words[i] for i in ids))
    mask = torch.ones(1, 5, dtype=torch.float64)
    token_reward, segment_end = at_ends([ends], [scores], mask)
    batch = AdvantageBatch(
        reward=torch.zeros(1).double(),
        group=torch.zeros(1).long(),
        mask=mask,
        value=torch.tensor([[0.1, 0.2, 0.3, 0.4, 0.5]]).double(),
        old=torch.tensor([[0.01, -0.02, 0.03, 0, 0.01]]).double(),
        reference=torch.zeros(1, 5).double(),
        token_reward=token_reward,
        segment_end=segment_end,
    )
    found = span_gae.function(batch, span_gae.options({"kl": 1.0, "cut": float(cut)}))
    assert found[0].tolist() == pytest.approx(expected, rel=0, abs=5e-7)
