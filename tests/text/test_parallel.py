"""Parallel blocks: positions, who sees whom, and the format check, with the paper's example."""

import pytest

from burnish.text.parallel import is_well_formed, layout

ITEMS = ["p", "<Parallel>", "<Path>", "a", "</Path>", "<Path>", "b", "c", "</Path>", "</Parallel>", "<Summary>", "s", "</Summary>", "z"]


def test_positions_of_the_example():
    assert layout(ITEMS).positions == [0, 1, 2, 3, 4, 2, 3, 4, 5, 6, 7, 8, 9, 10]


def test_paths_do_not_see_each_other_and_the_rest_sees_all():
    found = layout(ITEMS)
    at = ITEMS.index
    assert not found.sees(at("b"), at("a"))
    assert found.sees(at("s"), at("a"))
    assert found.sees(at("s"), at("b"))
    assert found.sees(at("c"), at("b"))
    assert found.sees(at("b"), at("p"))
    assert not found.sees(at("a"), at("b"))  # never a later one
    mask = found.mask()
    assert all(mask[index][index] for index in range(len(ITEMS)))
    assert mask[at("z")] == [True] * len(ITEMS)


def test_without_tags_it_is_plain_causal():
    found = layout(list("abc"))
    assert found.positions == [0, 1, 2]
    assert found.mask() == [[True, False, False], [True, True, False], [True, True, True]]
    assert layout([]).positions == []


def test_blocks_within_paths_and_one_after_another():
    inner = ["<Parallel>", "<Path>", "x", "</Path>", "<Path>", "y", "y", "</Path>", "</Parallel>"]
    items = ["<Parallel>", "<Path>", *inner, "</Path>", "<Path>", "q", "</Path>", "</Parallel>", "z"]
    found = layout(items)
    assert found.positions == [0, 1, 2, 3, 4, 5, 3, 4, 5, 6, 7, 8, 1, 2, 3, 9, 10]
    x, y, q, z = (items.index(item) for item in "xyqz")
    assert not found.sees(y, x)
    assert not found.sees(q, x)
    assert all(found.sees(z, other) for other in (x, y, q))
    twice = [*inner, *inner]
    assert layout(twice).positions[len(inner) :] == [position + 6 for position in layout(inner).positions]


def block(paths=2, summary="<Summary>s</Summary>"):
    return f"<Parallel>{'<Path>a</Path>' * paths}</Parallel>{summary}"


@pytest.mark.parametrize(
    "text",
    ["", "plain", block(), f"a {block(3)} b {block()} c", f"<Parallel><Path>{block()}</Path><Path>b</Path></Parallel><Summary></Summary>"],
)
def test_well_formed(text):
    assert is_well_formed(text)


@pytest.mark.parametrize(
    "text",
    [
        block(1),
        block(summary=""),
        block(summary="") + block(),
        "<Parallel><Path>a</Path><Path>b</Parallel><Summary></Summary>",
        "<Path>a</Path>",
        "<Summary>s</Summary>",
        block() + "<Summary>s</Summary>",
        "<Parallel><Path>a</Path><Path>b</Path>",
        "</Parallel>",
        "<Parallel><Summary></Summary><Path></Path><Path></Path></Parallel>",
    ],
)
def test_malformed(text):
    assert not is_well_formed(text)
