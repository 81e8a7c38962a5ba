"""The driver seat: runs test code on a program that lives in another process, the guest, over a socket.

The test code uses the program's functions, classes and objects through stand-ins. Who answers for what is decided here:
an object of the program may be used in any way, but whether it equals, orders, contains or searches a value of the tests
is never its own word, unless the tests made it by calling a class of the program that they name (with a capital letter).
"""

from __future__ import annotations

import builtins
import io
import os
import sys
import time
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import Any, NoReturn

from . import codec, wire
from .far import FarType, Undecided, is_far, reference
from .peer import QUESTION_BYTES, Gone, Peer, shortened
from .seat import TEXT, Seat, describe, repr_of, run_preamble, text_of

_CALLABLE = (FunctionType, BuiltinFunctionType, MethodType, partial, type)


def run(seat: Seat, link: int) -> None:
    """Run test code against the guest. Never returns."""
    namespace: dict[str, Any] = {"__name__": codec.TEST_MODULE}
    run_preamble(seat, namespace)
    seat.ready(wire.DRIVER_READY)
    if "tests" in seat.request:
        from . import suite

        suite.run(seat, link)
    remote = Remote(link, seat.limit + 1000, seat.request["entry_point"])
    if not remote.meet():
        remote.leave()
    for index, (unit, kind, code) in enumerate(seat.request["drives"]):
        seat.start_unit(unit)
        started = time.perf_counter()
        frame = drive(remote, dict(namespace), kind, code)
        seat.send(*frame, index, time.perf_counter() - started)
        if remote.gone:
            remote.leave()
    os._exit(0)


def drive(remote: Remote, namespace: dict[str, Any], kind: str, code: str) -> tuple[Any, ...]:
    """Run one piece of test code. The frame that says how it went: broken, passed, failed or undecided."""
    try:
        compiled = compile(code, wire.DRIVER, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        return "broken", f"{type(error).__name__}: {text_of(error)}"
    remote.begin()
    frame: tuple[Any, ...]
    try:
        candidate = remote.provide(compiled, namespace)
        exec(compiled, namespace)
        if kind == "check":
            namespace["check"](candidate)
    except BaseException as error:
        verdict = remote.verdict()
        description = shortened(describe(error, wire.DRIVER))
        frame = ("failed", description, vars(error).get("remote"), remote.shown(), verdict)
    else:
        frame = ("passed", remote.verdict())
    return ("undecided", remote.undecided) if remote.undecided and not remote.gone else frame


def names_in(code: CodeType) -> set[str]:
    """All global names and attributes that code mentions, in its functions too."""
    return {name for part in _with_nested(code) for name in part.co_names}


def _is_free(code: CodeType, name: str) -> bool:
    """True if code reads a global name that it does not set itself."""
    import dis

    steps = [(step.opname, step.argval) for part in _with_nested(code) for step in dis.get_instructions(part)]
    reads, sets = (any((kind + end, name) in steps for end in ("GLOBAL", "NAME")) for kind in ("LOAD_", "STORE_"))
    return reads and not sets


def _with_nested(code: CodeType) -> list[CodeType]:
    return [code, *(part for constant in code.co_consts if isinstance(constant, CodeType) for part in _with_nested(constant))]


class Foreign:
    """Stands for a value that cannot be sent; equal to itself only, neither true nor false."""

    def __init__(self, why: str) -> None:
        self._why = why

    def __repr__(self) -> str:
        return f"<{self._why}>"

    def __bool__(self) -> bool:
        raise TypeError(f"the returned value cannot be judged: {self._why}")


class Remote(Peer):
    """The guest, as the driver sees it."""

    file = wire.DRIVER

    def __init__(self, link: int, limit: int, entry_point: str) -> None:
        super().__init__(link, limit, QUESTION_BYTES)
        self._entry_point = entry_point
        self._candidate: Any = None
        self._offered: frozenset[str] = frozenset()
        self._called: dict[int, str] = {}
        self.gone = ""
        self.begin()

    def meet(self) -> bool:
        """Wait for the guest's hello: the names that it defines and its entry point. False if it ends before it can serve."""
        try:
            names, entry = codec.decode(wire.read_block(self._link, self._most_in), self._resolve)
            self._offered = frozenset(names)
        except (EOFError, OSError):
            self.gone = "ended"
            return False
        except (ValueError, TypeError):
            self.gone = "forged"
            return False
        self._candidate = entry if is_far(entry) else partial(self.ask_method, 0, self._entry_point)
        if is_far(entry):
            self._called[reference(entry).number] = self._entry_point
        return True

    def leave(self) -> NoReturn:
        """End the driver, telling a guest that has ended from one that the nursery will now end."""
        os._exit(wire.GUEST_GONE if self.gone == "ended" else 0)

    def begin(self) -> None:
        """Forget what the test code before has done."""
        self.last = None
        self.calls, self.claims, self.undecided = 0, False, ""
        self._names_classes = self._may_stop = False
        for value in self._far.values():
            reference(value).expected = False

    def verdict(self) -> tuple[int, str, bool]:
        """Questions asked, why the guest is gone (or empty), whether an object claimed to equal anything."""
        return self.calls, self.gone, self.claims

    def provide(self, code: CodeType, namespace: dict[str, Any]) -> Any:
        """Put what test code names of the program into its namespace, return the entry point."""
        names = names_in(code)
        self._may_stop = "StopIteration" in names
        for name in {self._entry_point, *names}:
            if name != self._entry_point and (name in namespace or hasattr(builtins, name)):
                continue
            value = namespace[name] = self._named(name)
            if type(value) is FarType and name[:1].isupper() and (name == self._entry_point or _is_free(code, name)):
                value.origin.expected = self._names_classes = True
        if codec.GUEST_MODULE in names:
            sys.modules[codec.GUEST_MODULE] = super().ask("itself", 0, (), {})
        self.last = None
        return self._candidate

    def _named(self, name: str) -> Any:
        """What a name means in the program."""
        if name == self._entry_point:
            return self._candidate
        if name not in self._offered:
            return partial(self._missing, name)
        value = super().ask("getattr", 0, (name,), {})
        if is_far(value):
            self._called[reference(value).number] = name
        else:
            self.calls += 1  # to look at a value of the program is to use it
        return value

    def _missing(self, name: str, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        raise NameError(f"name {name!r} is not defined")

    # who may answer for what ----------------------------------------------------------------------------------------

    def trusts(self, owner: Any, operands: tuple[Any, ...]) -> bool:
        """True if the tests made the object, or one of the operands, by calling a class that they name."""
        far = [value for value in operands if is_far(value)]
        if any(reference(value).expected for value in (owner, *far)):
            return True
        return self._names_classes and bool(far) and len(far) == len(operands)

    def guard(self, owner: Any, name: str, operands: tuple[Any, ...]) -> None:
        """Refuse to let an object be the judge of a value that the tests expect."""
        if self.trusts(owner, operands):
            return
        why = f"an object of type {type(owner).__name__} is not plain data, so {name} with a value of the tests is not left to it"
        if self._names_classes:
            self.give_up(why)
        raise TypeError(why)

    def give_up(self, why: str) -> Any:
        """End this test code: what it does cannot be judged here. Stays so if the test code catches it."""
        self.undecided = self.undecided or why[:TEXT]
        raise Undecided(why)

    def claimed(self, kind: Any) -> None:
        """Remember that an object claimed to equal anything."""
        self.claims = True

    def cannot_ask(self, why: str) -> BaseException:
        """Arguments that cannot be sent are the tests' doing."""
        self.undecided = self.undecided or f"the test code passes arguments that cannot be sent: {why}"
        return Undecided(self.undecided)

    def unsendable(self, why: str) -> Any:
        """What stands for a result that could not be sent."""
        return Foreign(why)

    # what the guest may do with objects of the tests ------------------------------------------------------------------

    def perform(self, operation: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Do what the program asks of an object of the tests, within narrow bounds."""
        if operation in ("getattr", "setattr", "delattr", "method"):
            self._permit(operation, target, args[0])
        return super().perform(operation, target, args, kwargs)

    def _permit(self, operation: str, target: Any, name: Any) -> None:
        """Attributes only of the tests' own classes, in-memory files, and public ones; classes themselves are not changed."""
        owner = target if isinstance(target, type) else type(target)
        if type(name) is not str or name.startswith("_") or (isinstance(target, _CALLABLE) and owner.__module__ != codec.TEST_MODULE):
            raise AttributeError(f"{type(target).__name__!r} object has no attribute {text_of(name)!r}")
        if owner.__module__ != codec.TEST_MODULE and owner not in (io.StringIO, io.BytesIO) and hasattr(target, name):
            self.give_up(f"the test code passes an object of type {owner.__module__}.{owner.__qualname__}")
        if operation in ("setattr", "delattr") and (isinstance(target, type) or callable(getattr(owner, name, None))):
            raise AttributeError(f"attribute {name!r} of an object of the tests cannot be replaced")

    # the link -------------------------------------------------------------------------------------------------------

    def ask(self, operation: str, number: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """As for any peer, and count it. A program that raises `StopIteration` must not end the tests' own loops in silence."""
        self.calls += 1
        try:
            return super().ask(operation, number, args, kwargs)
        except StopIteration as error:
            if self._may_stop or (operation == "special" and args[:1] == ("__next__",)):
                raise
            stopped = RuntimeError("the program raised StopIteration")
            vars(stopped)["remote"] = vars(error).get("remote")
            raise stopped from None

    def receive(self) -> tuple[Any, ...]:
        """As for any peer; raises `Gone`, and keeps the reason."""
        try:
            return super().receive()
        except (OSError, EOFError):
            self.gone = self.gone or "ended"
            raise Gone("the program ended during the call") from None
        except ValueError:
            self.broken("the program's answer is malformed")
            raise

    def write(self, data: bytes) -> None:
        """As for any peer; raises `Gone`, and keeps the reason."""
        try:
            super().write(data)
        except OSError:
            self.gone = self.gone or "ended"
            raise Gone("the program ended between two calls") from None

    def broken(self, why: str) -> Any:
        """Raise `Gone`: this was forged."""
        self.gone = "forged"
        raise Gone(why)

    # what is shown of the last question -------------------------------------------------------------------------------

    def shown(self) -> tuple[str, str] | None:
        """The last question as source text and its answer; None if there was none or the program prevents it."""
        try:
            return None if self.last is None else self._shown(*self.last)
        except BaseException:
            return None

    def _shown(self, request: bytes, reply: bytes) -> tuple[str, str]:
        operation, number, args, kwargs = codec.decode(request, self.resolve_sent)
        names = [*(repr_of(value) for value in args), *(f"{key}={repr_of(value)}" for key, value in kwargs.items())]
        what = self._called.get(number) or type(self._far.get(number)).__name__
        if operation in ("method", "special"):
            what, names = f"{what}.{args[0]}" if number else str(args[0]), names[1:]
        text = f"{what}.{args[0]}" if operation == "getattr" else f"{what}({', '.join(names)})"
        return text[:TEXT], self._shown_answer(reply) if reply else ""

    def _shown_answer(self, reply: bytes) -> str:
        kind, content, _ = codec.decode(reply, self._resolve)
        if kind == "raised":
            names, message, _ = content[0]
            return f"raised {names[0].rpartition('.')[2]}: {message}"[:TEXT]
        if is_far(content) and not isinstance(content, tuple | int | float | complex | str | bytes | frozenset):
            return f"{repr_of(content)[:TEXT]} (an object of type {type(content).__name__}, equal to no plain data)"[: 2 * TEXT]
        return repr_of(content)[:TEXT]
