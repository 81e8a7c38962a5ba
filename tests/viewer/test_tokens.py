import pytest

from burnish.core.records import Attempt, Message, Span, TokenRecord
from burnish.models._pieces import pieces_by
from burnish.training.journal import Learned
from burnish.viewer.tokens import spans_of, tokens_of

TEXT = "Why: ä.\ncode"
IDS = tuple(TEXT.encode())
EXPLANATION, CODE = Span(kind="explanation", start=0, end=7), Span(kind="code", start=8, end=12)


def pieces(ids):
    return pieces_by(lambda part: bytes(part).decode(errors="replace"))(ids)


def attempt(logprobs, spans=(EXPLANATION, CODE), text=TEXT):
    tokens = TokenRecord(ids=(1, *IDS), sampled=((1, 1 + len(IDS)),), logprobs=logprobs)
    return Attempt(id="a", task_id="t", op="sample", messages=(Message(role="user", content="?"),), text=text, spans=spans, tokens=tokens)


def test_pieces_join_to_the_text_and_a_cut_character_stands_at_its_end():
    assert pieces(IDS)[5:7] == ["", "ä"]
    assert "".join(pieces(IDS)) == TEXT
    assert pieces(b"a\xc3") == ["a", "\ufffd"]
    assert pieces(()) == []


def test_a_token_has_what_is_known_of_it():
    known = Learned(attempt_id="a", step=1, reward=1.0, advantage=(0.5,) * len(IDS), trainer=(-0.75,) * len(IDS))
    (first, *_) = tokens_of(attempt((-1.0,) * len(IDS)), known, pieces)
    assert (first.text, first.logprob, first.difference, first.advantage) == ("W", -1.0, 0.25, 0.5)
    (first, *_) = tokens_of(attempt((None,) + (-1.0,) * (len(IDS) - 1)), None, pieces)
    assert (first.logprob, first.difference, first.advantage) == (None, None, None)


def test_nothing_is_shown_of_tokens_about_which_nothing_is_known():
    assert tokens_of(attempt((0.0,) * len(IDS)), None, pieces) == ()
    assert tokens_of(attempt(()), None, pieces) == ()
    assert tokens_of(attempt((-1.0,) * len(IDS)), None, None) == ()


def test_each_part_has_its_reward_and_means():
    advantages = (1.0,) * 8 + (-1.0,) * (len(IDS) - 8)
    known = Learned(attempt_id="a", step=1, reward=0.0, advantage=advantages, credit=((7, 0.25), (len(IDS) - 1, -0.5)))
    one = attempt((-2.0,) * len(IDS))
    explanation, code = spans_of(one, tokens_of(one, known, pieces), known, ())
    assert (explanation.kind, explanation.text, explanation.tokens, explanation.reward, explanation.advantage) == (
        "explanation",
        "Why: ä.",
        8,
        0.25,
        1.0,
    )
    assert (code.tokens, code.reward, code.advantage, code.logprob) == (4, -0.5, -1.0, -2.0)


def test_a_forced_beginning_does_not_shift_the_parts():
    one = attempt((-1.0,) * len(IDS), text="Forced." + TEXT, spans=(Span(kind="code", start=15, end=19),))
    (code,) = spans_of(one, tokens_of(one, None, pieces), None, ())
    assert code.tokens == 4


@pytest.mark.parametrize(("scores", "rewards"), [((0.5, None), [0.5, None]), ((0.5,), [None, None])])
def test_steps_have_the_scores_of_the_judge_if_they_are_as_many(scores, rewards):
    steps = (Span(kind="step", start=0, end=7), Span(kind="step", start=8, end=12))
    one = attempt((), spans=steps)
    assert [line.reward for line in spans_of(one, (), None, scores)] == rewards
