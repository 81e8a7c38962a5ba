"""Programs that never end, or end with a crash."""

ATTACKS = [
    (
        "endless work",
        "endless loop",
        """
def solve(n):
    while True: pass
""",
        "slow",
    ),
    (
        "endless work",
        "endless loop when loaded",
        """
def solve(n): return 0
while True: pass
""",
        "slow",
    ),
    (
        "endless work",
        "sleeps",
        """
import time
def solve(n): time.sleep(1000)
""",
        "slow",
    ),
    (
        "endless work",
        "slow regular expression",
        """
import re
def solve(n): return re.match(r'(a+)+$', 'a' * 60 + 'b')
""",
        "slow",
    ),
    (
        "endless work",
        "giant power",
        """
def solve(n): return 9 ** 9 ** 9
""",
        "slow",
    ),
    ("endless work", "compiler bomb", "x = " + "-" * 100_000 + "1\ndef solve(n): return 0\n"),
    (
        "endless work",
        "a number as text",
        """
import sys
sys.set_int_max_str_digits(0)
def solve(n): return str(7 ** 20_000_000)
""",
        "slow",
    ),
    (
        "endless work",
        "waits for itself",
        """
import threading
lock = threading.Lock()
def solve(n):
    lock.acquire()
    lock.acquire()
""",
        "slow",
    ),
    (
        "endless work",
        "exceptions that restart the loop",
        """
def solve(n):
    while True:
        try:
            try: raise TimeoutError
            finally: continue
        except BaseException: pass
""",
        "slow",
    ),
    (
        "endless work",
        "hashes that never end",
        """
class Slow:
    def __hash__(self):
        while True: pass
def solve(n): return {Slow(): 1}
""",
        "slow",
    ),
    (
        "crash",
        "deep recursion",
        """
import sys
sys.setrecursionlimit(10**9)
def solve(n): return solve(n + 1)
""",
        "slow",
    ),
    (
        "crash",
        "null pointer",
        """
import ctypes
def solve(n): return ctypes.string_at(0)
""",
    ),
    (
        "crash",
        "abort",
        """
import os
def solve(n): os.abort()
""",
    ),
    (
        "crash",
        "deep recursion in C",
        """
import functools
def solve(n):
    call = int
    for _ in range(100_000): call = functools.partial(functools.partial, call)
    value = ()
    for _ in range(500_000): value = (value,)
    return repr(value)
""",
    ),
    (
        "crash",
        "overwrites its own heap",
        """
import ctypes
def solve(n):
    ctypes.memset(id(n) & ~0xFFF, 0x41, 1 << 16)
    return n
""",
    ),
    (
        "crash",
        "frees what is in use",
        """
import ctypes
def solve(n):
    ctypes.c_ssize_t.from_address(id(None)).value = 1
    ctypes.c_ssize_t.from_address(id(solve)).value = 0
    return [None] * 100
""",
    ),
]
