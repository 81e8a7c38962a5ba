"""First functions, sets and tuples: unique items, common items, pairs, points."""

from burnish.tasks.first_functions._build import Family, Function

SETS_AND_TUPLES = Family(
    "sets and tuples",
    train=(
        Function(
            "unique-items",
            "count_unique(items: list[int]) -> int",
            "returns how many different items are in the list.",
            "return len(set(items))",
            shown="[1, 2, 2] -> 2 ; [5, 5, 5] -> 1",
            hidden="[] -> 0 ; [7] -> 1 ; [1, 2, 3] -> 3 ; [0, -1, 0] -> 2 ; [4, 4, 5, 5] -> 2 ; [9, 8, 9, 7, 8] -> 3",
        ),
        Function(
            "unique-items",
            "unique_items(items: list[int]) -> set[int]",
            "returns the set of the different items in the list.",
            "return set(items)",
            shown="[1, 2, 2] -> {1, 2} ; [5, 5, 5] -> {5}",
            hidden="""
            [] -> set() ; [7] -> {7} ; [1, 2, 3] -> {1, 2, 3}
            [0, -1, 0] -> {0, -1} ; [4, 4, 5, 5] -> {4, 5} ; [9, 8, 9, 7] -> {7, 8, 9}
            """,
        ),
        Function(
            "common-and-all-items",
            "common_items(a: list[int], b: list[int]) -> set[int]",
            "returns the set of the items that are in both lists.",
            "return set(a) & set(b)",
            shown="[1, 2, 3], [2, 3, 4] -> {2, 3} ; [1], [2] -> set()",
            hidden="""
            [], [] -> set()
            [1], [] -> set()
            [5, 5], [5] -> {5}
            [1, 2], [2, 1] -> {1, 2}
            [0, -1], [-1, 7] -> {-1}
            [1, 2, 3, 4], [4, 9] -> {4}
            """,
        ),
        Function(
            "common-and-all-items",
            "all_items(a: list[int], b: list[int]) -> set[int]",
            "returns the set of the items that are in at least one of the two lists.",
            "return set(a) | set(b)",
            shown="[1, 2], [2, 3] -> {1, 2, 3} ; [1], [2] -> {1, 2}",
            hidden="""
            [], [] -> set()
            [1], [] -> {1}
            [], [4] -> {4}
            [5, 5], [5] -> {5}
            [0, -1], [-1, 7] -> {-1, 0, 7}
            [3, 1], [2, 4] -> {1, 2, 3, 4}
            """,
        ),
        Function(
            "set-membership",
            "add_to_set(items: set[int], item: int) -> set[int]",
            "returns a set with all items of `items` and also `item`.",
            "return items | {item}",
            shown="{1, 2}, 3 -> {1, 2, 3} ; {1}, 1 -> {1}",
            hidden="""
            set(), 5 -> {5} ; {0}, 0 -> {0} ; {4, 5}, 4 -> {4, 5}
            {1}, -1 -> {-1, 1} ; {7, 8, 9}, 6 -> {6, 7, 8, 9} ; {2}, 0 -> {0, 2}
            """,
        ),
        Function(
            "pairs",
            "swap_pair(pair: tuple[int, int]) -> tuple[int, int]",
            "returns a tuple with the two items of `pair` in the opposite order.",
            "return pair[1], pair[0]",
            shown="(1, 2) -> (2, 1) ; (5, 3) -> (3, 5)",
            hidden="""
            (0, 0) -> (0, 0) ; (-1, 1) -> (1, -1) ; (7, 7) -> (7, 7)
            (10, 20) -> (20, 10) ; (0, 9) -> (9, 0) ; (-5, -6) -> (-6, -5)
            """,
        ),
        Function(
            "pairs",
            "make_pair(a: int, b: int) -> tuple[int, int]",
            "returns a tuple of `a` and `b` in this order.",
            "return a, b",
            shown="1, 2 -> (1, 2) ; 5, 3 -> (5, 3)",
            hidden="0, 0 -> (0, 0) ; -1, 1 -> (-1, 1) ; 7, 7 -> (7, 7) ; 20, 10 -> (20, 10) ; 9, 0 -> (9, 0) ; -5, -6 -> (-5, -6)",
        ),
        Function(
            "pairs",
            "second_of_pair(pair: tuple[str, int]) -> int",
            "returns the second item of the tuple `pair`.",
            "return pair[1]",
            shown="('a', 1) -> 1 ; ('bob', 30) -> 30",
            hidden="('x', 0) -> 0 ; ('', 5) -> 5 ; ('y', -1) -> -1 ; ('cat', 9) -> 9 ; ('5', 6) -> 6 ; ('z', 100) -> 100",
        ),
        Function(
            "sum-of-tuple",
            "sum_of_tuple(values: tuple[int, ...]) -> int",
            "returns the sum of all numbers in the tuple. An empty tuple gives 0.",
            "return sum(values)",
            shown="(1, 2, 3) -> 6 ; (10, 20) -> 30",
            hidden="() -> 0 ; (5,) -> 5 ; (-1, 1) -> 0 ; (-2, -3) -> -5 ; (0, 0, 0) -> 0 ; (4, 4, 4, 4) -> 16",
        ),
        Function(
            "add-points",
            "add_points(p: tuple[int, int], q: tuple[int, int]) -> tuple[int, int]",
            "returns a tuple with the sum of the first items and the sum of the second items of `p` and `q`.",
            "return p[0] + q[0], p[1] + q[1]",
            shown="(1, 2), (3, 4) -> (4, 6) ; (0, 5), (5, 0) -> (5, 5)",
            hidden="""
            (0, 0), (0, 0) -> (0, 0)
            (1, 1), (2, 2) -> (3, 3)
            (-1, 4), (1, -4) -> (0, 0)
            (10, 20), (1, 2) -> (11, 22)
            (7, -7), (0, 0) -> (7, -7)
            (-3, -2), (-1, -5) -> (-4, -7)
            """,
        ),
        Function(
            "distance",
            "grid_distance(p: tuple[int, int], q: tuple[int, int]) -> int",
            "returns the number of steps from point `p` to point `q` on a grid when each step goes one unit left, right, up or down.",
            "return abs(p[0] - q[0]) + abs(p[1] - q[1])",
            shown="(0, 0), (3, 4) -> 7 ; (1, 1), (2, 1) -> 1",
            hidden="""
            (0, 0), (0, 0) -> 0 ; (5, 5), (1, 2) -> 7 ; (-1, -1), (1, 1) -> 4
            (2, 7), (2, 3) -> 4 ; (9, 0), (0, 9) -> 18 ; (-3, 2), (-5, 6) -> 6
            """,
        ),
    ),
    test=(
        Function(
            "largest-and-smallest",
            "min_and_max(numbers: list[int]) -> tuple[int, int]",
            "returns a tuple of the smallest and the largest number in the list. The list is never empty.",
            "return min(numbers), max(numbers)",
            shown="[1, 5, 3] -> (1, 5) ; [10, 2] -> (2, 10)",
            hidden="""
            [7] -> (7, 7) ; [4, 4] -> (4, 4) ; [-3, 3] -> (-3, 3)
            [-1, -8] -> (-8, -1) ; [0, 9, 5] -> (0, 9) ; [3, 2, 1] -> (1, 3)
            """,
        ),
        Function(
            "set-difference",
            "only_in_first(a: list[int], b: list[int]) -> set[int]",
            "returns the set of the items that are in `a` but not in `b`.",
            "return set(a) - set(b)",
            shown="[1, 2, 3], [2] -> {1, 3} ; [1], [2] -> {1}",
            hidden="""
            [], [] -> set()
            [1], [] -> {1}
            [], [4] -> set()
            [5, 5], [5] -> set()
            [6, 6, 7], [8] -> {6, 7}
            [0, -1], [-1, 7] -> {0}
            """,
        ),
        Function(
            "set-difference",
            "in_exactly_one(a: list[int], b: list[int]) -> set[int]",
            "returns the set of the items that are in exactly one of the two lists.",
            "return set(a) ^ set(b)",
            shown="[1, 2], [2, 3] -> {1, 3} ; [1], [1] -> set()",
            hidden="""
            [], [] -> set()
            [1], [] -> {1}
            [], [4] -> {4}
            [5, 5], [6] -> {5, 6}
            [0, -1], [-1, 7] -> {0, 7}
            [3, 1], [1, 3] -> set()
            """,
        ),
        Function(
            "subset",
            "is_subset(a: list[int], b: list[int]) -> bool",
            "returns True if every item of `a` is also in `b`, and False otherwise. An empty `a` gives True.",
            "return all(item in b for item in a)",
            shown="[1, 2], [1, 2, 3] -> True ; [1, 5], [1, 2] -> False",
            hidden="""
            [], [] -> True ; [], [1] -> True ; [1], [] -> False
            [2, 2], [2] -> True ; [3, 1], [1, 2, 3] -> True ; [0, 9], [9] -> False
            """,
        ),
        Function(
            "has-duplicates",
            "has_duplicates(items: list[int]) -> bool",
            "returns True if some item occurs more than once in the list, and False otherwise.",
            "return len(items) != len(set(items))",
            shown="[1, 2, 2] -> True ; [1, 2, 3] -> False",
            hidden="[] -> False ; [7] -> False ; [0, 0] -> True ; [1, 2, 3, 1] -> True ; [-1, 1] -> False ; [5, 6, 7, 8] -> False",
        ),
        Function(
            "sort-pairs",
            "sort_by_second(pairs: list[tuple[str, int]]) -> list[tuple[str, int]]",
            "returns a new list of the pairs sorted by their second item, smallest first. All second items are different.",
            "return sorted(pairs, key=lambda pair: pair[1])",
            shown="[('a', 2), ('b', 1)] -> [('b', 1), ('a', 2)] ; [('x', 5)] -> [('x', 5)]",
            hidden="""
            [] -> []
            [('a', 1), ('b', 2)] -> [('a', 1), ('b', 2)]
            [('z', 3), ('y', 2), ('x', 1)] -> [('x', 1), ('y', 2), ('z', 3)]
            [('a', 0), ('b', -1)] -> [('b', -1), ('a', 0)]
            [('p', 10), ('q', 9), ('r', 100)] -> [('q', 9), ('p', 10), ('r', 100)]
            [('cat', 4), ('ant', 6), ('bee', 5)] -> [('cat', 4), ('bee', 5), ('ant', 6)]
            """,
        ),
    ),
)
