import pytest

from burnish.core.errors import InputError
from burnish.text.ngrams import grams, telling


def test_runs_of_words():
    assert grams("Write `add(a, b)`, quickly!", 3) == {("write", "add", "a"), ("add", "a", "b"), ("a", "b", "quickly")}
    assert grams("Add it.", 3) == {("add", "it")}
    assert grams(" ", 3) == set()
    with pytest.raises(InputError, match="at least 1"):
        grams("a", 0)


def test_what_several_texts_share_tells_nothing():
    texts = ["write a function that adds", "write a function that sorts", "count"]
    assert telling(texts, 3) == {("function", "that", "adds"): 0, ("function", "that", "sorts"): 1, ("count",): 2}
