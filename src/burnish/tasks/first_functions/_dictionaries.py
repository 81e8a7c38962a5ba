"""First functions, dictionaries: look up, count, build, change."""

from burnish.tasks.first_functions._build import Family, Function

DICTIONARIES = Family(
    "dictionaries",
    train=(
        Function(
            "look-up",
            "get_value(table: dict[str, int], key: str) -> int",
            "returns the value stored under `key` in the dictionary, or 0 if the key is not there.",
            "return table.get(key, 0)",
            shown="{'a': 1, 'b': 2}, 'b' -> 2 ; {'a': 1}, 'x' -> 0",
            hidden="""
            {}, 'a' -> 0
            {'a': 5}, 'a' -> 5
            {'a': 0}, 'a' -> 0
            {'A': 3}, 'a' -> 0
            {'x': -1, 'y': 4}, 'x' -> -1
            {'x': 7, 'y': 8, 'z': 9}, 'z' -> 9
            """,
        ),
        Function(
            "look-up",
            "has_key(table: dict[str, int], key: str) -> bool",
            "returns True if `key` is a key of the dictionary and False otherwise.",
            "return key in table",
            shown="{'a': 1, 'b': 2}, 'b' -> True ; {'a': 1}, 'x' -> False",
            hidden="""
            {}, 'a' -> False
            {'a': 5}, 'a' -> True
            {'a': 0}, 'a' -> True
            {'A': 3}, 'a' -> False
            {'x': 1, 'y': 1}, 'y' -> True
            {'': 2}, '' -> True
            """,
        ),
        Function(
            "count-entries",
            "count_keys(table: dict[str, int]) -> int",
            "returns the number of keys in the dictionary.",
            "return len(table)",
            shown="{'a': 1, 'b': 2} -> 2 ; {'x': 5} -> 1",
            hidden="""
            {} -> 0
            {'a': 0} -> 1
            {'a': 1, 'b': 1, 'c': 1} -> 3
            {'': 9} -> 1
            {'x': -1, 'y': -2} -> 2
            {'p': 1, 'q': 2, 'r': 3, 's': 4} -> 4
            """,
        ),
        Function(
            "sum-of-values",
            "sum_values(table: dict[str, int]) -> int",
            "returns the sum of all values in the dictionary. An empty dictionary gives 0.",
            "return sum(table.values())",
            shown="{'a': 1, 'b': 2} -> 3 ; {'x': 5} -> 5",
            hidden="""
            {} -> 0
            {'a': 0} -> 0
            {'a': 1, 'b': 1, 'c': 1} -> 3
            {'x': -1, 'y': 1} -> 0
            {'x': -4, 'y': -2} -> -6
            {'p': 10, 'q': 20, 'r': 30} -> 60
            """,
        ),
        Function(
            "keys-and-values",
            "sorted_keys(table: dict[str, int]) -> list[str]",
            "returns the keys of the dictionary as a list sorted alphabetically.",
            "return sorted(table)",
            shown="{'b': 1, 'a': 2} -> ['a', 'b'] ; {'x': 5} -> ['x']",
            hidden="""
            {} -> []
            {'c': 1, 'b': 2, 'a': 3} -> ['a', 'b', 'c']
            {'a': 3, 'b': 2} -> ['a', 'b']
            {'dog': 1, 'cat': 1} -> ['cat', 'dog']
            {'z': 0, 'm': 0, 'n': 0} -> ['m', 'n', 'z']
            {'b': 2, 'ab': 1} -> ['ab', 'b']
            """,
        ),
        Function(
            "keys-and-values",
            "sorted_values(table: dict[str, int]) -> list[int]",
            "returns the values of the dictionary as a list sorted from smallest to largest.",
            "return sorted(table.values())",
            shown="{'a': 2, 'b': 1} -> [1, 2] ; {'x': 5} -> [5]",
            hidden="""
            {} -> []
            {'a': 3, 'b': 2, 'c': 1} -> [1, 2, 3]
            {'a': 1, 'b': 2} -> [1, 2]
            {'x': 4, 'y': 4} -> [4, 4]
            {'x': 0, 'y': -5} -> [-5, 0]
            {'p': 10, 'q': 9, 'r': 100} -> [9, 10, 100]
            """,
        ),
        Function(
            "set-entry",
            "set_entry(table: dict[str, int], key: str, value: int) -> dict[str, int]",
            "returns a dictionary like `table` in which `key` has the value `value`, whether or not the key was there before.",
            "return {**table, key: value}",
            shown="{'a': 1}, 'b', 2 -> {'a': 1, 'b': 2} ; {'a': 1}, 'a', 5 -> {'a': 5}",
            hidden="""
            {}, 'x', 0 -> {'x': 0}
            {'x': 0}, 'x', 1 -> {'x': 1}
            {'a': 1, 'b': 2}, 'c', 3 -> {'a': 1, 'b': 2, 'c': 3}
            {'a': 1, 'b': 2}, 'a', -1 -> {'a': -1, 'b': 2}
            {'k': 7}, 'k', 7 -> {'k': 7}
            {'m': 4}, 'n', 4 -> {'m': 4, 'n': 4}
            """,
        ),
        Function(
            "build-dictionary",
            "make_dictionary(keys: list[str], values: list[int]) -> dict[str, int]",
            "returns a dictionary that maps each key to the value at the same position. Both lists have the same length.",
            "return dict(zip(keys, values))",
            shown="['a', 'b'], [1, 2] -> {'a': 1, 'b': 2} ; ['x'], [9] -> {'x': 9}",
            hidden="""
            [], [] -> {}
            ['k'], [0] -> {'k': 0}
            ['a', 'b', 'c'], [3, 2, 1] -> {'a': 3, 'b': 2, 'c': 1}
            ['p', 'q'], [5, 5] -> {'p': 5, 'q': 5}
            ['cat', 'dog'], [-1, 1] -> {'cat': -1, 'dog': 1}
            ['one', 'two'], [1, 2] -> {'one': 1, 'two': 2}
            """,
        ),
        Function(
            "build-dictionary",
            "squares_table(n: int) -> dict[int, int]",
            "returns a dictionary that maps every number from 1 to `n` to its square. If `n` is 0, returns an empty dictionary.",
            "return {number: number * number for number in range(1, n + 1)}",
            shown="3 -> {1: 1, 2: 4, 3: 9} ; 1 -> {1: 1}",
            hidden="""
            0 -> {}
            2 -> {1: 1, 2: 4}
            4 -> {1: 1, 2: 4, 3: 9, 4: 16}
            5 -> {1: 1, 2: 4, 3: 9, 4: 16, 5: 25}
            6 -> {1: 1, 2: 4, 3: 9, 4: 16, 5: 25, 6: 36}
            7 -> {1: 1, 2: 4, 3: 9, 4: 16, 5: 25, 6: 36, 7: 49}
            """,
        ),
        Function(
            "key-of-largest",
            "key_of_largest(table: dict[str, int]) -> str",
            "returns the key with the largest value. The dictionary is never empty, and all values are different.",
            "return max(table, key=table.get)",
            shown="{'a': 1, 'b': 5} -> 'b' ; {'x': 3} -> 'x'",
            hidden="""
            {'a': 2, 'b': 1} -> 'a'
            {'a': 1, 'b': 9, 'c': 4} -> 'b'
            {'x': -1, 'y': -2} -> 'x'
            {'z': 10, 'y': 9, 'x': 100} -> 'x'
            {'ann': 30, 'bob': 25, 'cid': 28} -> 'ann'
            {'p': 0, 'q': -3} -> 'p'
            """,
        ),
        Function(
            "count-into-dictionary",
            "count_letters(text: str) -> dict[str, int]",
            "returns a dictionary that maps each character of `text` to the number of times it occurs.",
            """
            counts = {}
            for letter in text:
                counts[letter] = counts.get(letter, 0) + 1
            return counts
            """,
            shown="'aab' -> {'a': 2, 'b': 1} ; 'xyz' -> {'x': 1, 'y': 1, 'z': 1}",
            hidden="""
            '' -> {}
            'q' -> {'q': 1}
            'aaaa' -> {'a': 4}
            'Aa' -> {'A': 1, 'a': 1}
            'a a' -> {'a': 2, ' ': 1}
            'hello' -> {'h': 1, 'e': 1, 'l': 2, 'o': 1}
            """,
        ),
    ),
    test=(
        Function(
            "invert-dictionary",
            "invert_dictionary(table: dict[str, int]) -> dict[int, str]",
            "returns a dictionary in which keys and values have changed places. All values are different.",
            "return {value: key for key, value in table.items()}",
            shown="{'a': 1, 'b': 2} -> {1: 'a', 2: 'b'} ; {'x': 9} -> {9: 'x'}",
            hidden="""
            {} -> {}
            {'k': 0} -> {0: 'k'}
            {'a': 3, 'b': 2, 'c': 1} -> {3: 'a', 2: 'b', 1: 'c'}
            {'p': -1} -> {-1: 'p'}
            {'cat': 10, 'dog': 20} -> {10: 'cat', 20: 'dog'}
            {'': 5} -> {5: ''}
            """,
        ),
        Function(
            "merge-dictionaries",
            "merge_dictionaries(a: dict[str, int], b: dict[str, int]) -> dict[str, int]",
            "returns one dictionary with the entries of both. If a key is in both, the value from `b` is used.",
            "return {**a, **b}",
            shown="{'a': 1}, {'b': 2} -> {'a': 1, 'b': 2} ; {'a': 1}, {'a': 5} -> {'a': 5}",
            hidden="""
            {}, {} -> {}
            {'x': 1}, {} -> {'x': 1}
            {}, {'y': 2} -> {'y': 2}
            {'a': 1, 'b': 2}, {'b': 3, 'c': 4} -> {'a': 1, 'b': 3, 'c': 4}
            {'k': 9}, {'k': 0} -> {'k': 0}
            {'p': 1, 'q': 1}, {'r': 1} -> {'p': 1, 'q': 1, 'r': 1}
            """,
        ),
        Function(
            "remove-entry",
            "remove_key(table: dict[str, int], key: str) -> dict[str, int]",
            "returns a dictionary like `table` but without `key`. If the key is not there, all entries stay.",
            "return {name: value for name, value in table.items() if name != key}",
            shown="{'a': 1, 'b': 2}, 'a' -> {'b': 2} ; {'a': 1}, 'x' -> {'a': 1}",
            hidden="""
            {}, 'a' -> {}
            {'a': 5}, 'a' -> {}
            {'A': 3}, 'a' -> {'A': 3}
            {'x': 1, 'y': 1, 'z': 1}, 'y' -> {'x': 1, 'z': 1}
            {'k': 0, 'm': 0}, 'm' -> {'k': 0}
            {'cat': 4, 'dog': 2}, 'c' -> {'cat': 4, 'dog': 2}
            """,
        ),
        Function(
            "filter-values",
            "keep_above(table: dict[str, int], limit: int) -> dict[str, int]",
            "returns a dictionary with only the entries whose value is greater than `limit`.",
            "return {key: value for key, value in table.items() if value > limit}",
            shown="{'a': 1, 'b': 5}, 3 -> {'b': 5} ; {'a': 1}, 0 -> {'a': 1}",
            hidden="""
            {}, 0 -> {}
            {'a': 3}, 3 -> {}
            {'a': -1, 'b': 1}, 0 -> {'b': 1}
            {'x': 10, 'y': 20, 'z': 30}, 15 -> {'y': 20, 'z': 30}
            {'p': -5, 'q': -1}, -3 -> {'q': -1}
            {'m': 2, 'n': 2}, 5 -> {}
            """,
        ),
        Function(
            "word-lengths",
            "word_lengths(words: list[str]) -> dict[str, int]",
            "returns a dictionary that maps each word of the list to its number of letters.",
            "return {word: len(word) for word in words}",
            shown="['hi', 'cat'] -> {'hi': 2, 'cat': 3} ; ['a'] -> {'a': 1}",
            hidden="""
            [] -> {}
            [''] -> {'': 0}
            ['one', 'three'] -> {'one': 3, 'three': 5}
            ['x', 'x'] -> {'x': 1}
            ['banana', 'fig', 'kiwi'] -> {'banana': 6, 'fig': 3, 'kiwi': 4}
            ['Python'] -> {'Python': 6}
            """,
        ),
        Function(
            "group-by",
            "group_by_length(words: list[str]) -> dict[int, list[str]]",
            "returns a dictionary that maps each word length to the list of the words with that length, in the order of the input.",
            """
            groups = {}
            for word in words:
                groups.setdefault(len(word), []).append(word)
            return groups
            """,
            shown="['a', 'bb', 'c'] -> {1: ['a', 'c'], 2: ['bb']} ; ['hi'] -> {2: ['hi']}",
            hidden="""
            [] -> {}
            [''] -> {0: ['']}
            ['x', 'x'] -> {1: ['x', 'x']}
            ['dog', 'ant'] -> {3: ['dog', 'ant']}
            ['one', 'four', 'two', 'five'] -> {3: ['one', 'two'], 4: ['four', 'five']}
            ['a', 'bb', 'ccc'] -> {1: ['a'], 2: ['bb'], 3: ['ccc']}
            """,
        ),
    ),
)
