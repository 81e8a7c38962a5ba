"""The exception tree. Every message says what is wrong, where, and how to mend it.

BurnishError
├── InputError          the user gave something unusable (file, line, option, name)
│   └── UnknownName     a plug-in name that does not exist; lists those that do
├── Unavailable         a tool, package or kernel feature that is needed is missing; says how to get it
├── SandboxError        the jail itself failed: an infrastructure fault, never a verdict about the artefact
├── PolicyError         a model or an endpoint failed
├── StoreError          a run store is unreadable, newer than this version, or in use
└── BudgetExceeded      a limit was reached
    └── ContextExceeded the model cannot read that much (also an InputError)
"""

from __future__ import annotations

from collections.abc import Iterable


class BurnishError(Exception):
    """Base of everything Burnish raises on purpose. The command line prints it without a traceback."""


class InputError(BurnishError):
    """Unusable input. `str(error)` is the whole story for the user."""


class UnknownName(InputError):
    """A name that no plug-in has."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        listed = ", ".join(sorted(known)) or "none"
        super().__init__(f"There is no {what} named {name!r}. Known: {listed}. Your own: give an import path 'package.module:object'.")


class Unavailable(BurnishError):
    """Something needed is not installed or not permitted here."""


class SandboxError(BurnishError):
    """The jail could not do its work. Verdicts become `error`, which is never a reward and never cached."""


class PolicyError(BurnishError):
    """A model engine failed."""


class StoreError(BurnishError):
    """A run store cannot be used as asked."""


class BudgetExceeded(BurnishError):
    """A budget is spent."""


class ContextExceeded(BudgetExceeded, InputError):
    """Prompt and completion together are longer than the model can read: a mistake of the caller, or the end of an episode."""
