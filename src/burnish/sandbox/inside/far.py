"""Stand-ins for objects of the other address space: real local classes whose instances ask across the link.

A class of the program becomes a local class of the same name, so that `isinstance`, `except MyError` and `type(x).__name__`
work; it has those special methods that its original has. Instances of immutable built-in types (named tuples, integer
enumerations) and exceptions also hold their plain value, so that comparison is the built-in one and local.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from . import codec

if TYPE_CHECKING:
    from .peer import Peer

_ARITHMETIC = ("add", "sub", "mul", "truediv", "floordiv", "mod", "divmod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift")
GUARDED = frozenset(f"__{side}{name}__" for name in _ARITHMETIC for side in ("", "r", "i")) | frozenset(
    f"__{name}__" for name in ("lt", "le", "gt", "ge", "contains")
)
"""Special methods that see a value which the tests may expect: an object may not answer these about itself."""
_FREE = (
    *("len", "iter", "next", "reversed", "getitem", "setitem", "delitem", "enter", "exit", "str", "repr", "format", "bytes"),
    *("bool", "int", "float", "complex", "index", "round", "trunc", "floor", "ceil", "neg", "pos", "abs", "invert", "call"),
)
SPECIALS = GUARDED | frozenset(f"__{name}__" for name in _FREE)
SEARCHES = frozenset(name for name in dir(str) if name.startswith("is")) | frozenset(
    ("startswith", "endswith", "find", "rfind", "index", "rindex", "count", "issubset", "issuperset", "isdisjoint", "is_integer")
)
"""Methods of built-in values that tell whether something is so: an object that plays such a value may not answer them."""
EQUALITIES = ("identity", "own", "plain", "view")
"""How instances compare: by identity, by their class's own method, as the changing built-in value they are, as an unchanging one."""
METHOD = object()
"""What asking for an attribute gives when it is a method: it is then called by name."""


class Undecided(BaseException):
    """Test code did something that cannot be judged with program and tests in two address spaces."""


class Reference:
    """Where the original is: the peer that leads to it, its number there, whether tests made it by calling a class that they name."""

    __slots__ = ("expected", "methods", "number", "peer")

    def __init__(self, peer: Peer, number: int) -> None:
        self.peer, self.number, self.expected = peer, number, False
        self.methods: dict[str, Any] = {}


class FarType(type):
    """The class of local classes that stand for classes of the other side."""

    origin: Reference
    equality: str

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], far: bool = False) -> FarType:
        """Make a class; a class statement of the tests (not `far`) cannot have such a base."""
        if not far:
            parent = next(base for base in bases if type(base) is FarType)
            parent.origin.peer.give_up(f"test code makes {name!r} a subclass of {parent.__name__!r}, a class of the program")
        return super().__new__(cls, name, bases, namespace)

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], far: bool = False) -> None:
        super().__init__(name, bases, namespace)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make an instance, on the other side."""
        made = cls.origin.peer.ask("call", cls.origin.number, args, kwargs)
        if cls.origin.expected and type(made) is cls:
            made._far.expected = True
        return made

    def __getattr__(cls, name: str) -> Any:
        if name == "origin" or name.startswith("__array"):  # numpy would let an object compare itself
            raise AttributeError(name)
        value = cls.origin.peer.ask("getattr", cls.origin.number, (name,), {})
        return partial(cls.origin.peer.ask_method, cls.origin.number, name) if value is METHOD else value

    def __setattr__(cls, name: str, value: Any) -> None:
        cls.origin.peer.ask("setattr", cls.origin.number, (name, value), {})

    def __iter__(cls) -> Any:
        return cls.origin.peer.ask("iter", cls.origin.number, (), {})

    def __len__(cls) -> Any:
        return cls.origin.peer.ask("len", cls.origin.number, (), {})

    def __getitem__(cls, key: Any) -> Any:
        return cls.origin.peer.ask("getitem", cls.origin.number, (key,), {})

    def __bool__(cls) -> bool:
        return True


class Far(metaclass=FarType, far=True):
    """An instance of a class of the other side."""

    __slots__ = ("__weakref__", "_far")
    _far: Reference

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__array"):
            raise AttributeError(name)
        origin = self._far
        method = origin.methods.get(name)
        if method is None:
            value = origin.peer.ask("getattr", origin.number, (name,), {})
            if value is not METHOD and not (name in SEARCHES and is_far(value)):
                return value
            method = origin.methods[name] = partial(_call_method, self, name)
        return method

    def __setattr__(self, name: str, value: Any) -> None:
        self._far.methods.pop(name, None)
        self._far.peer.ask("setattr", self._far.number, (name, value), {})

    def __delattr__(self, name: str) -> None:
        self._far.methods.pop(name, None)
        self._far.peer.ask("delattr", self._far.number, (name,), {})

    def __copy__(self) -> Any:
        return self._far.peer.ask("copy", self._far.number, (), {})

    def __deepcopy__(self, memory: Any) -> Any:
        return self._far.peer.ask("deepcopy", self._far.number, (), {})

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(f"cannot pickle an object of type {type(self).__name__}")


class FarFunction(Far, far=True):
    """A function of the other side: so frequent that its class is not described."""

    __slots__ = ()
    __qualname__ = "function"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function, on the other side."""
        return self._far.peer.ask("call", self._far.number, args, kwargs)

    def __repr__(self) -> str:
        return str(self._far.peer.ask("special", self._far.number, ("__repr__",), {}))


type.__setattr__(FarFunction, "equality", "identity")
type.__setattr__(FarFunction, "__name__", "function")


class FarView(metaclass=FarType, far=True):
    """The same beside a built-in type: an immutable value or an exception, which also has its plain value here."""

    _far: Reference
    __getattr__ = Far.__getattr__
    __copy__ = Far.__copy__
    __deepcopy__ = Far.__deepcopy__
    __reduce_ex__ = Far.__reduce_ex__

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("__"):
            object.__setattr__(self, name, value)
        else:
            Far.__setattr__(self, name, value)  # type: ignore[arg-type]


def is_far(value: Any) -> bool:
    """True for a stand-in, of a class or of an instance."""
    kind = type(value)
    return kind is FarType or type(kind) is FarType


def reference(value: Any) -> Reference:
    """Where the original of a stand-in is."""
    origin: Reference = value.origin if type(value) is FarType else value._far
    return origin


def make_class(origin: Reference, name: str, bases: tuple[type, ...], specials: list[str], equality: str, hashing: str) -> FarType:
    """A local class for one of the other side. `bases` are local; built-in ones make it a view of a plain value.

    Raises `TypeError` or `ValueError` if no honest side describes a class in this way.
    """
    if not SPECIALS.issuperset(specials) or equality not in EQUALITIES or hashing not in _HASHES:
        raise ValueError("no honest side describes a class so")
    name = name[:100]
    namespace: dict[str, Any] = {special: _special(special) for special in specials}
    namespace |= {
        "__module__": codec.GUEST_MODULE,
        "__qualname__": name,
        "__doc__": property(lambda self: Far.__getattr__(self, "__doc__")),
    }
    built_in = tuple(base for base in bases if type(base) is not FarType)
    root: FarType = FarView if equality == "view" else Far
    near = tuple(base for base in bases if issubclass(base, root)) or (root,)
    if root is FarView:
        choices = [(*near, *built_in), (near[0], *built_in[:1])]
    else:
        choices = [near, near[:1]]
        namespace |= {"__slots__": (), "__hash__": _HASHES[hashing]} | ({} if equality == "identity" else {"__eq__": _equal})
    try:
        made = FarType(name.rpartition(".")[2], choices[0], dict(namespace), far=True)
    except TypeError:  # bases that do not fit together on this side
        made = FarType(name.rpartition(".")[2], choices[1], namespace, far=True)
    type.__setattr__(made, "origin", origin)
    type.__setattr__(made, "equality", equality)
    return made


def make_instance(origin: Reference, kind: Any, plain: Any) -> Any:
    """A local instance for an object of the other side; `plain` is the value of a view, or the arguments of an exception."""
    made: Any
    if kind.equality != "view":
        made = object.__new__(kind)
    elif issubclass(kind, BaseException):
        made = kind.__new__(kind, *plain)
    else:
        plain_type: Any = type(plain)
        made = plain_type.__new__(kind, plain)
    object.__setattr__(made, "_far", origin)
    return made


def _call_method(owner: Any, name: str, *args: Any, **kwargs: Any) -> Any:
    origin = owner._far
    if name in SEARCHES:
        origin.peer.guard(owner, name, args)
    return origin.peer.ask_method(origin.number, name, *args, **kwargs)


def _special(name: str) -> Any:
    """A special method that asks for the original's."""
    if name == "__contains__":
        return _contains
    if name == "__exit__":
        return _exit
    if name == "__call__":
        return lambda self, *args, **kwargs: self._far.peer.ask("call", self._far.number, args, kwargs)

    def special(self: Any, *args: Any) -> Any:
        origin = self._far
        if name in GUARDED:
            origin.peer.guard(self, name, args)
        return origin.peer.ask("special", origin.number, (name, *args), {})

    return special


def _exit(self: Any, kind: Any, error: Any, trace: Any) -> bool:
    """A failed assertion is never swallowed."""
    swallows = self._far.peer.ask("special", self._far.number, ("__exit__", kind, error, None), {})
    return bool(swallows) and not isinstance(error, AssertionError)


def _contains(self: Any, item: Any) -> bool:
    origin = self._far
    if origin.peer.trusts(self, (item,)):
        return bool(origin.peer.ask("special", origin.number, ("__contains__", item), {}))
    if not hasattr(type(self), "__iter__"):
        origin.peer.guard(self, "__contains__", (item,))
    return any(other is item or other == item for other in self)


def _equal(self: Any, other: Any) -> Any:
    origin = self._far
    if self is other:
        return True
    if type(self).equality == "plain":
        return _plain(self) == _plain(other)
    if not origin.peer.trusts(self, (other,)):
        return NotImplemented
    return origin.peer.ask("special", origin.number, ("__eq__", other), {})


def _plain(value: Any) -> Any:
    if is_far(value) and type(value).equality == "plain":
        return value._far.peer.ask("plain", value._far.number, (), {})
    return value


def _own_hash(self: Any) -> Any:
    return self._far.peer.ask("special", self._far.number, ("__hash__",), {})


_HASHES = {"identity": object.__hash__, "own": _own_hash, "none": None}
