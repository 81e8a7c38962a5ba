"""First functions, list searching: extremes, positions, counts, first matches."""

from burnish.tasks.first_functions._build import Family, Function

SEARCHING = Family(
    "searching",
    train=(
        Function(
            "contains",
            "contains(numbers: list[int], target: int) -> bool",
            "returns True if `target` is in the list and False otherwise.",
            "return target in numbers",
            shown="[1, 2, 3], 2 -> True ; [1, 2, 3], 5 -> False",
            hidden="""
            [], 1 -> False ; [7], 7 -> True ; [0, 0], 0 -> True
            [1, -1], -1 -> True ; [10, 20], 1 -> False ; [3, 4, 5], 3 -> True
            """,
        ),
        Function(
            "index-of",
            "index_of(numbers: list[int], target: int) -> int",
            "returns the index of the first occurrence of `target` in the list, or -1 if it is not there.",
            """
            for index, number in enumerate(numbers):
                if number == target:
                    return index
            return -1
            """,
            shown="[5, 6, 7], 6 -> 1 ; [1, 2], 9 -> -1",
            hidden="[], 1 -> -1 ; [4], 4 -> 0 ; [2, 3, 2], 2 -> 0 ; [0, 1, 1, 1], 1 -> 1 ; [9, 8, 7], 7 -> 2 ; [-1, -2], -2 -> 1",
        ),
        Function(
            "count-in-list",
            "count_occurrences(numbers: list[int], target: int) -> int",
            "returns how many times `target` occurs in the list.",
            "return numbers.count(target)",
            shown="[1, 2, 1], 1 -> 2 ; [3, 4], 5 -> 0",
            hidden="[], 1 -> 0 ; [7], 7 -> 1 ; [0, 0, 0, 0], 0 -> 4 ; [1, -1], -1 -> 1 ; [10, 1, 100], 1 -> 1 ; [2, 3, 2, 3, 2], 2 -> 3",
        ),
        Function(
            "count-in-list",
            "count_even(numbers: list[int]) -> int",
            "returns how many numbers in the list are even.",
            "return sum(number % 2 == 0 for number in numbers)",
            shown="[1, 2, 3, 4] -> 2 ; [5, 7] -> 0",
            hidden="[] -> 0 ; [0] -> 1 ; [-2, -1] -> 1 ; [2, 2, 2] -> 3 ; [1] -> 0 ; [10, 11, 12, 14] -> 3",
        ),
        Function(
            "count-in-list",
            "count_greater(numbers: list[int], limit: int) -> int",
            "returns how many numbers in the list are greater than `limit`. A number equal to `limit` does not count.",
            "return sum(number > limit for number in numbers)",
            shown="[1, 5, 10], 4 -> 2 ; [1, 2], 3 -> 0",
            hidden="[], 0 -> 0 ; [3], 3 -> 0 ; [0, -1, 1], 0 -> 1 ; [-5, -3], -4 -> 1 ; [7, 7, 7], 6 -> 3 ; [4, 5, 6], 5 -> 1",
        ),
        Function(
            "first-match",
            "first_even(numbers: list[int]) -> int | None",
            "returns the first even number in the list, or None if there is no even number.",
            """
            for number in numbers:
                if number % 2 == 0:
                    return number
            return None
            """,
            shown="[1, 4, 6] -> 4 ; [3, 5] -> None",
            hidden="[] -> None ; [2] -> 2 ; [0, 2] -> 0 ; [7, -2] -> -2 ; [8, 1] -> 8 ; [1, 3, 9, 10] -> 10",
        ),
        Function(
            "count-in-list",
            "count_longer(words: list[str], length: int) -> int",
            "returns how many strings in the list have more than `length` characters.",
            "return sum(len(word) > length for word in words)",
            shown="['a', 'abc', 'abcd'], 2 -> 2 ; ['hi', 'no'], 5 -> 0",
            hidden="""
            [], 0 -> 0
            [''], 0 -> 0
            ['', 'z'], 0 -> 1
            ['one', 'two', 'three'], 3 -> 1
            ['apple', 'fig', 'kiwi'], 3 -> 2
            ['aa', 'aa', 'aa'], 1 -> 3
            """,
        ),
        Function(
            "all-and-any",
            "all_positive(numbers: list[int]) -> bool",
            "returns True if every number in the list is greater than zero, and False otherwise. An empty list gives True.",
            "return all(number > 0 for number in numbers)",
            shown="[1, 2, 3] -> True ; [1, -2, 3] -> False",
            hidden="[] -> True ; [0] -> False ; [5] -> True ; [-1] -> False ; [4, 0, 4] -> False ; [1, 1, 1] -> True",
        ),
        Function(
            "all-and-any",
            "has_negative(numbers: list[int]) -> bool",
            "returns True if at least one number in the list is less than zero, and False otherwise.",
            "return any(number < 0 for number in numbers)",
            shown="[1, -2, 3] -> True ; [1, 2, 3] -> False",
            hidden="[] -> False ; [0] -> False ; [-5] -> True ; [0, 1] -> False ; [4, 0, -1] -> True ; [7, 7] -> False",
        ),
        Function(
            "most-common",
            "most_common(items: list[int]) -> int",
            "returns the item that occurs most often in the list. There is always exactly one such item.",
            "return max(items, key=items.count)",
            shown="[1, 2, 2] -> 2 ; [5, 5, 3] -> 5",
            hidden="[7] -> 7 ; [1, 3, 3, 2] -> 3 ; [9, 9, 1, 1, 1] -> 1 ; [0, -1, 0] -> 0 ; [4, 4, 4, 5, 5] -> 4 ; [6, 8, 7, 8] -> 8",
        ),
        Function(
            "missing-number",
            "missing_number(numbers: list[int]) -> int",
            "receives the numbers from 1 to n in any order with exactly one of them missing, where n is one more than the length of "
            "the list, and returns the missing number.",
            "return next(number for number in range(1, len(numbers) + 2) if number not in numbers)",
            shown="[1, 2, 4] -> 3 ; [2, 3] -> 1",
            hidden="[] -> 1 ; [1] -> 2 ; [2] -> 1 ; [1, 2, 3] -> 4 ; [5, 3, 1, 2] -> 4 ; [6, 5, 4, 3, 1] -> 2",
        ),
    ),
    test=(
        Function(
            "largest-and-smallest",
            "max_of_list(numbers: list[int]) -> int",
            "returns the largest number in the list. The list is never empty.",
            "return max(numbers)",
            shown="[1, 5, 3] -> 5 ; [10, 2] -> 10",
            hidden="[7] -> 7 ; [-3, -1, -2] -> -1 ; [4, 4] -> 4 ; [0, -5] -> 0 ; [1, 2, 3, 9] -> 9 ; [8, 1, 8, 2] -> 8",
        ),
        Function(
            "largest-and-smallest",
            "min_of_list(numbers: list[int]) -> int",
            "returns the smallest number in the list. The list is never empty.",
            "return min(numbers)",
            shown="[4, 1, 3] -> 1 ; [10, 2] -> 2",
            hidden="[7] -> 7 ; [-3, -1, -2] -> -3 ; [4, 4] -> 4 ; [0, 5] -> 0 ; [9, 3, 2, 1] -> 1 ; [2, 8, 2, 9] -> 2",
        ),
        Function(
            "second-largest",
            "second_largest(numbers: list[int]) -> int",
            "returns the second largest number in the list. All numbers are different, and there are at least two.",
            "return sorted(numbers)[-2]",
            shown="[1, 5, 3] -> 3 ; [10, 20] -> 10",
            hidden="[2, 1] -> 1 ; [-1, -2, -3] -> -2 ; [0, 9, 4, 7] -> 7 ; [100, 50, 75] -> 75 ; [5, -5] -> -5 ; [4, 3, 2, 1] -> 3",
        ),
        Function(
            "is-sorted",
            "is_sorted(numbers: list[int]) -> bool",
            "returns True if the numbers are in increasing order (equal neighbours are allowed), and False otherwise. "
            "An empty list is sorted.",
            "return numbers == sorted(numbers)",
            shown="[1, 2, 3] -> True ; [3, 1, 2] -> False",
            hidden="""
            [] -> True ; [5] -> True ; [2, 2, 3] -> True ; [3, 2] -> False
            [-2, 0, 4] -> True ; [1, 2, 3, 0] -> False ; [1, 1] -> True
            """,
        ),
        Function(
            "index-of-largest",
            "index_of_largest(numbers: list[int]) -> int",
            "returns the index of the largest number in the list. If it occurs several times, returns the first index. "
            "The list is never empty.",
            "return numbers.index(max(numbers))",
            shown="[1, 5, 3] -> 1 ; [10, 2] -> 0",
            hidden="[7] -> 0 ; [1, 2, 3] -> 2 ; [4, 9, 9] -> 1 ; [-3, -1, -2] -> 1 ; [0, 0] -> 0 ; [5, 1, 2, 8] -> 3",
        ),
        Function(
            "spread",
            "spread(numbers: list[int]) -> int",
            "returns the difference between the largest and the smallest number in the list. The list is never empty.",
            "return max(numbers) - min(numbers)",
            shown="[1, 5, 3] -> 4 ; [10, 2] -> 8",
            hidden="[7] -> 0 ; [4, 4] -> 0 ; [-3, 3] -> 6 ; [-1, -8] -> 7 ; [0, 9, 5] -> 9 ; [100, 1, 50] -> 99",
        ),
    ),
)
