"""First functions, loops and recursion: repeat, accumulate, generate."""

from burnish.tasks.first_functions._build import Family, Function

LOOPS = Family(
    "loops",
    train=(
        Function(
            "factorial",
            "factorial(n: int) -> int",
            "returns the factorial of `n`, the product of the numbers from 1 to `n`. `n` is never negative, and the factorial of 0 is 1.",
            """
            if n == 0:
                return 1
            return n * factorial(n - 1)
            """,
            shown="5 -> 120 ; 3 -> 6",
            hidden="0 -> 1 ; 1 -> 1 ; 2 -> 2 ; 4 -> 24 ; 6 -> 720 ; 10 -> 3628800",
        ),
        Function(
            "number-sequence",
            "count_up(n: int) -> list[int]",
            "returns the list of the numbers from 1 to `n`. If `n` is 0, returns an empty list.",
            "return list(range(1, n + 1))",
            shown="3 -> [1, 2, 3] ; 5 -> [1, 2, 3, 4, 5]",
            hidden="0 -> [] ; 1 -> [1] ; 2 -> [1, 2] ; 4 -> [1, 2, 3, 4] ; 6 -> [1, 2, 3, 4, 5, 6] ; 7 -> [1, 2, 3, 4, 5, 6, 7]",
        ),
        Function(
            "number-sequence",
            "count_down(n: int) -> list[int]",
            "returns the list of the numbers from `n` down to 1. If `n` is 0, returns an empty list.",
            "return list(range(n, 0, -1))",
            shown="3 -> [3, 2, 1] ; 5 -> [5, 4, 3, 2, 1]",
            hidden="0 -> [] ; 1 -> [1] ; 2 -> [2, 1] ; 4 -> [4, 3, 2, 1] ; 6 -> [6, 5, 4, 3, 2, 1] ; 7 -> [7, 6, 5, 4, 3, 2, 1]",
        ),
        Function(
            "number-sequence",
            "even_numbers(n: int) -> list[int]",
            "returns the list of the even numbers from 2 up to and including `n`. If there are none, returns an empty list.",
            "return [number for number in range(2, n + 1) if number % 2 == 0]",
            shown="6 -> [2, 4, 6] ; 5 -> [2, 4]",
            hidden="0 -> [] ; 1 -> [] ; 2 -> [2] ; 3 -> [2] ; 10 -> [2, 4, 6, 8, 10] ; 9 -> [2, 4, 6, 8]",
        ),
        Function(
            "repeat-item",
            "repeat_item(item: int, times: int) -> list[int]",
            "returns a list that contains `item` exactly `times` times.",
            "return [item] * times",
            shown="7, 3 -> [7, 7, 7] ; 0, 2 -> [0, 0]",
            hidden="1, 0 -> [] ; 5, 1 -> [5] ; -1, 4 -> [-1, -1, -1, -1] ; 2, 5 -> [2, 2, 2, 2, 2] ; 0, 0 -> [] ; 9, 2 -> [9, 9]",
        ),
        Function(
            "times-table",
            "times_table(n: int) -> list[int]",
            "returns the list of `n` times 1, `n` times 2 and so on up to `n` times 10.",
            "return [n * factor for factor in range(1, 11)]",
            shown="1 -> [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] ; 3 -> [3, 6, 9, 12, 15, 18, 21, 24, 27, 30]",
            hidden="""
            0 -> [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
            2 -> [2, 4, 6, 8, 10, 12, 14, 16, 18, 20]
            5 -> [5, 10, 15, 20, 25, 30, 35, 40, 45, 50]
            10 -> [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
            -1 -> [-1, -2, -3, -4, -5, -6, -7, -8, -9, -10]
            7 -> [7, 14, 21, 28, 35, 42, 49, 56, 63, 70]
            """,
        ),
        Function(
            "stars",
            "star_line(n: int) -> str",
            "returns a string of `n` stars, for example '***' for 3. If `n` is 0, returns an empty string.",
            "return '*' * n",
            shown="3 -> '***' ; 5 -> '*****'",
            hidden="0 -> '' ; 1 -> '*' ; 2 -> '**' ; 4 -> '****' ; 7 -> '*******' ; 10 -> '**********'",
        ),
        Function(
            "stars",
            "star_triangle(n: int) -> list[str]",
            "returns a list of `n` strings: one star, then two stars and so on, up to `n` stars.",
            "return ['*' * count for count in range(1, n + 1)]",
            shown="3 -> ['*', '**', '***'] ; 1 -> ['*']",
            hidden="""
            0 -> []
            2 -> ['*', '**']
            4 -> ['*', '**', '***', '****']
            5 -> ['*', '**', '***', '****', '*****']
            6 -> ['*', '**', '***', '****', '*****', '******']
            7 -> ['*', '**', '***', '****', '*****', '******', '*******']
            """,
        ),
        Function(
            "count-multiples",
            "count_multiples(n: int, factor: int) -> int",
            "returns how many numbers from 1 to `n` are divisible by `factor`. `factor` is at least 1.",
            "return sum(number % factor == 0 for number in range(1, n + 1))",
            shown="10, 3 -> 3 ; 6, 2 -> 3",
            hidden="0, 5 -> 0 ; 4, 5 -> 0 ; 5, 5 -> 1 ; 7, 1 -> 7 ; 100, 10 -> 10 ; 20, 6 -> 3",
        ),
        Function(
            "power-of-two",
            "powers_of_two(n: int) -> list[int]",
            "returns the list of the first `n` powers of two: 1, 2, 4, 8 and so on. If `n` is 0, returns an empty list.",
            "return [2**exponent for exponent in range(n)]",
            shown="4 -> [1, 2, 4, 8] ; 1 -> [1]",
            hidden="""
            0 -> [] ; 2 -> [1, 2] ; 3 -> [1, 2, 4]
            5 -> [1, 2, 4, 8, 16] ; 6 -> [1, 2, 4, 8, 16, 32] ; 7 -> [1, 2, 4, 8, 16, 32, 64]
            """,
        ),
        Function(
            "nested-sum",
            "nested_sum(rows: list[list[int]]) -> int",
            "returns the sum of all numbers in all inner lists. Inner lists may be empty, and an empty list gives 0.",
            "return sum(sum(row) for row in rows)",
            shown="[[1, 2], [3]] -> 6 ; [[4], [5, 6]] -> 15",
            hidden="[] -> 0 ; [[]] -> 0 ; [[], [1]] -> 1 ; [[7]] -> 7 ; [[-1, 1], [-2]] -> -2 ; [[10, 20], [30, 40], [0]] -> 100",
        ),
    ),
    test=(
        Function(
            "sum-up-to",
            "sum_to_n(n: int) -> int",
            "returns the sum of the whole numbers from 1 to `n`. If `n` is 0, returns 0.",
            "return n * (n + 1) // 2",
            shown="4 -> 10 ; 3 -> 6",
            hidden="0 -> 0 ; 1 -> 1 ; 2 -> 3 ; 5 -> 15 ; 10 -> 55 ; 100 -> 5050",
        ),
        Function(
            "sum-up-to",
            "sum_of_squares(n: int) -> int",
            "returns the sum of the squares of the numbers from 1 to `n`. If `n` is 0, returns 0.",
            "return sum(number * number for number in range(n + 1))",
            shown="3 -> 14 ; 2 -> 5",
            hidden="0 -> 0 ; 1 -> 1 ; 4 -> 30 ; 5 -> 55 ; 6 -> 91 ; 10 -> 385",
        ),
        Function(
            "fibonacci",
            "fibonacci(n: int) -> int",
            "returns the `n`-th Fibonacci number, where `fibonacci(0)` is 0, `fibonacci(1)` is 1 and each next "
            "one is the sum of the two before it.",
            """
            if n < 2:
                return n
            return fibonacci(n - 1) + fibonacci(n - 2)
            """,
            shown="5 -> 5 ; 6 -> 8",
            hidden="0 -> 0 ; 1 -> 1 ; 2 -> 1 ; 3 -> 2 ; 7 -> 13 ; 10 -> 55 ; 15 -> 610",
        ),
        Function(
            "fibonacci",
            "fibonacci_list(n: int) -> list[int]",
            "returns the list of the first `n` Fibonacci numbers, beginning with 0 and 1. If `n` is 0, returns an empty list.",
            """
            numbers = [0, 1]
            for _ in range(n):
                numbers.append(numbers[-1] + numbers[-2])
            return numbers[:n]
            """,
            shown="5 -> [0, 1, 1, 2, 3] ; 3 -> [0, 1, 1]",
            hidden="0 -> [] ; 1 -> [0] ; 2 -> [0, 1] ; 4 -> [0, 1, 1, 2] ; 7 -> [0, 1, 1, 2, 3, 5, 8] ; 8 -> [0, 1, 1, 2, 3, 5, 8, 13]",
        ),
        Function(
            "collatz",
            "collatz_steps(n: int) -> int",
            "returns how many steps it takes to reach 1 from `n`, where a step halves an even number and turns an odd number m into "
            "3 * m + 1. `n` is at least 1.",
            """
            if n == 1:
                return 0
            if n % 2 == 0:
                return 1 + collatz_steps(n // 2)
            return 1 + collatz_steps(3 * n + 1)
            """,
            shown="4 -> 2 ; 3 -> 7",
            hidden="1 -> 0 ; 2 -> 1 ; 5 -> 5 ; 6 -> 8 ; 7 -> 16 ; 8 -> 3 ; 10 -> 6",
        ),
        Function(
            "prime",
            "primes_up_to(n: int) -> list[int]",
            "returns the list of the prime numbers from 2 up to and including `n`. If there are none, returns an empty list.",
            "return [number for number in range(2, n + 1) if all(number % divisor for divisor in range(2, number))]",
            shown="10 -> [2, 3, 5, 7] ; 5 -> [2, 3, 5]",
            hidden="0 -> [] ; 1 -> [] ; 2 -> [2] ; 3 -> [2, 3] ; 11 -> [2, 3, 5, 7, 11] ; 20 -> [2, 3, 5, 7, 11, 13, 17, 19]",
        ),
    ),
)
