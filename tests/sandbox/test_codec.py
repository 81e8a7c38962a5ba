import contextlib
import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.sandbox.inside import codec

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.complex_numbers(allow_nan=False) | st.text() | st.binary()
)
keys = st.recursive(scalars, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=4)
plain = st.recursive(
    scalars | st.builds(range, st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 3)) | st.just(...) | st.binary().map(bytearray),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(keys, inner) | st.sets(keys) | st.frozensets(keys),
    max_leaves=20,
)


def same_types(left, right):
    if type(left) is not type(right):
        return False
    if isinstance(left, list | tuple):
        return all(map(same_types, left, right))
    return True


@given(plain)
def test_plain_values_survive_with_their_types(value):
    back = codec.decode(codec.encode(value))
    assert back == value
    assert same_types(back, value)


def test_nan_infinities_surrogates_and_large_integers_survive():
    assert math.isnan(codec.decode(codec.encode(math.nan)))
    for value in (math.inf, -math.inf, "\ud800", "é\0", -(1 << 63), 1 << 63, -(1 << 5000), [], {}, (), set(), b""):
        assert codec.decode(codec.encode(value)) == value


@given(st.binary(max_size=300))
@settings(max_examples=500)
def test_hostile_bytes_raise_codec_error_or_decode(data):
    with contextlib.suppress(codec.CodecError):
        codec.decode(data)


@given(plain, st.data())
def test_damaged_bytes_raise_codec_error_or_decode(value, data):
    encoded = bytearray(codec.encode(value))
    position = data.draw(st.integers(0, len(encoded) - 1))
    encoded[position] = data.draw(st.integers(0, 255))
    with contextlib.suppress(codec.CodecError):
        codec.decode(bytes(encoded))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"?",
        b"N" * 2,
        b"l\xff\xff\xff\xff",
        b"l\x01\0\0\0" * 100_000 + b"N",
        b"s\x04\0\0\0\xff\xff\xff\xff",
        b"d\x01\0\0\0l\0\0\0\0N",
        b"S\x01\0\0\0l\0\0\0\0",
        b"r\x03\0\0\0" + b"i" + struct.pack("<q", 1) * 1,
        b"r\x03\0\0\0" + (b"i" + struct.pack("<q", 0)) * 3,
        b"I\xff\xff\xff\x7f",
    ],
)
def test_malformed_bytes_are_refused(data):
    with pytest.raises(codec.CodecError):
        codec.decode(data)


def test_keys_made_to_collide_are_refused():
    modulus = 2**61 - 1
    honest = codec.encode(set(range(10_000)))
    assert len(codec.decode(honest)) == 10_000
    hostile = [modulus * k for k in range(2, 200)]
    data = codec.encode(hostile)
    with pytest.raises(codec.CodecError, match="hash"):
        codec.decode(b"S" + data[1:])


def test_too_large_and_too_deep_values_are_not_encoded():
    with pytest.raises(codec.CodecError, match="large"):
        codec.encode("x" * 100, limit=50)
    with pytest.raises(codec.CodecError, match="large"):
        codec.encode(1 << (codec.MAX_BITS + 1))
    value = []
    for _ in range(codec.MAX_DEPTH + 2):
        value = [value]
    with pytest.raises(codec.CodecError, match="deep"):
        codec.encode(value)


class Plain(int):
    pass


class Liar(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__


Liar.__module__ = codec.GUEST_MODULE


def test_a_subclass_with_its_bases_equality_becomes_the_base():
    back = codec.decode(codec.encode([Plain(3)]))
    assert back == [3]
    assert type(back[0]) is int


def test_a_subclass_of_the_artefact_with_its_own_equality_is_opaque_and_caught():
    back = codec.decode(codec.encode(Liar(3)))
    assert isinstance(back, codec.Opaque)
    assert back.equals_anything
    assert back != 3


def test_other_objects_are_opaque():
    back = codec.decode(codec.encode(iter([1])))
    assert isinstance(back, codec.Opaque)
    assert not back.equals_anything
    assert "iterator" in back.text
