"""What tests of strategies share: a task of two visible tests, and a writer that is scripted by what it is asked for."""

import pytest

from burnish.core.records import CheckSpec, Task

HIDDEN = "(918273, 645)"


@pytest.fixture
def two_tests():
    """An addition with two visible tests, a hidden one and a reference that nobody may see."""
    visible = [("v1", "(1, 0)", "1"), ("v2", "(2, 3)", "5")]
    checks = [CheckSpec(id=name, kind="call", data={"args": args, "expected": due}) for name, args, due in visible]
    checks.append(CheckSpec(id="h1", kind="call", data={"args": HIDDEN, "expected": "918918"}, hidden=True))
    return Task(
        id="add",
        group_id="add",
        kind="python",
        prompt="Write `add(a, b)`.",
        checks=tuple(checks),
        refs=("SECRET",),
        context={"entry_point": "add"},
    )


def program(body, name="add"):
    return f"```python\ndef {name}(a, b):\n    return {body}\n```"


def prompts(store):
    return ["\n".join(message.content for message in attempt.messages) for attempt in store.attempts()]


def ops(store):
    return [attempt.op for attempt in store.attempts()]


def assert_nothing_hidden(store):
    for prompt in prompts(store):
        assert not any(secret in prompt for secret in ("918273", "918918", "SECRET"))


class Roles:
    """A scripted model that knows what it is asked for by the words of the prompt, and answers each role from its own list."""

    def __init__(self, words, **replies):
        self.words, self.replies = words, {role: list(texts) for role, texts in replies.items()}
        self.asked = []

    def __call__(self, messages, seed):
        text = messages[-1].content
        role = next(role for role, word in self.words.items() if word in text)
        self.asked.append(role)
        left = self.replies[role]
        reply = left.pop(0) if len(left) > 1 else left[0]
        return reply(text) if callable(reply) else reply
