"""First functions, conditionals and booleans: choose, compare, classify."""

from burnish.tasks.first_functions._build import Family, Function

CONDITIONS = Family(
    "conditions",
    train=(
        Function(
            "larger-and-smaller",
            "max_of_two(a: int, b: int) -> int",
            "returns the larger of the two numbers. If they are equal, returns that number.",
            """
            if a > b:
                return a
            return b
            """,
            shown="3, 7 -> 7 ; 10, 2 -> 10",
            hidden="5, 5 -> 5 ; 0, -1 -> 0 ; -4, -2 -> -2 ; 1, 0 -> 1 ; 99, 100 -> 100 ; -1, 1 -> 1",
        ),
        Function(
            "larger-and-smaller",
            "min_of_two(a: int, b: int) -> int",
            "returns the smaller of the two numbers. If they are equal, returns that number.",
            """
            if a < b:
                return a
            return b
            """,
            shown="3, 7 -> 3 ; 10, 2 -> 2",
            hidden="5, 5 -> 5 ; 0, -1 -> -1 ; -4, -2 -> -4 ; 1, 0 -> 0 ; 99, 100 -> 99 ; -1, 1 -> -1",
        ),
        Function(
            "larger-and-smaller",
            "max_of_three(a: int, b: int, c: int) -> int",
            "returns the largest of the three numbers.",
            "return max(a, b, c)",
            shown="1, 2, 3 -> 3 ; 9, 4, 5 -> 9",
            hidden="5, 5, 5 -> 5 ; 1, 8, 2 -> 8 ; -1, -2, -3 -> -1 ; 0, 0, -4 -> 0 ; 7, 7, 2 -> 7 ; 2, 6, 6 -> 6 ; -9, -8, -7 -> -7",
        ),
        Function(
            "sign",
            "is_positive(n: int) -> bool",
            "returns True if `n` is greater than zero, and False otherwise.",
            "return n > 0",
            shown="5 -> True ; -3 -> False",
            hidden="0 -> False ; 1 -> True ; -1 -> False ; 100 -> True ; -100 -> False ; 2 -> True",
        ),
        Function(
            "sign",
            "sign(n: int) -> int",
            "returns 1 if `n` is positive, -1 if `n` is negative and 0 if `n` is zero.",
            """
            if n > 0:
                return 1
            if n < 0:
                return -1
            return 0
            """,
            shown="5 -> 1 ; -3 -> -1",
            hidden="0 -> 0 ; 1 -> 1 ; -1 -> -1 ; 100 -> 1 ; -100 -> -1 ; 2 -> 1",
        ),
        Function(
            "threshold",
            "is_adult(age: int) -> bool",
            "returns True if `age` is at least 18, and False otherwise.",
            "return age >= 18",
            shown="20 -> True ; 10 -> False",
            hidden="18 -> True ; 17 -> False ; 19 -> True ; 0 -> False ; 65 -> True ; 1 -> False",
        ),
        Function(
            "threshold",
            "pass_or_fail(score: int) -> str",
            "returns 'pass' if `score` is 50 or more, and 'fail' otherwise.",
            """
            if score >= 50:
                return 'pass'
            return 'fail'
            """,
            shown="75 -> 'pass' ; 20 -> 'fail'",
            hidden="50 -> 'pass' ; 49 -> 'fail' ; 51 -> 'pass' ; 0 -> 'fail' ; 100 -> 'pass' ; 5 -> 'fail'",
        ),
        Function(
            "and-or-not",
            "can_enter(age: int, has_ticket: bool) -> bool",
            "returns True if `age` is at least 12 and `has_ticket` is True, and False otherwise.",
            "return age >= 12 and has_ticket",
            shown="15, True -> True ; 15, False -> False",
            hidden="12, True -> True ; 11, True -> False ; 13, True -> True ; 10, False -> False ; 0, True -> False ; 12, False -> False",
        ),
        Function(
            "vowels-and-consonants",
            "is_vowel(letter: str) -> bool",
            "returns True if `letter` is one of the vowels a, e, i, o, u (upper or lower case), and False for any other letter.",
            "return letter.lower() in 'aeiou'",
            shown="'a' -> True ; 'b' -> False",
            hidden="'e' -> True ; 'U' -> True ; 'Z' -> False ; 'i' -> True ; 'O' -> True ; 'y' -> False ; 'u' -> True",
        ),
        Function(
            "even-or-odd",
            "even_or_odd(n: int) -> str",
            "returns the string 'even' if `n` is even and the string 'odd' if it is odd.",
            """
            if n % 2 == 0:
                return 'even'
            return 'odd'
            """,
            shown="4 -> 'even' ; 7 -> 'odd'",
            hidden="0 -> 'even' ; 1 -> 'odd' ; -2 -> 'even' ; -3 -> 'odd' ; 100 -> 'even' ; 9 -> 'odd' ; 6 -> 'even'",
        ),
        Function(
            "absolute-value",
            "absolute_value(n: int) -> int",
            "returns the absolute value of `n`, which is `n` without its sign.",
            "return abs(n)",
            shown="-5 -> 5 ; 3 -> 3",
            hidden="0 -> 0 ; -1 -> 1 ; 1 -> 1 ; -100 -> 100 ; 42 -> 42 ; -7 -> 7",
        ),
    ),
    test=(
        Function(
            "leap-year",
            "is_leap_year(year: int) -> bool",
            "returns True if `year` is a leap year, and False otherwise. A year is a leap year if it is divisible by 4, except years "
            "divisible by 100, which are leap years only if they are also divisible by 400.",
            "return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)",
            shown="2024 -> True ; 2023 -> False",
            hidden="""
            2000 -> True ; 1900 -> False ; 2100 -> False ; 1996 -> True
            2001 -> False ; 1600 -> True ; 2022 -> False ; 2200 -> False
            """,
        ),
        Function(
            "fizz-buzz",
            "fizz_buzz(n: int) -> str",
            "returns 'FizzBuzz' if `n` is divisible by 3 and by 5, 'Fizz' if only by 3, 'Buzz' if only by 5, "
            "and otherwise the number as a string. `n` is at least 1.",
            """
            if n % 15 == 0:
                return 'FizzBuzz'
            if n % 3 == 0:
                return 'Fizz'
            if n % 5 == 0:
                return 'Buzz'
            return str(n)
            """,
            shown="3 -> 'Fizz' ; 10 -> 'Buzz'",
            hidden="""
            15 -> 'FizzBuzz' ; 1 -> '1' ; 5 -> 'Buzz' ; 9 -> 'Fizz' ; 30 -> 'FizzBuzz' ; 7 -> '7'
            98 -> '98' ; 4 -> '4' ; 14 -> '14' ; 16 -> '16' ; 6 -> 'Fizz'
            """,
        ),
        Function(
            "letter-grade",
            "letter_grade(score: int) -> str",
            "returns 'A' for a score of 90 or more, 'B' for 80 to 89, 'C' for 70 to 79, and 'F' for anything lower.",
            """
            if score >= 90:
                return 'A'
            if score >= 80:
                return 'B'
            if score >= 70:
                return 'C'
            return 'F'
            """,
            shown="95 -> 'A' ; 72 -> 'C'",
            hidden="90 -> 'A' ; 89 -> 'B' ; 80 -> 'B' ; 79 -> 'C' ; 70 -> 'C' ; 69 -> 'F' ; 0 -> 'F' ; 100 -> 'A'",
        ),
        Function(
            "ranges",
            "is_between(n: int, low: int, high: int) -> bool",
            "returns True if `n` is at least `low` and at most `high`, and False otherwise.",
            "return low <= n <= high",
            shown="5, 1, 10 -> True ; 11, 1, 10 -> False",
            hidden="1, 1, 10 -> True ; 10, 1, 10 -> True ; 0, 1, 10 -> False ; 3, 3, 3 -> True ; -5, -9, -1 -> True ; 2, 3, 4 -> False",
        ),
        Function(
            "ranges",
            "clamp(n: int, low: int, high: int) -> int",
            "returns `low` if `n` is less than `low`, `high` if `n` is greater than `high`, and `n` itself otherwise.",
            "return max(low, min(n, high))",
            shown="5, 1, 10 -> 5 ; 15, 1, 10 -> 10",
            hidden="-3, 1, 10 -> 1 ; 1, 1, 10 -> 1 ; 10, 1, 10 -> 10 ; 7, 3, 3 -> 3 ; -5, -9, -1 -> -5 ; 0, -9, -1 -> -1",
        ),
        Function(
            "weekend",
            "is_weekend(day: str) -> bool",
            "returns True if `day` is 'Saturday' or 'Sunday', and False for any other text.",
            "return day in ['Saturday', 'Sunday']",
            shown="'Sunday' -> True ; 'Monday' -> False",
            hidden="""
            'Saturday' -> True
            'Tuesday' -> False
            'Wednesday' -> False
            'Thursday' -> False
            'Friday' -> False
            'Fri' -> False
            """,
        ),
    ),
)
