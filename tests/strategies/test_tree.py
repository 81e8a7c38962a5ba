"""Search trees: the specs' numbers for selection and backup, and what holds for every tree."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.strategies._tree import Node, back_up, puct, select, ucb1, uct


def chain(*moves):
    node = Node()
    for move in moves:
        node = node.add(move)
    return node


@pytest.mark.parametrize(("value", "prior", "total", "visits", "score"), [(0.5, 0.7, 5, 2, 1.823189), (0.0, 0.29, 5, 0, 1.644534)])
def test_selection_score_of_rethink_mcts(value, prior, total, visits, score):
    assert math.log((5 + 10 + 1) / 10) + 4 == pytest.approx(4.470004, abs=1e-6)
    assert puct(value, prior, total, visits) == pytest.approx(score, abs=1e-6)


def test_selection_score_of_vm_mcts():
    assert uct(0.6, 12, 3, c=0.1, epsilon=0.1) == pytest.approx(0.706027, abs=1e-6)


def test_an_arm_that_was_never_pulled_comes_first():
    assert ucb1(0.0, 5, 0) == math.inf
    assert ucb1(0.5, 8, 2, c=2.0) == pytest.approx(0.5 + 2 * math.sqrt(math.log(8)))


def test_backup_discounts_once_per_edge_from_the_leaf_on():
    leaf = chain("a", "b", "c")
    back_up(leaf, 0.97, discount=0.9)
    upwards = [leaf, leaf.parent, leaf.parent.parent]
    assert [node.best for node in upwards] == pytest.approx([0.873, 0.7857, 0.70713])


def test_the_mean_and_the_best_of_several_values():
    leaf = chain("a")
    for value in (0.2, 0.8, 0.5):
        back_up(leaf, value)
    assert (leaf.visits, leaf.mean, leaf.best) == (3, pytest.approx(0.5), 0.8)
    assert (leaf.parent.visits, leaf.parent.mean) == (3, pytest.approx(0.5))


def test_the_best_of_negative_values_is_negative():
    leaf = chain("a")
    back_up(leaf, -0.5)
    assert leaf.best == -0.5


def test_nothing_recorded_is_zero():
    assert (Node().mean, Node().best, Node().visits, Node().depth) == (0.0, 0.0, 0, 0)


def test_select_takes_the_first_of_equals_and_goes_down_to_a_leaf():
    root = Node()
    first, second = root.add("first"), root.add("second")
    assert select(root, lambda node: 0.0) is first
    deep = second.add("deep")
    assert select(root, lambda node: float(node is second or node is deep)) is deep
    assert deep.moves() == ["second", "deep"]
    assert deep.depth == 2


def test_a_replaced_node_starts_afresh_in_the_same_place():
    root = Node()
    children = [root.add(move, prior=0.3) for move in "abc"]
    children[1].record(0.9)
    fresh = children[1].replace("better")
    assert [child.move for child in root.children] == ["a", "better", "c"]
    assert (fresh.prior, fresh.visits, fresh.best, fresh.parent) == (1.0, 0, 0.0, root)
    with pytest.raises(ValueError, match="root"):
        root.replace("x")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0.1, 1.0))
def test_every_ancestor_counts_every_value_and_none_exceeds_its_child(values, discount):
    leaf = chain("a", "b")
    for value in values:
        back_up(leaf, value, discount=discount)
    nodes = [leaf, leaf.parent, leaf.parent.parent]
    assert [node.visits for node in nodes] == [len(values)] * 3
    assert nodes[0].best >= nodes[1].best >= nodes[2].best
    assert nodes[0].best == pytest.approx(max(values) * discount)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 100), st.integers(0, 100))
def test_scores_fall_with_visits_and_rise_with_value(value, prior, total, visits):
    assert puct(value, prior, total, visits + 1) <= puct(value, prior, total, visits)
    assert uct(value, total, visits + 1) < uct(value, total, visits)
    assert ucb1(value, total, visits + 1) <= ucb1(value, total, visits)
