"""A program with objects of many sorts, and test code that uses them; all of it holds for the program."""

PROGRAM = '''
from collections import Counter, deque, namedtuple
from dataclasses import dataclass
from enum import Enum, IntEnum
from fractions import Fraction

class Stack:
    """Last in, first out."""
    limit = 10
    def __init__(self, items=()): self.items = list(items)
    def push(self, item): self.items.append(item); return self
    def pop(self):
        if not self.items: raise Empty("nothing here", 7)
        return self.items.pop()
    @classmethod
    def of(cls, *items): return cls(items)
    @property
    def size(self): return len(self.items)
    def __len__(self): return len(self.items)
    def __iter__(self): return iter(self.items)
    def __getitem__(self, place): return self.items[place]
    def __setitem__(self, place, item): self.items[place] = item
    def __contains__(self, item): return item in self.items
    def __repr__(self): return f"Stack({self.items})"
    def __eq__(self, other): return isinstance(other, Stack) and self.items == other.items
    def __lt__(self, other): return len(self) < len(other)
    def __add__(self, other): return Stack(self.items + list(other))
    def __enter__(self): return self
    def __exit__(self, *problem): self.items.clear()

class Empty(IndexError):
    def __init__(self, text, code):
        super().__init__(text)
        self.code = code

class Numbers(list):
    def total(self): return sum(self)

Pair = namedtuple("Pair", "left right")
class Colour(Enum): RED, BLUE = 1, 2
class Level(IntEnum): LOW, HIGH = 1, 2
@dataclass
class Point:
    x: int
    y: int = 0

LIMITS = [1, 2]
def entry(x=1): return x
def count_to(n): yield from range(n)
def for_ever():
    n = 0
    while True: n += 1; yield n
def apply(function, items): return [function(item) for item in items]
def sort(items): items.sort()
def add_one(items): items.append(1); return items
def deepen(items, table=None): items[0].append(9); items.append([3]); (table or {})["seen"] = {1}
def walk(node):
    values = []
    while node is not None: values.append(node.value); node = node.next
    return values
def reverse(node):
    before = None
    while node: node.next, before, node = before, node, node.next
    return before
def raises(error): raise error
def adder(n): return lambda x: x + n
def read(file): return file.read().upper()
def numbers(): return Numbers([1, 2])

'''

_CASES = """
# methods and properties
s = Stack()
s.push(1).push(2)
assert len(s) == 2 and s.size == 2 and s.items == [1, 2] and s.pop() == 2
# containers
s = Stack([1, 2])
s[0] = 5
assert list(s) == [5, 2] and s[0:1] == [5] and 2 in s and 7 not in s and s and not Stack()
# text
assert repr(Stack([1])) == str(Stack([1])) == f'{Stack([1])}' == 'Stack([1])' and Stack().__doc__ == 'Last in, first out.'
# operators
assert Stack([1]) + [2] == Stack([1, 2]) and Stack([1]) != Stack([2]) and max(Stack([1]), Stack([1, 2])).size == 2
# classes
assert isinstance(Stack(), Stack) and type(Stack()) is Stack and Stack.of(3)[0] == 3 and not callable(Stack())
# attributes
s, Stack.limit = Stack(), 3
assert s.limit == 3 and hasattr(s, 'push') and not hasattr(s, 'no')
s.limit = 4
assert Stack.limit == 3
# contexts
with Stack([1]) as s:
    assert s.size == 1
assert s.items == []
# own exceptions
try: Stack().pop()
except Empty as e: assert (str(e), e.code, e.args) == ('nothing here', 7, ('nothing here',))
else: assert 0
# their bases
try: Stack().pop()
except IndexError as e: assert isinstance(e, Empty) and issubclass(Empty, LookupError)
else: assert 0
# built-in exceptions
try: raises(KeyError('k', 2))
except KeyError as e: assert e.args == ('k', 2)
else: assert 0
# generators
g = count_to(3)
assert next(g) == 0 and list(g) == [1, 2] and next(g, 'end') == 'end'
# lazily
import itertools
assert list(itertools.islice(for_ever(), 3)) == [1, 2, 3]
# callbacks
seen = []
assert apply(lambda x: x * 2, [1, 2]) == [2, 4]
apply(seen.append, [1, 2])
assert seen == [1, 2]
# callbacks that raise
class Own(Exception): pass
def f(x): raise Own(x)
try: apply(f, [1])
except Own as e: assert e.args == (1,)
else: assert 0
# callbacks that call
assert apply(lambda x: entry(x) + 1, [1, 2]) == [2, 3]
# objects of the tests
class Node:
    def __init__(self, value, next=None): self.value, self.next = value, next
n = Node(1, Node(2))
assert walk(n) == [1, 2]
r = reverse(n)
assert r.value == 2 and r.next is n and n.next is None
# files in memory
import io
assert read(io.StringIO('ab')) == 'AB'
# changed arguments
a = [3, 1]
b = a
sort(a)
assert b == [1, 3] and add_one(a) is b and b == [1, 3, 1]
# changed parts
a, t = [[1]], {'old': 0}
inner = a[0]
deepen(a, table=t)
assert a == [[1, 9], [3]] and inner is a[0] and t == {'old': 0, 'seen': {1}}
# shared parts
row = [0]
a = [row, row]
deepen(a)
assert a == [[0, 9], [0], [3]]
# named tuples
p = Pair(1, 2)
assert p == (1, 2) and p.left == 1 and p._replace(left=3) == (3, 2) and isinstance(p, tuple) and entry(p) == p
# enumerations
assert Colour.RED is Colour(1) is Colour['RED'] and Colour.RED != Colour.BLUE and [c.name for c in Colour] == ['RED', 'BLUE']
# numbers with names
assert Level.LOW == 1 and Level.LOW < Level.HIGH and entry(Level.HIGH).name == 'HIGH'
# data classes
p = Point(1)
p.x = 5
assert p == Point(5) and repr(p) == 'Point(x=5, y=0)' and vars(p) == {'x': 5, 'y': 0}
# standard values
import collections, decimal, fractions, datetime
values = [collections.Counter('aab'), collections.deque([1], 3), collections.defaultdict(list), collections.OrderedDict(a=1)]
values += [fractions.Fraction(1, 3), decimal.Decimal('0.1'), datetime.date(2020, 1, 2), datetime.timedelta(1), ValueError, slice(1)]
assert entry(values) == values and [type(value) for value in entry(values)] == [type(value) for value in values]
# subclasses of lists
n = numbers()
assert n == [1, 2] and n.total() == 3 and n[0] == 1
# closures
assert adder(3)(4) == 7 and entry(entry)(5) == 5
# values of the module
assert LIMITS == [1, 2] and entry() == 1
# helpers of the tests
import math
def twice(x): return 2 * x
assert entry(math.floor(2.5)) == twice(1) == len(apply(twice, numbers()))
assert entry([twice(n) for n in count_to(3)]) == [0, 2, 4]
# large arguments and answers
rows = [0] * 300_000
assert len(entry(rows)) == 300_000 and entry('x' * 900_000) == 'x' * 900_000
assert apply(len, [rows[:9000]]) == [9000]
# the module
import solution
from solution import entry as e
assert solution.entry(2) == e(2) == 2
solution.Stack = 5
assert solution.Stack == 5
# copies
import copy
s = Stack([1])
t = copy.deepcopy(s)
t.push(2)
assert s.items == [1] and t.items == [1, 2]
# what functions tell
assert entry.__name__ == 'entry' and entry.__code__.co_argcount == 1 and entry.__defaults__ == (1,)
# keys
s = {Colour.RED: 1, entry: 2}
assert s[Colour.RED] == 1 and s[entry] == 2
try: hash(Point(1))
except TypeError: pass
else: assert 0
"""
WORKS = dict(part.split("\n", 1) for part in _CASES.split("\n# ")[1:])
"""Test code by what it is about; all of it holds for `PROGRAM`."""
