"""One end of the link between two address spaces. Plain data is copied, all else stays where it was made and is asked from afar.

Each side numbers those of its own objects that it has told the other of; the other side holds stand-ins (`far`). The link
is symmetric, so that functions of the tests can be called back. Arguments that a call has changed are changed here too.
A question is (operation, number, args, kwargs), an answer (kind, content, changed arguments); a hello is any other value.
What stands for an object in a message: ("yours", n) · ("known", n), told of before · ("made", name, parts) · ("function", n) ·
("type", n, name, bases, special methods, equality, hashing) · ("mine", n, class, claims to equal anything, plain value).
"""

from __future__ import annotations

import copy
import marshal
from types import BuiltinMethodType, FunctionType, MethodType
from typing import Any

from . import codec, compare, parts, wire
from .far import METHOD, SPECIALS, FarFunction, FarType, Reference, is_far, make_class, make_instance, reference
from .seat import TEXT, describe, text_of

MOST_OBJECTS = 100_000
QUESTION_BYTES = 1 << 26
_ANSWERS = frozenset(("value", "raised", "argument", "is method", "unsendable"))
_CONTAINERS = frozenset((list, dict, set, bytearray))
_MAY_CONTAIN = _CONTAINERS | {tuple}
_VIEWED = (int, float, complex, str, bytes, tuple, frozenset)
_CHANGING = (list, dict, set, bytearray)
_OWN_MODULES = (codec.GUEST_MODULE, codec.TEST_MODULE)


class Gone(BaseException):
    """The other side ended, or sent something that no honest process sends."""


class Peer:
    """One side: its own objects that the other knows by number, and the stand-ins for those of the other."""

    file = wire.ARTEFACT
    """Where the code of this side comes from, for the place of an exception."""

    def __init__(self, link: int, most_in: int, most_out: int) -> None:
        """Limits in bytes: of a message that is read, of one that is sent."""
        self._link, self._most_in, self._most_out = link, most_in, most_out
        self._own: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._far: dict[int, Any] = {}
        self.last: tuple[bytes, bytes] | None = None
        self._got = b""

    # what may be overridden -----------------------------------------------------------------------------------------

    def trusts(self, owner: Any, operands: tuple[Any, ...]) -> bool:
        """True if an object may answer for itself how it compares with these operands."""
        return True

    def guard(self, owner: Any, name: str, operands: tuple[Any, ...]) -> None:
        """Raise if an object may not answer for itself."""

    def perform(self, operation: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Do what the other side asks of one of our objects."""
        return target(*args, **kwargs) if operation == "call" else _OPERATIONS[operation](target, *args, **kwargs)

    def claimed(self, kind: Any) -> None:
        """An object of the other side claims to equal anything."""

    def cannot_ask(self, why: str) -> BaseException:
        """The exception for arguments that cannot be sent."""
        return TypeError(f"the arguments cannot be sent: {why}")

    def unsendable(self, why: str) -> Any:
        """What stands for a result that could not be sent."""
        raise TypeError(f"the result cannot be sent: {why}")

    def give_up(self, why: str) -> Any:
        """Raise, because this cannot be done in two address spaces."""
        raise TypeError(why)

    def broken(self, why: str) -> Any:
        """Raise `Gone`: no honest process sends this."""
        raise Gone(why)

    # asking and answering -------------------------------------------------------------------------------------------

    def ask(self, operation: str, number: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of an operation on the other side's object `number`; raises what it raised."""
        try:
            request = self._encode((operation, number, args, kwargs))
        except codec.CodecError as error:
            raise self.cannot_ask(str(error)) from None
        self.last = (request, b"")
        self.write(request)
        while True:
            message = self.receive()
            if message[0] in _ANSWERS:
                break
            self.answer(message)
        self.last = (request, self._got)
        return self._settle(message, args, kwargs)

    def ask_method(self, number: int, name: str, *args: Any, **kwargs: Any) -> Any:
        """The result of a method of the other side's object `number`."""
        return self.ask("method", number, (name, *args), kwargs)

    def receive(self) -> tuple[Any, ...]:
        """The next question or answer. Raises `CodecError` (a `ValueError`), `EOFError` or `OSError`."""
        self._got = wire.read_block(self._link, self._most_in)
        message = codec.decode(self._got, self._resolve)
        if type(message) is not tuple or not (_is_answer(message) or _is_question(message)):
            raise codec.CodecError("neither a question nor an answer")
        return message

    def answer(self, message: tuple[Any, ...]) -> None:
        """Do what a question asks for and send the answer."""
        operation, number, args, kwargs = message
        before = _picture(args, kwargs)
        try:
            frame = self._result(operation, self._own[number], args, kwargs)
        except Gone:
            raise
        except BaseException as error:
            frame = ("raised", (describe(error, self.file), error))
        changes = _changes(args, kwargs) if before is not None and before != _picture(args, kwargs) else None
        self.tell((*frame, changes))

    def tell(self, message: tuple[Any, ...]) -> None:
        """Send a message; an answer that cannot be sent says so instead."""
        try:
            data = self._encode(message)
        except BaseException as error:
            if message[0] == "raised" and message[1][1] is not None:
                return self.tell(("raised", (message[1][0], None), None))
            data = codec.encode(("unsendable", text_of(error), None))
        return self.write(data)

    def write(self, data: bytes) -> None:
        """Send one message. Raises `OSError` if nobody is there."""
        wire.write_block(self._link, data)

    def _result(self, operation: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, Any]:
        result = self.perform(operation, target, args, kwargs)
        if operation == "getattr" and type(result) in (MethodType, BuiltinMethodType) and result.__self__ is target:
            return "is method", None
        if type(result) in _CONTAINERS:
            for position, argument in enumerate(args):
                if argument is result:
                    return "argument", position
        return "value", result

    def _settle(self, message: tuple[Any, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        kind, content, changes = message
        for key, new in (changes or {}).items():
            if type(key) is int and 0 <= key < len(args):
                _renew(args[key], new, set())
            elif key in kwargs:
                _renew(kwargs[key], new, set())
            else:
                self.broken("it changes an argument that there is not")
        if kind == "raised":
            raise _revived(*content)
        if kind == "argument":
            return args[content] if 0 <= content < len(args) else self.broken("it returns an argument that there is not")
        if kind == "unsendable":
            return self.unsendable(content)
        return METHOD if kind == "is method" else content

    # objects in messages --------------------------------------------------------------------------------------------

    def _encode(self, message: tuple[Any, ...]) -> bytes:
        told = len(self._own)
        try:
            return codec.encode(message, self._most_out, self._stand_in)
        except BaseException:
            for thing in self._own[told:]:  # the other side never heard of these
                del self._numbers[id(thing)]
            del self._own[told:]
            raise

    def _stand_in(self, value: Any, kind: type) -> tuple[Any, ...] | None:
        """What stands for a value in a message, None if it goes as plain data."""
        if is_far(value):
            return "yours", reference(value).number
        made = parts.take_apart(value, kind)
        if made is not None:
            return "made", *made
        if not isinstance(value, type) and _is_plain(kind):
            return None
        number = self._numbers.get(id(value))
        if number is not None:
            return "known", number
        if len(self._own) >= MOST_OBJECTS:
            raise codec.CodecError(f"more than {MOST_OBJECTS} objects")
        number = self._numbers[id(value)] = len(self._own)
        self._own.append(value)
        if kind is FunctionType:
            return "function", number
        return ("type", number, *_about_class(value)) if isinstance(value, type) else ("mine", number, kind, *_about(value, kind))

    def _resolve(self, payload: Any) -> Any:
        """What a stand-in in a received message means here."""
        if payload[0] in ("known", "function", "type", "mine") and payload[1] in self._far:
            return self._far[payload[1]]
        match payload:
            case ("yours", int(number)) if 0 <= number < len(self._own):
                return self._own[number]
            case ("made", str(name), content):
                return parts.put_together(name, content)
            case ("function", int(number)):
                made: Any = make_instance(Reference(self, number), FarFunction, None)
            case ("type", int(number), str(name), tuple(bases), list(specials), str(equality), str(hashing)):
                made = make_class(Reference(self, number), name, bases, specials, equality, hashing)
            case ("mine", int(number), kind, bool(claims), plain) if type(kind) is FarType:
                made = make_instance(Reference(self, number), kind, plain)
                if claims:
                    self.claimed(kind)
            case _:
                raise codec.CodecError("an odd object")
        self._far[number] = made
        return made

    def resolve_sent(self, payload: Any) -> Any:
        """What a stand-in in a message that this side has sent means here."""
        match payload:
            case ("yours", number):
                return self._far[number]
            case ("made", name, content):
                return parts.put_together(name, content)
        return self._own[payload[1]]


def _is_plain(kind: type) -> bool:
    """True for what the codec sends by value although it is no exact built-in type: numbers of numpy, containers of libraries."""
    if any(owner.__module__ == "numpy" and owner.__name__ == "generic" for owner in kind.__mro__):
        return True
    return kind.__module__ not in _OWN_MODULES and issubclass(kind, (*_VIEWED, *_CHANGING))


def _about_class(kind: Any) -> tuple[str, tuple[Any, ...], list[str], str, str]:
    """Name, bases, special methods, equality and hashing of a class."""
    base: Any = next((base for base in (*_VIEWED, *_CHANGING) if issubclass(kind, base)), object)
    if issubclass(kind, BaseException):
        base, equality = next(owner for owner in kind.__mro__ if owner.__module__ == "builtins"), "view"
    elif kind.__eq__ is base.__eq__:
        equality = "identity" if base is object else "view" if base in _VIEWED else "plain"
    else:
        base, equality = object, "own"
    owners = [owner for owner in kind.__mro__ if owner not in (base.__mro__ if equality == "view" else (object,))]
    specials = set() if equality == "view" else {"__repr__", "__str__"}
    specials |= {name for owner in owners for name in vars(owner) if name in SPECIALS}
    hashing = "none" if kind.__hash__ is None else "identity" if kind.__hash__ is object.__hash__ else "own"
    return kind.__qualname__, tuple(owner for owner in kind.__bases__ if owner is not object), sorted(specials), equality, hashing


def _about(value: Any, kind: Any) -> tuple[bool, Any]:
    """Whether an object claims to equal anything, and its plain value if it is a view of one."""
    if isinstance(value, BaseException):
        return False, value.args
    for base in _VIEWED:
        if issubclass(kind, base) and kind.__eq__ is base.__eq__:
            return False, codec.rebuilt(value, base)
    return kind.__eq__ is not object.__eq__ and codec.equals_anything(value), None


def _plain(value: Any) -> Any:
    return codec.rebuilt(value, next(base for base in _CHANGING if isinstance(value, base)))


def _special(target: Any, name: str, *operands: Any) -> Any:
    if name not in SPECIALS and name not in ("__eq__", "__hash__"):
        raise TypeError(f"{name!r} is not asked for from afar")
    return getattr(type(target), name)(target, *operands)


_OPERATIONS: dict[str, Any] = {
    "method": lambda target, name, *args, **kwargs: getattr(target, name)(*args, **kwargs),
    "special": _special,
    "itself": lambda target: target,
    "getattr": getattr,
    "setattr": setattr,
    "delattr": delattr,
    "iter": iter,
    "len": len,
    "getitem": lambda target, key: target[key],
    "plain": _plain,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


def _is_question(message: tuple[Any, ...]) -> bool:
    return [type(part) for part in message] == [str, int, tuple, dict] and message[1] >= 0


def _is_answer(message: tuple[Any, ...]) -> bool:
    if len(message) != 3 or type(message[0]) is not str or message[0] not in _ANSWERS:
        return False
    kind, content, changes = message
    if changes is not None and type(changes) is not dict:
        return False
    if kind == "raised":
        return type(content) is tuple and len(content) == 2 and compare.is_description(content[0])
    return type(content) is {"argument": int, "unsendable": str}.get(kind, type(content))


# arguments that a call has changed --------------------------------------------------------------------------------------


def _picture(args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    """What arguments that may change look like now; None if none may. With objects among them no two pictures are equal."""
    if not any(type(value) in _MAY_CONTAIN for value in (*args, *kwargs.values())):
        return None
    try:
        return marshal.dumps((args, kwargs), 2)
    except ValueError:
        return object()


def _changes(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[Any, Any]:
    return {key: value for key, value in (*enumerate(args), *kwargs.items()) if type(value) in _MAY_CONTAIN}


def _renew(old: Any, new: Any, seen: set[int]) -> Any:
    """Make a container what another is, in place, with its own parts where these are containers of the same type too."""
    if type(old) is not type(new) or type(old) not in _MAY_CONTAIN or id(old) in seen:
        return new
    seen.add(id(old))
    if type(old) is list:
        old[:] = [_renew(old[place], value, seen) if place < len(old) else value for place, value in enumerate(new)]
    elif type(old) is dict:
        renewed = {key: _renew(old[key], value, seen) if key in old else value for key, value in new.items()}
        old.clear()
        old.update(renewed)
    elif type(old) is set:
        old.clear()
        old.update(new)
    elif type(old) is bytearray:
        old[:] = new
    else:
        for value, other in zip(old, new, strict=False):
            _renew(value, other, seen)
        return new
    return old


# exceptions -------------------------------------------------------------------------------------------------------------


def shortened(description: Any) -> tuple[list[str], str, tuple[int, ...] | None]:
    """A description of an exception of bounded size, whatever the other side makes of its names."""
    names, message, place = description
    is_small = place is not None and all(0 <= number < 1 << 31 for number in place)
    return [name[:100] for name in names[:20]], message[:TEXT], place if is_small else None


def _revived(description: Any, sent: Any) -> BaseException:
    """The exception that the other side raised; if it could not be sent, one that says the same."""
    names, message, _ = description = shortened(description)
    error = sent if isinstance(sent, BaseException) else Exception(f"{names[0].rpartition('.')[2]}: {message}")
    vars(error)["remote"] = description
    return error
