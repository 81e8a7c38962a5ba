"""Explanations of faults, written by hand for measuring: of each fault two right ones in different words, and a wrong one."""

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    """A faulty line, two explanations of what is wrong with it, and one that blames something else in the same program."""

    line: str
    right: tuple[str, str]
    wrong: str


FAULTS = (
    Fault(
        "def total(prices): return sum(prices[1:])",
        (
            "The slice starts at index 1, so the first price is never added to the sum.",
            "The first element is skipped: the sum should run over the whole list and not from the second item on.",
        ),
        "The function should return a float, but adding integers gives an integer.",
    ),
    Fault(
        "def is_adult(age): return age > 18",
        (
            "Someone who is exactly 18 is an adult too, so the comparison must be >= and not >.",
            "The boundary is excluded: with a strict comparison the age 18 gives False.",
        ),
        "Negative ages are not rejected, so the function gives a wrong answer for them.",
    ),
    Fault(
        "def average(values): return sum(values) // len(values)",
        (
            "Integer division cuts off the fraction; the mean needs true division.",
            "The code uses // where / is needed, so averages that are not whole are rounded down.",
        ),
        "The sum is taken over the wrong list, so the average is too large.",
    ),
    Fault(
        "def count_vowels(word): return sum(c in 'aeiou' for c in word)",
        (
            "Upper-case vowels are not counted because the word is not lowered first.",
            "The check only knows small letters, so capital A or E are missed.",
        ),
        "The letter y is a vowel as well and has to be added to the string.",
    ),
    Fault(
        "def reverse(text): return text[-1:0:-1]",
        (
            "The slice stops before index 0, so the first character is lost in the reversed text.",
            "The end of the slice is exclusive; the leading letter is dropped and should be kept with [::-1].",
        ),
        "Strings cannot be indexed backwards, so the text must be turned into a list.",
    ),
    Fault(
        "def biggest(xs):\n    best = 0\n    for x in xs:\n        best = max(best, x)\n    return best",
        (
            "The maximum starts at 0, so a list with only negative numbers returns 0.",
            "Initialising with zero is wrong when every value is below zero; start from the first element.",
        ),
        "The loop compares each number with itself and never changes the result.",
    ),
    Fault(
        "def fizz(n): return 'fizz' if n % 3 else str(n)",
        (
            "The condition is inverted: n % 3 is true for numbers that are not divisible by three.",
            "It says fizz exactly when the remainder is not zero; the test must be n % 3 == 0.",
        ),
        "The number has to be divided by 5 and not by 3.",
    ),
    Fault(
        "def add_all(d, key, value): d[key] += value",
        (
            "A key that is missing in the dictionary raises a KeyError; use get with a default of 0.",
            "The entry does not exist the first time, so adding to it fails.",
        ),
        "Dictionaries cannot hold numbers as values, only strings.",
    ),
    Fault(
        "def fact(n): return n * fact(n - 1)",
        (
            "The recursion has no base case, so it never stops.",
            "There is no condition that ends the recursive calls at 0, which exceeds the recursion limit.",
        ),
        "The function multiplies by n twice, so results are too large.",
    ),
    Fault(
        "def unique(xs): return list(set(xs))",
        (
            "A set does not keep the order of the items, but the result must be in the original order.",
            "Going through a set loses the order in which the elements appeared.",
        ),
        "Duplicates are kept, because list() adds them again.",
    ),
    Fault(
        "def celsius(f): return f - 32 * 5 / 9",
        (
            "Parentheses are missing: multiplication comes before subtraction, so 32 is scaled and not the difference.",
            "Operator precedence is wrong, f - 32 has to be computed first.",
        ),
        "The factor should be 9 / 5 for this direction.",
    ),
    Fault(
        "def last(xs): return xs[len(xs)]",
        (
            "The index is one too large: the last element is at len(xs) - 1.",
            "Off by one, which raises an IndexError; lists are counted from zero.",
        ),
        "An empty list has no last element and should give None.",
    ),
    Fault(
        "def remove_evens(xs):\n    for x in xs:\n        if x % 2 == 0:\n            xs.remove(x)\n    return xs",
        (
            "The list is changed while it is being iterated, so some elements are skipped.",
            "Removing items during the loop shifts the rest and the next even number is jumped over.",
        ),
        "The remainder test finds odd numbers, so the wrong ones are removed.",
    ),
    Fault(
        "def append(item, items=[]): items.append(item); return items",
        (
            "The default list is created once and shared between calls, so old items stay in it.",
            "A mutable default argument keeps its content; use None and make a new list inside.",
        ),
        "append returns None, so the function has no result.",
    ),
    Fault(
        "def same(a, b): return a is b",
        (
            "The operator is compares identity and not equality; use ==.",
            "Two equal lists are different objects, so this returns False although their values agree.",
        ),
        "The arguments are compared in the wrong order.",
    ),
    Fault(
        "def words(text): return len(text.split(' '))",
        (
            "Splitting at single spaces gives empty strings when there are several in a row, which are counted too.",
            "Double blanks produce empty words; split() without an argument ignores them.",
        ),
        "Punctuation is counted as part of the words.",
    ),
    Fault(
        "def power(b, e):\n    r = 1\n    for _ in range(1, e): r *= b\n    return r",
        (
            "The loop runs once too few, because range(1, e) has e - 1 values.",
            "The base is multiplied only e - 1 times; the range must begin at 0.",
        ),
        "The result is initialised with 1, but it should begin with 0.",
    ),
    Fault(
        "def is_prime(n): return all(n % k for k in range(2, n))",
        (
            "For 0 and 1 the range is empty, so all() returns True although they are not prime.",
            "Numbers below two are called prime, because nothing is tested for them.",
        ),
        "The loop divides by even numbers only and misses odd divisors.",
    ),
    Fault(
        "def join(parts): return ','.join(parts) + ','",
        (
            "A comma is added after the last part, which should not be there.",
            "The result ends with a superfluous separator.",
        ),
        "The parts are joined in reverse order.",
    ),
    Fault(
        "def read(n): return int(n) + '1'",
        (
            "An integer and a string cannot be added, so a TypeError is raised.",
            "The literal '1' is text; it has to be the number 1 for the addition to work.",
        ),
        "The value n may be negative, which int() does not accept.",
    ),
)

GENERIC = "The code does not return the expected result for the failing test, because its logic is wrong. It has to be corrected."
"""Says nothing, and fits every fault."""
