"""Searches that were interrupted: what is finished is not done again, and the forest is the one of an undisturbed run."""

import pytest

from burnish.core.budget import Budget
from burnish.core.records import Sampling

HEAD = "```python\ndef add(a, b):\n    total = "
BODIES = ("a - b", "a * b", "a - b - 1", "b - a", "a + b + 1")
TESTS = "```python\nassert add(1, 2) == 3\nassert add(5, 5) == 10\n```"


def reply(messages, seed):
    """A wrong program that depends on the seed, from where it was begun; tests, paths and reviews where they are asked for."""
    last = messages[-1]
    if "test cases" in last.content:
        return TESTS
    if "score from 0 to 10" in last.content:
        return f"Review {seed % 97}."
    begun = last.content if last.role == "assistant" else ""
    if begun.endswith(("<Path>", "<Summary>")):
        return f"idea {seed % 97}</Path></Summary>"
    wholes = [f"{HEAD}{BODIES[(seed + n) % len(BODIES)]}\n    return total\n```" for n in range(len(BODIES))]
    return next((whole[len(begun) :] for whole in wholes if whole.startswith(begun)), wholes[0])


OPTIONS = {
    "best_of_n": {"n": 6},
    "self_consistency": {"n": 6, "select": "rpc"},
    "codet": {"n": 5},
    "consensus": {"n": 5},
    "vm_mcts": {"iterations": 3, "samples": 3},
    "magicore": {"k": 7, "rounds": 1, "typical": 2.0},
    "parallel": {"blocks": 2},
    "rest": {"n": 4},
}


@pytest.mark.parametrize("strategy", OPTIONS)
def test_an_interrupted_search_goes_on_to_the_same_forest(run, strategy):
    def forest(store):
        episode = store.episodes()[0]
        return episode.status, episode.answer, {a.id: (a.parent_id, a.op, a.text) for a in store.attempts()}

    def dies_after(count):
        calls = iter(range(1000))

        def dying(messages, seed):
            if next(calls) >= count:
                raise RuntimeError("killed")
            return reply(messages, seed)

        return dying

    limits = {"budget": Budget(tokens=1500), "sampling": Sampling(max_tokens=200), "options": OPTIONS[strategy]}
    whole, _ = run(reply, strategy=strategy, folder="whole", **limits)
    expected = forest(whole)
    assert expected[0] == "done"
    for count in (1, 2):
        store, _ = run(dies_after(count), strategy=strategy, folder="broken", **limits)
        assert store.episodes()[0].status == "error"
    store, policy = run(reply, strategy=strategy, folder="broken", **limits)
    assert forest(store) == expected
    assert policy.calls < len(expected[2])
