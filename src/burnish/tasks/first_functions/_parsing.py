"""First functions, string parsing: words, separators, numbers inside text."""

from burnish.tasks.first_functions._build import Family, Function

PARSING = Family(
    "parsing",
    train=(
        Function(
            "count-words",
            "count_words(text: str) -> int",
            "returns the number of words in `text`. Words are separated by one or more spaces; empty text has 0 words.",
            "return len(text.split())",
            shown="'hello world' -> 2 ; 'one two three' -> 3",
            hidden="'' -> 0 ; 'word' -> 1 ; '   ' -> 0 ; ' a b ' -> 2 ; 'a  b' -> 2 ; 'the cat sat on it' -> 5",
        ),
        Function(
            "first-and-last-word",
            "first_word(text: str) -> str",
            "returns the first word of `text`. Words are separated by spaces, and there is at least one word.",
            "return text.split()[0]",
            shown="'hello world' -> 'hello' ; 'one two three' -> 'one'",
            hidden="'word' -> 'word' ; 'A b' -> 'A' ; 'the end' -> 'the' ; '42 is it' -> '42' ; 'x y z' -> 'x' ; 'Hi, you' -> 'Hi,'",
        ),
        Function(
            "first-and-last-word",
            "last_word(text: str) -> str",
            "returns the last word of `text`. Words are separated by spaces, and there is at least one word.",
            "return text.split()[-1]",
            shown="'hello world' -> 'world' ; 'one two three' -> 'three'",
            hidden="'word' -> 'word' ; 'A b' -> 'b' ; 'the end' -> 'end' ; 'it is 42' -> '42' ; 'x y z' -> 'z' ; 'Hi, you!' -> 'you!'",
        ),
        Function(
            "split-and-join",
            "list_words(text: str) -> list[str]",
            "returns the list of the words in `text`. Words are separated by one or more spaces; empty text gives an empty list.",
            "return text.split()",
            shown="'hello world' -> ['hello', 'world'] ; 'a b c' -> ['a', 'b', 'c']",
            hidden="""
            '' -> []
            'one' -> ['one']
            '   ' -> []
            ' x y ' -> ['x', 'y']
            'a  b' -> ['a', 'b']
            'To be or not' -> ['To', 'be', 'or', 'not']
            """,
        ),
        Function(
            "split-and-join",
            "join_words(words: list[str]) -> str",
            "returns the words joined into one string with a single space between them. An empty list gives an empty string.",
            "return ' '.join(words)",
            shown="['hello', 'world'] -> 'hello world' ; ['a', 'b', 'c'] -> 'a b c'",
            hidden="""
            [] -> ''
            ['one'] -> 'one'
            ['x', 'y'] -> 'x y'
            ['To', 'be', 'or', 'not'] -> 'To be or not'
            ['a', 'a', 'a'] -> 'a a a'
            ['Hi,', 'you!'] -> 'Hi, you!'
            """,
        ),
        Function(
            "numbers-in-text",
            "parse_numbers(text: str) -> list[int]",
            "returns the list of the whole numbers in `text`, which are separated by commas, as in '1,2,3'. There is at least one number.",
            "return [int(part) for part in text.split(',')]",
            shown="'1,2,3' -> [1, 2, 3] ; '10,20' -> [10, 20]",
            hidden="""
            '5' -> [5] ; '0,0' -> [0, 0] ; '-1,1' -> [-1, 1]
            '7,7,7' -> [7, 7, 7] ; '3,2,1' -> [3, 2, 1] ; '100,-20' -> [100, -20]
            """,
        ),
        Function(
            "numbers-in-text",
            "sum_of_text(text: str) -> int",
            "returns the sum of the whole numbers in `text`, which are separated by spaces, as in '1 2 3'. Empty text gives 0.",
            "return sum(int(part) for part in text.split())",
            shown="'1 2 3' -> 6 ; '10 20' -> 30",
            hidden="'' -> 0 ; '5' -> 5 ; '0 0' -> 0 ; '-1 1' -> 0 ; '7 7 7' -> 21 ; '100 -20' -> 80",
        ),
        Function(
            "longest-word",
            "longest_word(text: str) -> str",
            "returns the longest word in `text`; words are separated by spaces. If several are longest, returns the first of them. "
            "There is at least one word.",
            "return max(text.split(), key=len)",
            shown="'a quick fox' -> 'quick' ; 'hello my friends' -> 'friends'",
            hidden="""
            'word' -> 'word'
            'aa bb cc' -> 'aa'
            'one three seven' -> 'three'
            'longest is here' -> 'longest'
            'b a' -> 'b'
            'I am at home' -> 'home'
            """,
        ),
        Function(
            "initials",
            "initials(name: str) -> str",
            "returns the first letter of each word of `name`, in upper case and without anything in between. "
            "Words are separated by spaces; an empty name gives an empty string.",
            "return ''.join(word[0].upper() for word in name.split())",
            shown="'Ada Lovelace' -> 'AL' ; 'grace hopper' -> 'GH'",
            hidden="""
            'Alan' -> 'A'
            'john ronald reuel tolkien' -> 'JRRT'
            'x y' -> 'XY'
            'Mary Ann Evans' -> 'MAE'
            'A B C' -> 'ABC'
            '' -> ''
            """,
        ),
        Function(
            "digits-in-text",
            "digits_only(text: str) -> str",
            "returns only the digits of `text`, in the same order. If there are none, returns an empty string.",
            "return ''.join(character for character in text if character.isdigit())",
            shown="'a1b2' -> '12' ; 'room 101' -> '101'",
            hidden="'' -> '' ; 'abc' -> '' ; '42' -> '42' ; '0-0' -> '00' ; '3.14' -> '314' ; 'x9y' -> '9'",
        ),
        Function(
            "count-sentences",
            "count_sentences(text: str) -> int",
            "returns the number of sentences in `text`. Each sentence ends with exactly one full stop '.', and "
            "there are no other full stops.",
            "return text.count('.')",
            shown="'Hi. Bye.' -> 2 ; 'I am here.' -> 1",
            hidden="""
            '' -> 0 ; 'A. B. C.' -> 3 ; 'One. Two. Three. Four.' -> 4
            'Really? Yes.' -> 1 ; 'Stop.' -> 1 ; 'No. No. No. No. No.' -> 5
            """,
        ),
    ),
    test=(
        Function(
            "reverse-words",
            "reverse_words(text: str) -> str",
            "returns the words of `text` in reverse order, joined by single spaces. Words are separated by single spaces.",
            "return ' '.join(reversed(text.split()))",
            shown="'hello world' -> 'world hello' ; 'a b c' -> 'c b a'",
            hidden="""
            '' -> ''
            'one' -> 'one'
            'I am here' -> 'here am I'
            'x x y' -> 'y x x'
            'to be or not' -> 'not or be to'
            'Ab cD' -> 'cD Ab'
            """,
        ),
        Function(
            "capitalize",
            "capitalize_words(text: str) -> str",
            "returns `text` with the first letter of every word in upper case. `text` holds only lower-case "
            "words separated by single spaces.",
            "return ' '.join(word.capitalize() for word in text.split())",
            shown="'hello world' -> 'Hello World' ; 'a tale of two' -> 'A Tale Of Two'",
            hidden="""
            '' -> ''
            'one' -> 'One'
            'x y z' -> 'X Y Z'
            'good morning' -> 'Good Morning'
            'the end' -> 'The End'
            'i am at home' -> 'I Am At Home'
            """,
        ),
        Function(
            "email-parts",
            "email_domain(email: str) -> str",
            "returns the part of the email address after the '@'. There is exactly one '@'.",
            "return email.split('@')[1]",
            shown="'ada@example.com' -> 'example.com' ; 'bob@mail.org' -> 'mail.org'",
            hidden="""
            'a@b' -> 'b'
            'x.y@site.net' -> 'site.net'
            'me@localhost' -> 'localhost'
            'first.last@sub.domain.io' -> 'sub.domain.io'
            'q1@w2.e3' -> 'w2.e3'
            'ab@ab' -> 'ab'
            """,
        ),
        Function(
            "email-parts",
            "email_user(email: str) -> str",
            "returns the part of the email address before the '@'. There is exactly one '@'.",
            "return email.split('@')[0]",
            shown="'ada@example.com' -> 'ada' ; 'bob@mail.org' -> 'bob'",
            hidden="""
            'a@b' -> 'a'
            'x.y@site.net' -> 'x.y'
            'me@localhost' -> 'me'
            'first.last@sub.domain.io' -> 'first.last'
            'q1@w2.e3' -> 'q1'
            'ab@ab' -> 'ab'
            """,
        ),
        Function(
            "clock-time",
            "clock_to_minutes(time: str) -> int",
            "returns the number of minutes since midnight for a time written as 'HH:MM', for example '02:30'.",
            """
            hours, minutes = time.split(':')
            return int(hours) * 60 + int(minutes)
            """,
            shown="'02:30' -> 150 ; '01:05' -> 65",
            hidden="'00:00' -> 0 ; '00:59' -> 59 ; '10:00' -> 600 ; '23:59' -> 1439 ; '12:12' -> 732 ; '05:01' -> 301",
        ),
        Function(
            "snake-and-camel",
            "snake_to_camel(name: str) -> str",
            "turns a name like 'my_first_name' into 'myFirstName': underscores disappear, and every word after the first starts with "
            "an upper-case letter. The input holds only lower-case letters and single underscores between words.",
            """
            words = name.split('_')
            return words[0] + ''.join(word.capitalize() for word in words[1:])
            """,
            shown="'my_name' -> 'myName' ; 'get_first_item' -> 'getFirstItem'",
            hidden="""
            'word' -> 'word'
            'a_b' -> 'aB'
            'a_b_c' -> 'aBC'
            'is_it_on' -> 'isItOn'
            'snake_case' -> 'snakeCase'
            'one_two_three_four' -> 'oneTwoThreeFour'
            """,
        ),
    ),
)
