"""First functions, strings: length, case, letters, reversal; a string goes in and no parsing is needed."""

from burnish.tasks.first_functions._build import Family, Function

STRINGS = Family(
    "strings",
    train=(
        Function(
            "reverse-string",
            "reverse_string(text: str) -> str",
            "returns `text` with its characters in reverse order.",
            "return text[::-1]",
            shown="'hello' -> 'olleh' ; 'abc' -> 'cba'",
            hidden="'' -> '' ; 'a' -> 'a' ; 'Hi There' -> 'erehT iH' ; 'level' -> 'level' ; '12 ' -> ' 21' ; 'Ab' -> 'bA'",
        ),
        Function(
            "vowels-and-consonants",
            "count_vowels(text: str) -> int",
            "returns how many vowels (a, e, i, o, u; upper or lower case) are in `text`.",
            "return sum(letter in 'aeiou' for letter in text.lower())",
            shown="'hello' -> 2 ; 'banana' -> 3",
            hidden="'' -> 0 ; 'xyz' -> 0 ; 'AEIOU' -> 5 ; 'Apple' -> 2 ; 'queue up' -> 5 ; 'rhythm' -> 0",
        ),
        Function(
            "vowels-and-consonants",
            "count_consonants(text: str) -> int",
            "returns how many consonants (letters other than a, e, i, o, u; upper or lower case) are in `text`. "
            "`text` holds only English letters and spaces; spaces do not count.",
            "return sum(letter not in 'aeiou ' for letter in text.lower())",
            shown="'hello' -> 3 ; 'banana' -> 3",
            hidden="'' -> 0 ; 'aeiou' -> 0 ; 'XYZ' -> 3 ; 'Apple Pie' -> 4 ; '   ' -> 0 ; 'AbE' -> 1",
        ),
        Function(
            "upper-and-lower-case",
            "to_uppercase(text: str) -> str",
            "returns `text` with all letters in upper case.",
            "return text.upper()",
            shown="'hello' -> 'HELLO' ; 'aBc' -> 'ABC'",
            hidden="'' -> '' ; 'OK' -> 'OK' ; 'a1b2' -> 'A1B2' ; 'hi there' -> 'HI THERE' ; '!?' -> '!?' ; 'z' -> 'Z'",
        ),
        Function(
            "upper-and-lower-case",
            "to_lowercase(text: str) -> str",
            "returns `text` with all letters in lower case.",
            "return text.lower()",
            shown="'HELLO' -> 'hello' ; 'aBc' -> 'abc'",
            hidden="'' -> '' ; 'ok' -> 'ok' ; 'A1B2' -> 'a1b2' ; 'Hi There' -> 'hi there' ; '!?' -> '!?' ; 'Z' -> 'z'",
        ),
        Function(
            "repeat-string",
            "repeat_text(text: str, times: int) -> str",
            "returns `text` repeated `times` times without anything in between. If `times` is 0, returns an empty string.",
            "return text * times",
            shown="'ab', 3 -> 'ababab' ; 'x', 2 -> 'xx'",
            hidden="'hi', 0 -> '' ; '', 5 -> '' ; 'a', 1 -> 'a' ; 'no ', 2 -> 'no no ' ; '-', 6 -> '------' ; 'abc', 1 -> 'abc'",
        ),
        Function(
            "count-character",
            "count_character(text: str, character: str) -> int",
            "returns how many times `character` occurs in `text`. Upper and lower case are different.",
            "return text.count(character)",
            shown="'banana', 'a' -> 3 ; 'hello', 'l' -> 2",
            hidden="'', 'a' -> 0 ; 'xyz', 'a' -> 0 ; 'Anna', 'a' -> 1 ; 'aaaa', 'a' -> 4 ; 'a b c', ' ' -> 2 ; 'Hello', 'H' -> 1",
        ),
        Function(
            "first-and-last-character",
            "first_character(text: str) -> str",
            "returns the first character of `text`. `text` is never empty.",
            "return text[0]",
            shown="'hello' -> 'h' ; 'Python' -> 'P'",
            hidden="'a' -> 'a' ; ' b' -> ' ' ; '42' -> '4' ; 'Zoo' -> 'Z' ; 'oops' -> 'o' ; '!ab' -> '!'",
        ),
        Function(
            "first-and-last-character",
            "last_character(text: str) -> str",
            "returns the last character of `text`. `text` is never empty.",
            "return text[-1]",
            shown="'hello' -> 'o' ; 'Python' -> 'n'",
            hidden="'a' -> 'a' ; 'b ' -> ' ' ; '42' -> '2' ; 'Zoom' -> 'm' ; 'oops' -> 's' ; 'ab!' -> '!'",
        ),
        Function(
            "concatenate",
            "full_name(first: str, last: str) -> str",
            "returns the first name and the last name joined by one space.",
            "return first + ' ' + last",
            shown="'Ada', 'Lovelace' -> 'Ada Lovelace' ; 'Alan', 'Turing' -> 'Alan Turing'",
            hidden="""
            'A', 'B' -> 'A B'
            'grace', 'hopper' -> 'grace hopper'
            'Jo Ann', 'Lee' -> 'Jo Ann Lee'
            'x', 'x' -> 'x x'
            'Linus', 'T.' -> 'Linus T.'
            'Mary', 'Smith-Jones' -> 'Mary Smith-Jones'
            """,
        ),
        Function(
            "replace-character",
            "replace_character(text: str, old: str, new: str) -> str",
            "returns `text` with every occurrence of the character `old` replaced by the character `new`.",
            "return text.replace(old, new)",
            shown="'banana', 'a', 'o' -> 'bonono' ; 'hello', 'l', 'r' -> 'herro'",
            hidden="""
            '', 'a', 'b' -> ''
            'xyz', 'a', 'b' -> 'xyz'
            'aaa', 'a', 'b' -> 'bbb'
            'Anna', 'a', 'x' -> 'Annx'
            'a-b-c', '-', ' ' -> 'a b c'
            'abab', 'b', 'a' -> 'aaaa'
            """,
        ),
    ),
    test=(
        Function(
            "string-length",
            "string_length(text: str) -> int",
            "returns the number of characters in `text`, spaces included.",
            "return len(text)",
            shown="'hello' -> 5 ; 'a b' -> 3",
            hidden="'' -> 0 ; 'x' -> 1 ; '   ' -> 3 ; 'hello world' -> 11 ; '12345678' -> 8 ; 'oo' -> 2",
        ),
        Function(
            "palindrome",
            "is_palindrome(text: str) -> bool",
            "returns True if `text` reads the same forwards and backwards, and False otherwise. Case matters; empty text is a palindrome.",
            "return text == text[::-1]",
            shown="'level' -> True ; 'hello' -> False",
            hidden="'' -> True ; 'a' -> True ; 'ab' -> False ; 'abba' -> True ; 'Anna' -> False ; 'abca' -> False ; 'racecar' -> True",
        ),
        Function(
            "remove-spaces",
            "remove_spaces(text: str) -> str",
            "returns `text` without its spaces.",
            "return text.replace(' ', '')",
            shown="'a b c' -> 'abc' ; 'hello world' -> 'helloworld'",
            hidden="'' -> '' ; '   ' -> '' ; 'abc' -> 'abc' ; ' x ' -> 'x' ; 'a  b' -> 'ab' ; 'To be or not' -> 'Tobeornot'",
        ),
        Function(
            "capitalize",
            "capitalize_first(text: str) -> str",
            "returns `text` with its first character in upper case and the rest unchanged. An empty string stays empty.",
            "return text[:1].upper() + text[1:]",
            shown="'hello' -> 'Hello' ; 'python code' -> 'Python code'",
            hidden="'' -> '' ; 'a' -> 'A' ; 'Hello' -> 'Hello' ; 'aBC' -> 'ABC' ; '1st' -> '1st' ; 'oK' -> 'OK'",
        ),
        Function(
            "swap-case",
            "swap_case(text: str) -> str",
            "returns `text` with every lower-case letter in upper case and every upper-case letter in lower case.",
            "return ''.join(letter.lower() if letter.isupper() else letter.upper() for letter in text)",
            shown="'Hello' -> 'hELLO' ; 'abc' -> 'ABC'",
            hidden="'' -> '' ; 'ABC' -> 'abc' ; 'aB cD' -> 'Ab Cd' ; '123' -> '123' ; 'x' -> 'X' ; 'PyThOn 3' -> 'pYtHoN 3'",
        ),
        Function(
            "anagram",
            "is_anagram(a: str, b: str) -> bool",
            "returns True if `a` and `b` contain exactly the same characters the same number of times, in any order, "
            "and False otherwise. Case matters.",
            "return sorted(a) == sorted(b)",
            shown="'listen', 'silent' -> True ; 'abc', 'abd' -> False",
            hidden="""
            '', '' -> True
            'a', 'a' -> True
            'aab', 'abb' -> False
            'ab', 'abb' -> False
            'Ab', 'ba' -> False
            'evil', 'vile' -> True
            'aabb', 'abab' -> True
            """,
        ),
    ),
)
