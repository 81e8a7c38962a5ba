"""The link between two address spaces, both ends in one process: what crosses it, and what a hostile end cannot send."""

import socket
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.sandbox.inside import codec
from burnish.sandbox.inside.peer import Peer, _renew


class Asking(Peer):
    """A peer whose other end answers at once, in the same thread."""

    other: Peer

    def write(self, data):
        super().write(data)
        self.other.answer(self.other.receive())


@pytest.fixture
def near():
    left, right = socket.socketpair()
    near, far = Asking(left.fileno(), 1 << 20, 1 << 20), Peer(right.fileno(), 1 << 20, 1 << 20)
    near.other = far
    yield near
    left.close()
    right.close()


def lend(near, thing):
    """A stand-in at the near end for a thing of the far end."""
    return codec.decode(near.other._encode(("value", thing, None)), near._resolve)[1]


def test_a_stand_in_asks_its_original_and_comes_home(near):
    thing = SimpleNamespace(items=[1], twice=lambda x: 2 * x)
    stand_in = lend(near, thing)
    assert stand_in.items == [1]
    assert stand_in.twice(4) == 8
    stand_in.name = "n"
    assert thing.name == "n"
    stand_in.itself = stand_in
    assert thing.itself is thing
    assert stand_in.itself is stand_in
    assert lend(near, thing) is stand_in
    del stand_in.name
    with pytest.raises(AttributeError, match="name"):
        _ = stand_in.name


def test_what_could_not_be_sent_is_forgotten(near):
    class Stubborn:
        __eq__ = object.__eq__

    with pytest.raises(codec.CodecError):
        near.other._encode(("value", [Stubborn(), 1 << (1 << 21)], None))
    assert near.other._own == []
    assert near.other._numbers == {}
    assert type(lend(near, Stubborn())).__name__.endswith("Stubborn")


@pytest.mark.parametrize(
    "payload",
    [
        (),
        ("yours", 0),
        ("yours", -1),
        ("known", 7),
        ("known", []),
        ("mine", 1, int, False, None),
        ("mine", 1, None, False, None),
        ("type", 1, "Odd", (), ["__reduce__"], "own", "own"),
        ("type", 1, "Odd", (), ["__getattribute__"], "own", "own"),
        ("type", 1, "Odd", (3,), [], "own", "own"),
        ("type", 1, "Odd", (), [], "own", "sometimes"),
        ("type", 1, "Odd", (), [], "always", "own"),
        ("made", "type", "exec"),
        ("made", "exception", ("exec", ("1",))),
        ("made", "exception", ("int", ())),
        ("made", "fraction", (1, 0)),
        ("made", "decimal", "x"),
        ("made", "array", ("f8", (1 << 60,), b"")),
        ("made", "nothing", ()),
        ("odd", 1),
        5,
    ],
)
def test_no_honest_end_sends_this(near, payload):
    data = codec.encode(([1, payload],)).replace(codec.encode(payload), b"H" + codec.encode(payload), 1)
    with pytest.raises(codec.CodecError):
        codec.decode(data, near._resolve)


def test_in_the_trusted_parent_nothing_stands_for_anything(near):
    data = near.other._encode(("value", SimpleNamespace(), None))
    with pytest.raises(codec.CodecError, match="tag"):
        codec.decode(data)


plain = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(plain), st.lists(plain))
def test_a_renewed_list_is_the_old_one_with_the_new_content(old, new):
    assert _renew(old, new, set()) is old
    assert old == new


@given(st.lists(st.integers()), st.lists(st.lists(st.integers()), min_size=3, max_size=3))
def test_parts_that_are_one_list_become_what_each_is_to_be(row, new):
    old = [row, row, row]
    _renew(old, new, set())
    assert old == new
