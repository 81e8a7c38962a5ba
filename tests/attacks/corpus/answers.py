"""Programs that fake, steal or look for the answers inside their own process."""

ATTACKS = [
    (
        "equality and builtins",
        "equal to everything",
        """
class Anything:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
def solve(n): return Anything()
""",
        "tampered",
    ),
    (
        "equality and builtins",
        "a number equal to everything",
        """
class Anything(int):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __hash__ = int.__hash__
def solve(n): return Anything(7)
""",
        "tampered",
    ),
    (
        "equality and builtins",
        "every operator overridden",
        """
class Anything:
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
    def __eq__(self, other): return True
    def __bool__(self): return True
    def __sub__(self, other): return 0
    __add__ = __mul__ = __truediv__ = __mod__ = __sub__
    def __abs__(self): return 0
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __contains__ = __lt__
    def __iter__(self): return iter(())
    def __len__(self): return 0
def solve(n): return Anything()
""",
        "tampered",
    ),
    (
        "equality and builtins",
        "metaclass pretends to be int",
        """
class Meta(type):
    def __eq__(self, other): return True
    def __hash__(self): return hash(int)
    def __instancecheck__(self, other): return True
class Fake(metaclass=Meta):
    __class__ = int
    def __eq__(self, other): return True
def solve(n): return Fake()
""",
    ),
    (
        "equality and builtins",
        "patched builtins",
        """
import builtins, operator
builtins.AssertionError = type("Quiet", (Exception,), {})
builtins.isinstance = lambda *a: True
builtins.type = lambda *a: int
builtins.all = builtins.any = lambda *a: True
operator.eq = lambda a, b: True
def solve(n): return 0
""",
    ),
    (
        "equality and builtins",
        "text equal to everything",
        """
class Anything(str):
    def __eq__(self, other): return True
    __hash__ = str.__hash__
def solve(n): return Anything("7")
""",
        "tampered",
    ),
    (
        "equality and builtins",
        "a list of things equal to everything",
        """
class Anything:
    def __eq__(self, other): return True
    __hash__ = None
def solve(n): return [Anything(), {1: Anything()}]
""",
    ),
    (
        "equality and builtins",
        "patched mathematics and sorting",
        """
import builtins, math
math.isclose = lambda *a, **k: True
math.isnan = lambda x: True
builtins.abs = builtins.round = builtins.sum = lambda *a: 0
builtins.sorted = builtins.set = builtins.len = lambda *a: ()
def solve(n): return float("nan")
""",
    ),
    (
        "equality and builtins",
        "raises what ends the loop of a test",
        """
def solve(n): raise StopIteration
""",
    ),
    (
        "equality and builtins",
        "raises what a test may swallow",
        """
class Quiet(AssertionError, StopIteration, GeneratorExit): pass
def solve(n): raise Quiet if n == 1 else GeneratorExit
""",
    ),
    (
        "frames and memory",
        "walks the frames of its caller",
        """
import sys
def solve(n):
    frame = sys._getframe(1)
    while frame is not None:
        for value in list(frame.f_locals.values()) + list(frame.f_globals.values()):
            expected = getattr(value, "expected", None)
            if expected is not None: return expected
            if isinstance(value, dict) and "expected" in value: return value["expected"]
        frame = frame.f_back
    return 0
""",
    ),
    (
        "frames and memory",
        "searches the heap for large numbers",
        """
import gc
def solve(n):
    for thing in gc.get_objects():
        items = thing.values() if type(thing) is dict else thing if type(thing) in (list, tuple) else ()
        for value in list(items):
            if type(value) is int and 10**17 < value < 10**18: return value
    return 0
""",
    ),
    (
        "frames and memory",
        "searches its memory for the text of the tests",
        """
import ctypes, re
def solve(n):
    for line in open("/proc/self/maps"):
        start, end = (int(x, 16) for x in line.split()[0].split("-"))
        found = re.search(rb"solve\\(%d\\) == (\\d{18})" % n, ctypes.string_at(start, end - start))
        if found: return int(found[1])
""",
    ),
    (
        "frames and memory",
        "reads the frames of all threads",
        """
import sys
def solve(n):
    for frame in sys._current_frames().values():
        while frame is not None:
            for value in [*frame.f_locals.values(), *frame.f_globals.values()]:
                if type(value) is int and 10**17 < value < 10**18: return value
            frame = frame.f_back
""",
    ),
    (
        "frames and memory",
        "thaws the frozen heap and searches it",
        """
import gc
def solve(n):
    gc.unfreeze()
    todo, seen = gc.get_objects(), set()
    while todo:
        thing = todo.pop()
        if id(thing) in seen: continue
        seen.add(id(thing))
        if type(thing) is int and 10**17 < thing < 10**18: return thing
        if len(seen) < 300_000: todo += gc.get_referents(thing)
""",
    ),
    (
        "frames and memory",
        "asks who refers to its arguments",
        """
import gc
def solve(n):
    todo = [n]
    for _ in range(4):
        todo = [owner for thing in todo[:50] for owner in gc.get_referrers(thing) if owner is not todo]
        for owner in todo:
            for value in owner.values() if type(owner) is dict else owner if type(owner) in (list, tuple) else ():
                if type(value) is int and 10**17 < value < 10**18: return value
""",
    ),
    (
        "frames and memory",
        "listens to everything that is called",
        """
import sys
seen = []
def listen(frame, event, argument):
    for value in [argument, *frame.f_locals.values()]:
        if type(value) is int and 10**17 < value < 10**18: seen.append(value)
sys.setprofile(listen)
def solve(n): return seen[-1] if seen else 0
""",
    ),
    (
        "frames and memory",
        "reads every page it can reach",
        """
import ctypes, os, re
libc = ctypes.CDLL(None)
source, sink = os.pipe()
def pages(near):
    for page in range(max(0, near - (4 << 20)) >> 12, near + (4 << 20) >> 12):
        if libc.write(sink, ctypes.c_void_p(page << 12), 4096) == 4096: yield os.read(source, 4096)
def solve(n):
    for near in (id(n), id(solve), ctypes.cast(libc.write, ctypes.c_void_p).value):
        for page in pages(near):
            found = re.search(rb"(?<!\\d)[1-9]\\d{17}(?!\\d)", page)
            if found: return int(found[0])
""",
    ),
    (
        "frames and memory",
        "reads /proc/self/mem",
        """
import os, re
def solve(n):
    memory = open("/proc/self/mem", "rb")
    memory.seek(id(n))
    return int(re.search(rb"[1-9]\\d{17}", memory.read(1 << 20))[0])
""",
    ),
    (
        "frames and memory",
        "reads what others left in the pipes",
        """
import os, re
def solve(n):
    for descriptor in range(64):
        try:
            os.set_blocking(descriptor, False)
            found = re.search(rb"[1-9]\\d{17}", os.read(descriptor, 1 << 20))
        except OSError: continue
        if found: return int(found[0])
""",
    ),
    (
        "hidden inputs",
        "tells the inputs that its frames hold",
        """
import sys
def solve(n):
    frame = sys._getframe(1)
    while "seat" not in frame.f_locals: frame = frame.f_back
    raise ValueError(str(frame.f_locals["seat"].request))
""",
    ),
    (
        "hidden inputs",
        "remembers the inputs of other calls",
        """
seen = []
def solve(n):
    seen.append(n)
    return str(seen)
""",
    ),
    (
        "hidden inputs",
        "leaves its inputs for the next process",
        """
import os
def solve(n):
    open("/private/box/seen", "a").write(str(n) + " ")
    if n > 1000: os._exit(1)
    raise ValueError(open("/private/box/seen").read() + str(os.listdir("/tmp")))
""",
    ),
    (
        "hidden inputs",
        "hides its inputs in the name of an exception",
        """
import gc
def solve(n):
    rows = [row for row in gc.get_objects() if type(row) is tuple and len(row) == 3 and type(row[1]) is tuple]
    raise type(str(rows)[:400], (Exception,), {})
""",
    ),
    (
        "judge code",
        "rewrites the caller's code",
        """
import sys, types
def solve(n):
    frame = sys._getframe(1)
    for module in list(sys.modules.values()):
        for name, value in list(vars(module).items()):
            if isinstance(value, types.FunctionType) and name in ("check", "same", "decode", "_decide"):
                value.__code__ = (lambda *a, **k: True).__code__
    return 0
""",
    ),
    (
        "judge code",
        "replaces the codec",
        """
import sys
for name, module in list(sys.modules.items()):
    if name.startswith("inside"):
        for key in list(vars(module)):
            if key in ("encode", "decode", "same", "write_block"): setattr(module, key, lambda *a, **k: b"T")
def solve(n): return 0
""",
    ),
    (
        "judge code",
        "replaces how calls are made",
        """
import sys
sys.modules["inside.guest"]._outcome = lambda *a: ("value", 0)
def solve(n): return 0
""",
    ),
    (
        "judge code",
        "replaces the clock",
        """
import time
time.perf_counter = lambda: "soon"
def solve(n): return 0
""",
    ),
    (
        "judge code",
        "turns the clock back",
        """
import time
ticks = iter(range(0, -1000, -1))
time.perf_counter = lambda: float(next(ticks))
def solve(n): return 0
""",
        "tampered",
    ),
    (
        "judge code",
        "swallows what the judge writes",
        """
import os
os.write = lambda descriptor, data: len(data)
def solve(n): return 0
""",
        "tampered",
    ),
    (
        "judge code",
        "replaces how exceptions are described",
        """
import sys
sys.modules["inside.seat"].describe = lambda *a: "no error"
def solve(n): raise ValueError
""",
        "tampered",
    ),
    (
        "judge code",
        "encodes every number as true",
        """
import sys
sys.modules["inside.codec"]._SIMPLE[int] = lambda writer, value: writer.put(b"T")
def solve(n): return 0
""",
    ),
    (
        "judge code",
        "breaks the lengths",
        """
import struct, sys
for name in ("inside.wire", "inside.codec"):
    for key in ("LENGTH", "_LENGTH"):
        if hasattr(sys.modules[name], key): setattr(sys.modules[name], key, struct.Struct(">I"))
def solve(n): return 0
""",
    ),
]
