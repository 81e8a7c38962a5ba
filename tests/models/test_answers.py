"""Pieces of a server's answer: what is told in part is never assigned by guessing."""

from __future__ import annotations

import pytest

from burnish.core.errors import PolicyError
from burnish.models._answers import Answer, aligned


@pytest.mark.parametrize(
    ("ids", "told", "expected"),
    [
        ([1, 2, 3], [(1, -0.1), (2, -0.2), (3, -0.3)], [-0.1, -0.2, -0.3]),
        ([1, 2, 3], [(1, -0.1), (3, -0.3)], [-0.1, None, -0.3]),
        ([1, 2, 3], [(1, -0.1)], [-0.1, None, None]),
        ([5, 5, 7], [(5, -0.5), (7, -0.7)], [None, None, -0.7]),
        ([5, 6, 5], [(5, -0.5)], [None, None, None]),
        ([1, 2], [(3, -0.3)], [None, None]),
        ([], [], []),
    ],
)
def test_a_logprob_is_given_to_an_id_only_where_it_can_be_no_others(ids, told, expected) -> None:
    assert aligned(ids, told) == expected


def test_pieces_add_up() -> None:
    answer = Answer()
    answer.add({"choices": [{"text": "a", "token_ids": [1], "logprobs": {"token_logprobs": [-0.5]}, "finish_reason": None}]})
    answer.add({"choices": [{"text": "b", "token_ids": [2, 9], "logprobs": {"token_logprobs": [-0.25, -0.1]}, "finish_reason": "stop"}]})
    answer.add({"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 3}})
    assert (answer.text, answer.ids, answer.logprobs) == ("ab", [1, 2, 9], [-0.5, -0.25, -0.1])
    assert (answer.tokens_in, answer.tokens_out) == (4, 3)


@pytest.mark.parametrize(
    ("answer", "stops", "reason"),
    [
        (Answer(finish="length"), (), "length"),
        (Answer(finish="stop", ids=[1, 9]), ("x",), "eos"),
        (Answer(finish="stop", ids=[1, 2]), ("x",), "stop"),
        (Answer(finish="stop"), (), "eos"),
        (Answer(finish="stop"), ("x",), "stop"),
        (Answer(finish="stop", ended="eos"), ("x",), "eos"),
    ],
)
def test_stop_reasons(answer: Answer, stops: tuple[str, ...], reason: str) -> None:
    assert answer.stop_reason(stops, {9}) == reason


def test_a_filtered_answer_is_no_answer() -> None:
    with pytest.raises(PolicyError, match="content_filter"):
        Answer(finish="content_filter").stop_reason((), ())
