"""First functions, numbers and digits: parity, divisors, primes, digits of a whole number."""

from burnish.tasks.first_functions._build import Family, Function

NUMBERS = Family(
    "numbers",
    train=(
        Function(
            "even-or-odd",
            "is_even(n: int) -> bool",
            "returns True if `n` is even and False if it is odd.",
            "return n % 2 == 0",
            shown="4 -> True ; 7 -> False",
            hidden="0 -> True ; 1 -> False ; -2 -> True ; -3 -> False ; 100 -> True ; 6 -> True ; 9 -> False",
        ),
        Function(
            "even-or-odd",
            "is_odd(n: int) -> bool",
            "returns True if `n` is odd and False if it is even.",
            "return n % 2 == 1",
            shown="3 -> True ; 8 -> False",
            hidden="0 -> False ; 1 -> True ; -2 -> False ; -5 -> True ; 100 -> False ; 6 -> False ; 11 -> True",
        ),
        Function(
            "digit-sum",
            "sum_of_digits(n: int) -> int",
            "returns the sum of the digits of `n`. `n` is never negative.",
            "return sum(int(digit) for digit in str(n))",
            shown="123 -> 6 ; 45 -> 9",
            hidden="0 -> 0 ; 7 -> 7 ; 100 -> 1 ; 999 -> 27 ; 2024 -> 8 ; 1000001 -> 2",
        ),
        Function(
            "digit-count",
            "count_digits(n: int) -> int",
            "returns how many digits `n` has. `n` is never negative, and 0 has one digit.",
            "return len(str(n))",
            shown="123 -> 3 ; 45 -> 2",
            hidden="0 -> 1 ; 7 -> 1 ; 10 -> 2 ; 100 -> 3 ; 99999 -> 5 ; 1000000 -> 7",
        ),
        Function(
            "last-digit",
            "last_digit(n: int) -> int",
            "returns the last digit of `n`. `n` is never negative.",
            "return n % 10",
            shown="123 -> 3 ; 40 -> 0",
            hidden="0 -> 0 ; 7 -> 7 ; 10 -> 0 ; 999 -> 9 ; 2021 -> 1 ; 86 -> 6",
        ),
        Function(
            "divisors",
            "count_divisors(n: int) -> int",
            "returns how many positive divisors `n` has. `n` is at least 1, and 1 and `n` count as divisors.",
            """
            count = 0
            for divisor in range(1, n + 1):
                if n % divisor == 0:
                    count += 1
            return count
            """,
            shown="6 -> 4 ; 5 -> 2",
            hidden="1 -> 1 ; 2 -> 2 ; 12 -> 6 ; 16 -> 5 ; 7 -> 2 ; 100 -> 9",
        ),
        Function(
            "divisors",
            "divisors(n: int) -> list[int]",
            "returns the list of all positive divisors of `n` in increasing order. `n` is at least 1.",
            "return [divisor for divisor in range(1, n + 1) if n % divisor == 0]",
            shown="6 -> [1, 2, 3, 6] ; 5 -> [1, 5]",
            hidden="1 -> [1] ; 2 -> [1, 2] ; 9 -> [1, 3, 9] ; 12 -> [1, 2, 3, 4, 6, 12] ; 13 -> [1, 13] ; 8 -> [1, 2, 4, 8]",
        ),
        Function(
            "divisible",
            "is_divisible(a: int, b: int) -> bool",
            "returns True if `a` is divisible by `b` without a remainder, and False otherwise. `b` is never zero.",
            "return a % b == 0",
            shown="10, 5 -> True ; 10, 3 -> False",
            hidden="0, 4 -> True ; 7, 7 -> True ; 3, 9 -> False ; -8, 2 -> True ; 5, 1 -> True ; 15, 4 -> False ; 9, 8 -> False",
        ),
        Function(
            "perfect-square",
            "is_perfect_square(n: int) -> bool",
            "returns True if `n` is the square of a whole number, and False otherwise. `n` is never negative.",
            "return any(root * root == n for root in range(n + 1))",
            shown="16 -> True ; 15 -> False",
            hidden="0 -> True ; 1 -> True ; 2 -> False ; 49 -> True ; 50 -> False ; 99 -> False ; 100 -> True",
        ),
        Function(
            "perfect-number",
            "is_perfect(n: int) -> bool",
            "returns True if `n` equals the sum of its positive divisors smaller than `n`, and False otherwise. `n` is at least 1.",
            "return sum(divisor for divisor in range(1, n) if n % divisor == 0) == n",
            shown="6 -> True ; 8 -> False",
            hidden="1 -> False ; 2 -> False ; 28 -> True ; 12 -> False ; 27 -> False ; 496 -> True ; 24 -> False",
        ),
        Function(
            "power-of-two",
            "is_power_of_two(n: int) -> bool",
            "returns True if `n` is a power of two (1, 2, 4, 8 and so on), and False otherwise. `n` may be zero or negative.",
            "return n > 0 and n & (n - 1) == 0",
            shown="8 -> True ; 6 -> False",
            hidden="0 -> False ; 1 -> True ; 2 -> True ; 3 -> False ; 64 -> True ; 100 -> False ; -4 -> False ; 9 -> False",
        ),
    ),
    test=(
        Function(
            "reverse-number",
            "reverse_number(n: int) -> int",
            "returns the number made of the digits of `n` in reverse order. `n` is never negative; leading zeros disappear.",
            "return int(str(n)[::-1])",
            shown="123 -> 321 ; 45 -> 54",
            hidden="0 -> 0 ; 7 -> 7 ; 100 -> 1 ; 1200 -> 21 ; 505 -> 505 ; 98765 -> 56789",
        ),
        Function(
            "prime",
            "is_prime(n: int) -> bool",
            "returns True if `n` is a prime number and False otherwise. Numbers smaller than 2 are not prime.",
            """
            if n < 2:
                return False
            for divisor in range(2, n):
                if n % divisor == 0:
                    return False
            return True
            """,
            shown="7 -> True ; 8 -> False",
            hidden="0 -> False ; 1 -> False ; 2 -> True ; 3 -> True ; 4 -> False ; 9 -> False ; 97 -> True ; 91 -> False ; -5 -> False",
        ),
        Function(
            "gcd-and-lcm",
            "gcd(a: int, b: int) -> int",
            "returns the greatest common divisor of `a` and `b`. Both numbers are at least 1.",
            "return max(divisor for divisor in range(1, a + 1) if a % divisor == 0 and b % divisor == 0)",
            shown="12, 8 -> 4 ; 10, 5 -> 5",
            hidden="1, 1 -> 1 ; 7, 3 -> 1 ; 9, 9 -> 9 ; 5, 20 -> 5 ; 48, 36 -> 12 ; 100, 75 -> 25",
        ),
        Function(
            "gcd-and-lcm",
            "lcm(a: int, b: int) -> int",
            "returns the least common multiple of `a` and `b`. Both numbers are at least 1.",
            "return min(number for number in range(a, a * b + 1) if number % a == 0 and number % b == 0)",
            shown="4, 6 -> 12 ; 3, 5 -> 15",
            hidden="1, 1 -> 1 ; 7, 7 -> 7 ; 2, 8 -> 8 ; 8, 2 -> 8 ; 1, 9 -> 9 ; 10, 15 -> 30 ; 6, 7 -> 42",
        ),
        Function(
            "binary",
            "to_binary(n: int) -> str",
            "returns the binary digits of `n` as a string without any prefix. `n` is never negative, and 0 gives '0'.",
            "return bin(n)[2:]",
            shown="5 -> '101' ; 8 -> '1000'",
            hidden="0 -> '0' ; 1 -> '1' ; 2 -> '10' ; 7 -> '111' ; 10 -> '1010' ; 255 -> '11111111'",
        ),
        Function(
            "largest-digit",
            "largest_digit(n: int) -> int",
            "returns the largest digit of `n`. `n` is never negative.",
            "return max(int(digit) for digit in str(n))",
            shown="372 -> 7 ; 15 -> 5",
            hidden="0 -> 0 ; 8 -> 8 ; 100 -> 1 ; 909 -> 9 ; 4444 -> 4 ; 12360 -> 6",
        ),
    ),
)
