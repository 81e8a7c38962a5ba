"""First functions, lists: sum, filter, transform, reorder."""

from burnish.tasks.first_functions._build import Family, Function

LISTS = Family(
    "lists",
    train=(
        Function(
            "sum-of-list",
            "sum_list(numbers: list[int]) -> int",
            "returns the sum of all numbers in the list. An empty list gives 0.",
            "return sum(numbers)",
            shown="[1, 2, 3] -> 6 ; [10, 20] -> 30",
            hidden="[] -> 0 ; [5] -> 5 ; [-1, 1] -> 0 ; [-2, -3] -> -5 ; [0, 0, 0] -> 0 ; [4, 4, 4, 4] -> 16",
        ),
        Function(
            "sum-of-list",
            "sum_even(numbers: list[int]) -> int",
            "returns the sum of the even numbers in the list. If there are none, returns 0.",
            "return sum(number for number in numbers if number % 2 == 0)",
            shown="[1, 2, 3, 4] -> 6 ; [2, 2] -> 4",
            hidden="[] -> 0 ; [1, 3, 5] -> 0 ; [0] -> 0 ; [-2, 3] -> -2 ; [10, 5, 4] -> 14 ; [6, 7, 8] -> 14",
        ),
        Function(
            "map-numbers",
            "square_all(numbers: list[int]) -> list[int]",
            "returns a new list with the square of every number. An empty list gives an empty list.",
            "return [number * number for number in numbers]",
            shown="[1, 2, 3] -> [1, 4, 9] ; [5] -> [25]",
            hidden="[] -> [] ; [0] -> [0] ; [-2, 2] -> [4, 4] ; [10, 1] -> [100, 1] ; [3, 3] -> [9, 9] ; [-1, 0, 4] -> [1, 0, 16]",
        ),
        Function(
            "map-numbers",
            "double_all(numbers: list[int]) -> list[int]",
            "returns a new list with every number doubled. An empty list gives an empty list.",
            "return [2 * number for number in numbers]",
            shown="[1, 2, 3] -> [2, 4, 6] ; [5] -> [10]",
            hidden="[] -> [] ; [0] -> [0] ; [-2, 2] -> [-4, 4] ; [10, 1] -> [20, 2] ; [3, 3] -> [6, 6] ; [-1, 0, 4] -> [-2, 0, 8]",
        ),
        Function(
            "filter-list",
            "keep_even(numbers: list[int]) -> list[int]",
            "returns a new list with only the even numbers, in the same order.",
            "return [number for number in numbers if number % 2 == 0]",
            shown="[1, 2, 3, 4] -> [2, 4] ; [6, 7] -> [6]",
            hidden="[] -> [] ; [1, 3] -> [] ; [0, 1] -> [0] ; [-2, -1] -> [-2] ; [4, 2, 4] -> [4, 2, 4] ; [9, 8, 7] -> [8]",
        ),
        Function(
            "filter-list",
            "keep_non_empty(words: list[str]) -> list[str]",
            "returns a new list with only the strings that are not empty, in the same order.",
            "return [word for word in words if word != '']",
            shown="['a', '', 'b'] -> ['a', 'b'] ; ['', 'hi'] -> ['hi']",
            hidden="""
            [] -> []
            [''] -> []
            ['', '', ''] -> []
            ['x', 'x'] -> ['x', 'x']
            [' ', ''] -> [' ']
            ['one', '', 'two', '', 'three'] -> ['one', 'two', 'three']
            """,
        ),
        Function(
            "reverse-list",
            "reverse_list(items: list[int]) -> list[int]",
            "returns a new list with the items in reverse order.",
            "return items[::-1]",
            shown="[1, 2, 3] -> [3, 2, 1] ; [5, 4] -> [4, 5]",
            hidden="[] -> [] ; [7] -> [7] ; [1, 1, 2] -> [2, 1, 1] ; [0, -1] -> [-1, 0] ; [1, 2, 3, 4] -> [4, 3, 2, 1] ; [9, 9] -> [9, 9]",
        ),
        Function(
            "last-item",
            "last_item(items: list[int]) -> int",
            "returns the last item of the list. The list is never empty.",
            "return items[-1]",
            shown="[1, 2, 3] -> 3 ; [5, 4] -> 4",
            hidden="[7] -> 7 ; [0, 0, 1] -> 1 ; [3, -1] -> -1 ; [9, 8, 7, 6] -> 6 ; [2, 2, 0] -> 0 ; [1, 10] -> 10",
        ),
        Function(
            "combine-lists",
            "combine_lists(a: list[int], b: list[int]) -> list[int]",
            "returns a new list with all items of `a` followed by all items of `b`.",
            "return a + b",
            shown="[1, 2], [3] -> [1, 2, 3] ; [4], [5, 6] -> [4, 5, 6]",
            hidden="""
            [], [] -> [] ; [], [1] -> [1] ; [1], [] -> [1]
            [1], [1] -> [1, 1] ; [3, 2], [1, 0] -> [3, 2, 1, 0] ; [9], [-9] -> [9, -9]
            """,
        ),
        Function(
            "product-of-list",
            "product_of_list(numbers: list[int]) -> int",
            "returns the product of all numbers in the list. An empty list gives 1.",
            """
            product = 1
            for number in numbers:
                product *= number
            return product
            """,
            shown="[2, 3, 4] -> 24 ; [5, 5] -> 25",
            hidden="[] -> 1 ; [7] -> 7 ; [1, 0, 3] -> 0 ; [-1, 4] -> -4 ; [-2, -3] -> 6 ; [10, 10, 10] -> 1000",
        ),
        Function(
            "average-of-list",
            "average(numbers: list[int]) -> float",
            "returns the average of the numbers in the list. An empty list gives 0.",
            """
            if not numbers:
                return 0
            return sum(numbers) / len(numbers)
            """,
            shown="[1, 2, 3] -> 2.0 ; [10, 20] -> 15.0",
            hidden="[] -> 0 ; [5] -> 5.0 ; [1, 2] -> 1.5 ; [-1, 1] -> 0.0 ; [0, 0, 3] -> 1.0 ; [4, 4, 4, 6] -> 4.5",
        ),
    ),
    test=(
        Function(
            "remove-duplicates",
            "remove_duplicates(items: list[int]) -> list[int]",
            "returns a new list without repeated items: the first occurrence of each item is kept, in the same order.",
            """
            result = []
            for item in items:
                if item not in result:
                    result.append(item)
            return result
            """,
            shown="[1, 2, 2, 3] -> [1, 2, 3] ; [5, 5, 5] -> [5]",
            hidden="""
            [] -> []
            [1] -> [1]
            [3, 1, 3, 2, 1] -> [3, 1, 2]
            [4, 3, 2, 1] -> [4, 3, 2, 1]
            [0, 0, -1, 0] -> [0, -1]
            [9, 8, 9] -> [9, 8]
            """,
        ),
        Function(
            "flatten",
            "flatten(lists: list[list[int]]) -> list[int]",
            "returns one list with the items of all inner lists, in order. Inner lists may be empty.",
            "return [item for inner in lists for item in inner]",
            shown="[[1, 2], [3]] -> [1, 2, 3] ; [[4], [5, 6]] -> [4, 5, 6]",
            hidden="""
            [] -> [] ; [[]] -> [] ; [[], [1]] -> [1]
            [[7]] -> [7] ; [[1], [1], [1]] -> [1, 1, 1] ; [[3, 2], [], [1, 0]] -> [3, 2, 1, 0]
            """,
        ),
        Function(
            "running-total",
            "running_total(numbers: list[int]) -> list[int]",
            "returns a list of the same length in which each item is the sum of all numbers up to and including that position.",
            """
            total = 0
            result = []
            for number in numbers:
                total += number
                result.append(total)
            return result
            """,
            shown="[1, 2, 3] -> [1, 3, 6] ; [5, 5] -> [5, 10]",
            hidden="""
            [] -> [] ; [7] -> [7] ; [0, 0] -> [0, 0]
            [1, -1, 1] -> [1, 0, 1] ; [-2, -3] -> [-2, -5] ; [4, 3, 2, 1] -> [4, 7, 9, 10]
            """,
        ),
        Function(
            "rotate",
            "rotate_left(items: list[int]) -> list[int]",
            "returns a new list in which the first item has moved to the end. An empty list stays empty.",
            "return items[1:] + items[:1]",
            shown="[1, 2, 3] -> [2, 3, 1] ; [5, 4] -> [4, 5]",
            hidden="""
            [] -> [] ; [7] -> [7] ; [1, 1, 2] -> [1, 2, 1]
            [0, -1] -> [-1, 0] ; [1, 2, 3, 4] -> [2, 3, 4, 1] ; [9, 8, 7] -> [8, 7, 9]
            """,
        ),
        Function(
            "sort",
            "sort_descending(numbers: list[int]) -> list[int]",
            "returns a new list with the numbers sorted from largest to smallest.",
            "return sorted(numbers, reverse=True)",
            shown="[1, 3, 2] -> [3, 2, 1] ; [5, 10] -> [10, 5]",
            hidden="""
            [] -> [] ; [7] -> [7] ; [2, 2, 3] -> [3, 2, 2]
            [-1, 0, 1] -> [1, 0, -1] ; [3, 2, 1] -> [3, 2, 1] ; [10, 9, 100] -> [100, 10, 9]
            """,
        ),
        Function(
            "every-second",
            "every_second(items: list[int]) -> list[int]",
            "returns a new list with every second item, starting with the first: the items at index 0, 2, 4 and so on.",
            "return items[::2]",
            shown="[1, 2, 3, 4] -> [1, 3] ; [5, 6, 7] -> [5, 7]",
            hidden="""
            [] -> [] ; [7] -> [7] ; [1, 2] -> [1]
            [0, 0, 0] -> [0, 0] ; [9, 8, 7, 6, 5] -> [9, 7, 5] ; [4, 3, 2, 1, 0, 9] -> [4, 2, 0]
            """,
        ),
    ),
)
