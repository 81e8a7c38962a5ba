"""The link between a test file under judgement and the program: calls of functions, plain data, nothing else.

Tests that judge a program may hold its objects (`peer`). Tests that are judged themselves may not: through an object they
could reach the program's code, and tell the right program from the wrong ones by looking.
"""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from . import codec, wire
from .seat import TEXT, outcome, repr_of, text_of

if TYPE_CHECKING:
    from .suite import Witness


def serve(namespace: dict[str, Any], link: int, limit: int, witness: Witness) -> NoReturn:
    """In the guest: say that the program is loaded, then answer calls before a witness until the driver hangs up."""
    wire.write_block(link, b"")
    while True:
        try:
            request = wire.read_block(link, 1 << 26)
            witness.asked(request)
            name, args, kwargs = codec.decode(request)
        except EOFError:
            os._exit(0)
        function = namespace.get(name)
        frame = outcome(function, args, kwargs) if callable(function) else ("missing", name)
        frame = witness.without_place(frame)
        try:
            data = codec.encode(frame, limit)
        except BaseException as error:
            data = codec.encode(("unsendable", text_of(error)))
        witness.answered(data)
        wire.write_block(link, data)


class GuestGone(BaseException):
    """The judged process ended, or answered with something that no honest process sends."""


class Foreign:
    """Stands for a value that is not plain data; equal to itself only, neither true nor false."""

    def __init__(self, opaque: codec.Opaque) -> None:
        self._opaque = opaque

    def __repr__(self) -> str:
        return self._opaque.text

    def __bool__(self) -> bool:
        raise TypeError(f"an object of type {self._opaque.type_name} is not plain data and cannot be tested for truth")


class Functions:
    """The guest's functions as seen from test code."""

    def __init__(self, link: int, limit: int) -> None:
        self._link, self._limit = link, limit
        self.gone = ""
        self.begin()

    def begin(self) -> None:
        """Forget what the test before has done."""
        self.last: tuple[str, str] | None = None
        self.calls = 0
        self.claims = False

    def is_loaded(self) -> bool:
        """Wait for the guest; False if it ends before it can serve, or says something else."""
        try:
            self.gone = "forged" if wire.read_block(self._link, self._limit) else ""
        except (EOFError, OSError):
            self.gone = "ended"
        except ValueError:
            self.gone = "forged"
        return not self.gone

    def leave(self) -> NoReturn:
        """End the driver, telling a guest that has ended from one that the nursery will now end."""
        os._exit(wire.GUEST_GONE if self.gone == "ended" else 0)

    def verdict(self) -> tuple[int, str, bool]:
        """Calls made, why the guest is gone (or empty), whether an answer claimed to equal anything."""
        return self.calls, self.gone, self.claims

    def function(self, name: str) -> Callable[..., Any]:
        """A function of the program, by its name."""

        def remote(*args: Any, **kwargs: Any) -> Any:
            return self._call(name, args, kwargs)

        remote.__name__ = remote.__qualname__ = name
        return remote

    def _call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.calls += 1
        shown = ", ".join([*(repr_of(value) for value in args), *(f"{key}={repr_of(value)}" for key, value in kwargs.items())])
        self.last = (f"{name}({shown})"[:TEXT], "")
        request = codec.encode((name, args, kwargs), 1 << 26)
        try:
            wire.write_block(self._link, request)
            reply = codec.decode(wire.read_block(self._link, self._limit))
            kind, content = reply
        except (OSError, EOFError):
            self.gone = "ended"
            raise GuestGone("the program ended during the call") from None
        except (ValueError, TypeError):
            self.gone = "forged"
            raise GuestGone("the program's answer is malformed") from None
        return self._answer(kind, content, name)

    def _answer(self, kind: str, content: Any, name: str) -> Any:
        call = self.last[0] if self.last else ""
        if kind == "value":
            self.last = (call, repr_of(content)[:TEXT])
            if isinstance(content, codec.Opaque):
                self.claims = self.claims or content.equals_anything
                return Foreign(content)
            return content
        if kind == "raised":
            self.last = (call, f"raised {_first_line(content)}")
            raise _revived(content)
        if kind == "missing":
            raise NameError(f"name {name!r} is not defined")
        if kind == "unsendable":
            self.last = (call, f"<{content}>"[:TEXT])
            return Foreign(codec.Opaque("unsendable", str(content)[:TEXT], False))
        self.gone = "forged"
        raise GuestGone("the program's answer is malformed")


def _first_line(description: Any) -> str:
    try:
        names, message, _ = description
        return f"{str(names[0]).rpartition('.')[2]}: {message}"[:TEXT]
    except (ValueError, TypeError, IndexError):
        return "?"


def _revived(description: Any) -> BaseException:
    """An exception of the same built-in type as the guest's, so that tests may catch it; but none that would end their loops in silence."""
    error: BaseException = Exception(_first_line(description))
    try:
        names, message, _ = description
        for name in names:
            kind = getattr(builtins, name.removeprefix("builtins."), None) if name.startswith("builtins.") else None
            if isinstance(kind, type) and issubclass(kind, BaseException) and not issubclass(kind, StopIteration):
                error = kind(message)
                break
    except (ValueError, TypeError, AttributeError):
        pass
    error.remote = description  # type: ignore[attr-defined]
    return error
