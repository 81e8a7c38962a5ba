"""Seeds and content hashes depend on their parts, on all of them, and on nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from burnish.core.seeds import content_hash, derive_seed


@given(st.lists(st.text() | st.integers(), max_size=4))
def test_seeds_are_stable_and_fit_in_63_bits(parts):
    assert derive_seed(*parts) == derive_seed(*parts)
    assert 0 <= derive_seed(*parts) < 2**63


def test_a_seed_is_the_same_on_every_machine():
    assert derive_seed(0, "first", 1) == 5700104815922697512  # printf '0\x1ffirst\x1f1' | b2sum -l 64, shifted right by one


@given(st.lists(st.text(), max_size=3), st.lists(st.text(), max_size=3))
def test_content_hashes_separate_their_parts(one, other):
    assert (content_hash(*one) == content_hash(*other)) == (one == other)
