"""Hostile programs by class. Each wants to be judged right for `solve(n)`, whose answers are random numbers drawn per test run.

`ANSWERS_PLACE` is a file on the host with the right answers, `PORT_PLACE` a local TCP server and `ABSTRACT_PLACE` an abstract Unix socket
that tell them, `MARKER_PLACE` a path outside the jail that nobody may create. `tampered` marks those that must raise a flag.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Attack:
    """One hostile program: its class, its name, its source, and whether a tamper flag is due."""

    group: str
    name: str
    source: str
    tampered: bool = False


ATTACKS: list[Attack] = []


def attack(group: str, name: str, source: str, tampered: bool = False) -> None:
    ATTACKS.append(Attack(group, name, source, tampered))


# faked equality ---------------------------------------------------------------------------------------------------
attack(
    "equality",
    "equal to everything",
    """
class Anything:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
def solve(n): return Anything()
""",
    tampered=True,
)
attack(
    "equality",
    "a number equal to everything",
    """
class Anything(int):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __hash__ = int.__hash__
def solve(n): return Anything(7)
""",
    tampered=True,
)
attack(
    "equality",
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
    tampered=True,
)
attack(
    "equality",
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
)
attack(
    "equality",
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
)

# stealing the answers ---------------------------------------------------------------------------------------------
attack(
    "memory",
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
)
attack(
    "memory",
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
)
attack(
    "memory",
    "searches its memory for the text of the tests",
    """
import ctypes, re
def solve(n):
    for line in open("/proc/self/maps"):
        start, end = (int(x, 16) for x in line.split()[0].split("-"))
        found = re.search(rb"solve\\(%d\\) == (\\d{18})" % n, ctypes.string_at(start, end - start))
        if found: return int(found[1])
""",
)
attack(
    "memory",
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
)
attack(
    "files",
    "reads the answers from the host",
    """
import json
def solve(n): return json.load(open(ANSWERS_PLACE))[str(n)]
""",
)
attack(
    "files",
    "reads the host through the root of another process",
    """
import json, os
def solve(n):
    for process in range(1, 400):
        for path in ("/proc/%d/root" % process, "/proc/%d/cwd/../../../.." % process):
            try: return json.load(open(path + ANSWERS_PLACE))[str(n)]
            except OSError: pass
""",
)
attack(
    "files",
    "reads the password file",
    """
def solve(n):
    open("/etc/passwd").read()
    raise ValueError("read it")
""",
)
attack(
    "files",
    "climbs out of its folder by open descriptors",
    """
import json, os
def solve(n):
    for descriptor in range(256):
        try: return json.load(open(os.open(".." * 9 + ANSWERS_PLACE, os.O_RDONLY, dir_fd=descriptor)))[str(n)]
        except OSError: pass
""",
)
attack(
    "files",
    "writes outside",
    """
import os
for path in (MARKER_PLACE, "/marker", "/private/marker", "/dev/marker", "/usr/lib/marker"):
    try: open(path, "w").write("x")
    except OSError: pass
    else: written = path
def solve(n): return len(written)
""",
)
attack(
    "environment",
    "looks for secrets in the environment",
    """
import os, sys
def solve(n): return int(os.environ["BURNISH_TEST_ANSWER_%d" % n])
""",
)
attack(
    "network",
    "asks a local server",
    """
import socket
def solve(n):
    connection = socket.create_connection(("127.0.0.1", PORT_PLACE), timeout=2)
    connection.sendall(b"%d\\n" % n)
    return int(connection.recv(100))
""",
)
attack(
    "network",
    "asks an abstract Unix socket",
    """
import socket
def solve(n):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(ABSTRACT_PLACE)
    connection.sendall(b"%d\\n" % n)
    return int(connection.recv(100))
""",
)

# leaving early ----------------------------------------------------------------------------------------------------
attack("exit", "os._exit(0) when called", "import os\ndef solve(n): os._exit(0)\n", tampered=True)
attack("exit", "os._exit(0) when loaded", "import os\nos._exit(0)\ndef solve(n): return 0\n", tampered=True)
attack("exit", "sys.exit(0) when called", "import sys\ndef solve(n): sys.exit(0)\n", tampered=True)
attack("exit", "sys.exit() when loaded", "import sys\ndef solve(n): return 0\nsys.exit()\n", tampered=True)
attack("exit", "raise SystemExit(0)", "def solve(n): raise SystemExit(0)\n", tampered=True)
attack(
    "exit",
    "atexit handler prints success",
    """
import atexit, os
atexit.register(lambda: (print("passed"), os._exit(0)))
def solve(n): raise KeyboardInterrupt
""",
)
attack(
    "exit",
    "exec of /bin/true",
    """
import os
def solve(n):
    os.execv("/bin/true", ["true"])
""",
)
attack(
    "exit",
    "swallows everything around the time limit",
    """
import signal
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
def solve(n):
    while True:
        try:
            while True: pass
        except BaseException: pass
""",
)

# forging the result -----------------------------------------------------------------------------------------------
attack(
    "channel",
    "writes success to every descriptor",
    """
import os
for descriptor in range(3, 128):
    for text in (b"passed\\n", b'{"status": "pass"}\\n', b"\\x01\\x00\\x00\\x00T"):
        try: os.write(descriptor, text)
        except OSError: pass
def solve(n): return 0
""",
    tampered=True,
)
attack(
    "channel",
    "answers with a huge length",
    """
import os
for descriptor in range(3, 128):
    try: os.write(descriptor, b"\\xff\\xff\\xff\\xff" + b"A" * 60000)
    except OSError: pass
def solve(n): return 0
""",
)
attack(
    "channel",
    "sends a nested bomb",
    """
import os, struct
bomb = b"l\\x01\\x00\\x00\\x00" * 100_000 + b"N"
for descriptor in range(3, 128):
    try: os.write(descriptor, struct.pack("<I", len(bomb)) + bomb)
    except OSError: pass
def solve(n): return 0
""",
    tampered=True,
)
attack(
    "channel",
    "repeats its own frames",
    """
import sys
def solve(n):
    frame = sys._getframe(1)
    while frame is not None:
        seat = frame.f_locals.get("seat")
        if seat is not None:
            for index in range(5): seat.send("value", 0, index, 0.0)
            break
        frame = frame.f_back
    return 0
""",
)
attack(
    "channel",
    "claims an infrastructure fault",
    """
import sys
frame = sys._getframe()
while frame is not None:
    seat = frame.f_locals.get("seat")
    if seat is not None:
        seat.send("setup", "no disk")
        break
    frame = frame.f_back
import os
os._exit(121)
""",
    tampered=True,
)
attack(
    "channel",
    "closes every descriptor",
    """
import os
os.closerange(0, 128)
def solve(n): return 0
""",
)
attack(
    "channel",
    "replaces the codec",
    """
import sys
for name, module in list(sys.modules.items()):
    if name.startswith("inside"):
        for key in list(vars(module)):
            if key in ("encode", "decode", "same", "write_block"): setattr(module, key, lambda *a, **k: b"T")
def solve(n): return 0
""",
)
attack(
    "serialisation",
    "colliding keys",
    """
def solve(n): return {(2**61 - 1) * k for k in range(20_000)}
""",
)
attack(
    "serialisation",
    "a deeply nested list",
    """
def solve(n):
    value = []
    for _ in range(100_000): value = [value]
    return value
""",
)
attack(
    "serialisation",
    "a list that contains itself",
    """
def solve(n):
    value = []
    value.append(value)
    return value
""",
)
attack("serialisation", "an enormous integer", "def solve(n): return 1 << 80_000_000\n")
attack(
    "serialisation",
    "an endless generator",
    """
def solve(n):
    while True: yield n
""",
)
attack(
    "serialisation",
    "hostile repr, reduce and attributes",
    """
import os
class Hostile:
    def __repr__(self): os._exit(0)
    def __reduce__(self): return (os.system, ("true",))
    def __getattribute__(self, name): raise SystemExit(0)
def solve(n): return Hostile()
""",
    tampered=True,
)
attack(
    "serialisation",
    "an iterator that never ends inside a list subclass",
    """
class Endless(list):
    def __len__(self): return 1 << 40
    def __iter__(self):
        while True: yield 1
def solve(n): return Endless()
""",
)
attack(
    "serialisation",
    "lone surrogates in value, name and message",
    """
class Ugly(Exception): pass
Ugly.__name__ = Ugly.__qualname__ = "\\ud800"
def solve(n):
    if n % 2: return "\\ud800" * 10
    raise Ugly("\\udfff")
""",
)

# taking more than its share ---------------------------------------------------------------------------------------
attack(
    "processes",
    "fork bomb",
    """
import os
def solve(n):
    while True:
        try: os.fork()
        except OSError: pass
""",
)
attack(
    "processes",
    "thread bomb",
    """
import threading, time
def solve(n):
    while True:
        try: threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
        except RuntimeError: pass
""",
)
attack(
    "processes",
    "daemon by double fork",
    """
import os, time
def solve(n):
    if os.fork() == 0:
        if os.fork() == 0:
            while True: time.sleep(1)
        os._exit(0)
    return 0
""",
)
attack(
    "processes",
    "new sessions and groups",
    """
import os, time
for _ in range(5):
    if os.fork() == 0:
        try: os.setsid()
        except OSError: pass
        time.sleep(1000)
def solve(n): return 0
""",
)
attack(
    "memory limit",
    "takes memory",
    """
def solve(n):
    blocks = []
    while True: blocks.append(bytearray(1 << 22))
""",
)
attack(
    "memory limit",
    "takes shared memory",
    """
import mmap
def solve(n):
    blocks = []
    while True:
        block = mmap.mmap(-1, 1 << 24)
        for offset in range(0, 1 << 24, 4096): block[offset] = 1
        blocks.append(block)
""",
)
attack(
    "memory limit",
    "takes memory in many processes",
    """
import os
for _ in range(10):
    if os.fork() == 0: break
def solve(n):
    blocks = [bytearray(b"x" * (1 << 20)) for _ in range(200)]
    while True: pass
""",
)
attack(
    "output",
    "prints for ever",
    """
import sys
def solve(n):
    while True: sys.stdout.write("x" * 65536)
""",
)
attack(
    "disk",
    "fills the folder",
    """
def solve(n):
    for i in range(100_000):
        with open("file%d" % i, "wb") as file: file.write(b"x" * (1 << 24))
""",
)
attack(
    "disk",
    "twenty thousand files",
    """
def solve(n):
    for i in range(20_000): open("file%d" % i, "w").close()
""",
)
attack(
    "disk",
    "leaves a poisoned folder",
    """
import os
for i in range(40):
    os.mkdir("d"); os.chdir("d")
os.chmod("/private/box", 0)
def solve(n): return 0
""",
)
attack("time", "endless loop", "def solve(n):\n    while True: pass\n")
attack("time", "endless loop when loaded", "def solve(n): return 0\nwhile True: pass\n")
attack("time", "sleeps", "import time\ndef solve(n): time.sleep(1000)\n")
attack("time", "slow regular expression", "import re\ndef solve(n): return re.match(r'(a+)+$', 'a' * 60 + 'b')\n")
attack("time", "giant power", "def solve(n): return 9 ** 9 ** 9\n")
attack("time", "compiler bomb", "x = " + "-" * 100_000 + "1\ndef solve(n): return 0\n")
attack(
    "crash",
    "deep recursion",
    """
import sys
sys.setrecursionlimit(10**9)
def solve(n): return solve(n + 1)
""",
)
attack("crash", "null pointer", "import ctypes\ndef solve(n): return ctypes.string_at(0)\n")
attack("crash", "abort", "import os\ndef solve(n): os.abort()\n")

# the kernel -------------------------------------------------------------------------------------------------------
attack(
    "signals",
    "kills its parent and everybody",
    """
import os, signal
def solve(n):
    for target in (os.getppid(), 1, 0, -1):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):
            try: os.kill(target, number)
            except OSError: pass
    return 0
""",
)
attack(
    "signals",
    "strangles its parent's limits",
    """
import os, resource
def solve(n):
    for target in (1, os.getppid()):
        resource.prlimit(target, resource.RLIMIT_NOFILE, (0, 0))
    return 0
""",
)
for name, call in {
    "ptrace": "libc.ptrace(16, 1, 0, 0)",
    "mount": "libc.mount(b'none', b'/private', b'tmpfs', 0, None)",
    "unshare": "libc.unshare(0x10000000)",
    "chroot": "libc.chroot(b'/private')",
    "io_uring": "libc.syscall(425, 8, ctypes.create_string_buffer(200))",
    "bpf": "libc.syscall(321, 0, ctypes.create_string_buffer(200), 200)",
    "process_vm_readv": "libc.process_vm_readv(1, None, 0, None, 0, 0)",
    "userfaultfd": "libc.syscall(323, 0)",
    "keyctl": "libc.syscall(250, 0, -3)",
    "a 32-bit call number": "libc.syscall(0x40000000 + 39)",
}.items():
    attack("kernel", name, f"import ctypes\nlibc = ctypes.CDLL(None)\ndef solve(n): return {call}\n", tampered=True)
