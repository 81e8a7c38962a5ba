"""Parallel thinking while decoding: forks, merges and limits, with token truth. Scripted policies, the real judge."""

import pytest

from burnish.core.budget import Budget
from burnish.core.errors import InputError
from burnish.core.records import Attempt, Sampling
from burnish.models._parallel import path_positions
from burnish.models.scripted import ScriptedPolicy
from burnish.strategies._prefixes import sampled_ids
from burnish.text.parallel import is_well_formed, layout

CODE = "```python\ndef add(a, b):\n    return a + b\n```"


def begun(messages):
    return messages[-1].content if messages[-1].role == "assistant" else ""


def thinking(messages, seed):
    """Writes paths and summaries where it is put into them, asks for one block of its own accord, then answers."""
    start = begun(messages)
    if start.endswith("<Path>"):
        return f"idea {seed % 1000}</Path> never read"
    if start.endswith("<Summary>"):
        return "add them</Summary> never read"
    return f"Let me think. <Parallel> never read {CODE}" if "<Parallel>" not in start else f"\n{CODE}"


def test_a_reply_that_forks_by_itself(run):
    store, policy = run(thinking, strategy="parallel", options={"begin": False})
    attempts = list(store.attempts())
    assert [attempt.op for attempt in attempts] == ["sample", "path", "path", "summary", "continue"]
    answer = store.attempt(store.episodes()[0].answer)
    assert answer is not None
    assert answer.text.startswith("Let me think. <Parallel><Path>idea ")
    assert "never read" not in answer.text
    assert is_well_formed(answer.text)
    assert store.label(answer.id).passed
    assert policy.calls == 5


def test_paths_are_drawn_from_the_fork_alone_with_their_own_seeds(run):
    store, _ = run(thinking, strategy="parallel", options={"begin": False, "paths": 3})
    paths = [attempt for attempt in store.attempts() if attempt.op == "path"]
    assert len({attempt.text for attempt in paths}) == 3
    assert len({attempt.tokens.ids[: attempt.tokens.sampled[0][0]] for attempt in paths}) == 1
    assert all(attempt.sampling.temperature == 1.0 for attempt in paths)
    assert all(attempt.text.count("idea") == 1 for attempt in paths)
    summary = next(attempt for attempt in store.attempts() if attempt.op == "summary")
    assert summary.text.count("idea") == 3


def test_a_model_that_never_forks_is_started_with_a_block(run):
    store, _ = run(thinking, strategy="parallel")
    assert [attempt.op for attempt in store.attempts()] == ["path", "path", "summary", "continue"]
    answer = store.attempt(store.episodes()[0].answer)
    assert answer.text.startswith("<Parallel><Path>")
    assert store.label(answer.id).passed


def test_what_was_put_in_by_force_is_not_counted_as_sampled(run):
    store, _ = run(thinking, strategy="parallel")
    answer = store.attempt(store.episodes()[0].answer)
    start, end = answer.tokens.sampled[0]
    assert bytes(token for token in answer.tokens.ids[start:end] if token < 256).decode() == f"\n{CODE}"
    read = bytes(token for token in answer.tokens.ids[:start] if token < 256).decode()
    assert read.endswith("</Parallel>\n<Summary>add them</Summary>")


def test_paths_that_do_not_end_are_closed(run):
    def endless(messages, seed):
        return "x" * 500 if begun(messages).endswith(("<Path>", "<Summary>")) else CODE

    store, _ = run(endless, strategy="parallel", options={"path_tokens": 20, "blocks": 1})
    answer = store.attempt(store.episodes()[0].answer)
    assert is_well_formed(answer.text)
    assert answer.text.count("x" * 20 + "</Path>") == 2


def test_no_more_blocks_than_allowed_and_no_more_tokens_than_the_budget(run):
    def forking(messages, seed):
        start = begun(messages)
        return "t</Path>" if start.endswith("<Path>") else "s</Summary>" if start.endswith("<Summary>") else "<Parallel>"

    store, _ = run(forking, strategy="parallel", options={"blocks": 3, "begin": False})
    ops = [attempt.op for attempt in store.attempts()]
    assert ops.count("summary") == 3
    assert ops.count("path") == 6
    limits = {"budget": Budget(tokens=120), "sampling": Sampling(max_tokens=40)}
    store, _ = run(forking, strategy="parallel", folder="other", options={"blocks": 9}, **limits)
    assert sum(attempt.cost.tokens_out for attempt in store.attempts()) <= 120


def test_sibling_paths_are_told_to_the_engine_and_do_not_see_each_other(run, monkeypatch):
    requests = []
    generate = ScriptedPolicy.generate

    async def watched(self, request):
        requests.append(request)
        return await generate(self, request)

    monkeypatch.setattr(ScriptedPolicy, "generate", watched)
    run(thinking, strategy="parallel", options={"blocks": 1})
    assert [len(request.parallel) for request in requests] == [0, 0, 1, 1]
    summary = requests[2]
    for start, end in summary.parallel[0]:
        path = bytes(summary.prompt_ids[start:end]).decode()
        assert path.startswith("<Path>idea")
        assert path.endswith("</Path>")
    (first, second), (third, fourth) = summary.parallel[0]
    assert second == third
    sizes = [second - first, fourth - third]
    items = ["p"] * (first - 1) + ["<Parallel>"]
    for size in sizes:
        items += ["<Path>", *["x"] * (size - 2), "</Path>"]
    found = layout([*items, "</Parallel>"])
    assert found.positions == path_positions(fourth + 1, summary.parallel)
    assert not found.sees(third, first)


def test_a_model_that_tells_only_text_is_refused_with_one_clear_message():
    bare = Attempt(id="a", task_id="t", op="sample", messages=(), text="x", policy="some-server")
    with pytest.raises(InputError, match="some-server.*only their text"):
        sampled_ids(bare)
