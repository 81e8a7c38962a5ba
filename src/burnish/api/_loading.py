"""Finding what a function is given by name: tasks, models, verifiers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from burnish.core import plugins
from burnish.core.errors import InputError
from burnish.core.records import Task

if TYPE_CHECKING:
    from burnish.models import Need
    from burnish.models.base import Policy
    from burnish.verifiers.base import Verifier


Update = Callable[[int, int, str], None]
"""`(done, total, note)`: called as a long piece of work goes on."""


def load_tasks(tasks: str, *, limit: int | None = None) -> list[Task]:
    """The tasks of a set (`humaneval`, `first-functions:train`) or of a JSONL file; only the first `limit` if given."""
    from burnish.tasks import load

    loaded = load(tasks)
    if not loaded:
        raise InputError(f"{tasks!r} holds no tasks.")
    return loaded[:limit]


def load_model(
    model: str, *, engine: str = "auto", needs: Collection[Need] | None = None, options: Mapping[str, Any] | None = None
) -> Policy:
    """A policy: `embedded`, a local folder, a hub name, a GGUF file, or a server's address. See `burnish.models.load`."""
    from burnish.models import load

    return load(model, engine, needs=needs, **(options or {}))


def verifier_of(tasks: Sequence[Task], options: Mapping[str, Any] | None = None) -> Verifier:
    """The one verifier that judges these tasks: the shared one, or one of your own if you give `options` (`{"workers": 8}`).

    Raises `InputError` if they need several, or if there is no such option.
    """
    kinds = {task.kind for task in tasks}
    if len(kinds) != 1:
        raise InputError(f"These tasks need several verifiers ({', '.join(sorted(kinds))}). Handle each kind by itself.")
    kind = kinds.pop()
    verifier: Verifier = plugins.find("verifier", kind)
    if not options:
        return verifier
    plugins.check_options(type(verifier), options, f"verifier {kind!r}")
    own: Verifier = type(verifier)(**options)
    return own
