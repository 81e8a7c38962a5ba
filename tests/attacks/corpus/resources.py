"""Programs that take more than their share of processes, memory, disk and output."""

ATTACKS = [
    (
        "process bombs",
        "fork bomb",
        """
import os
def solve(n):
    while True:
        try: os.fork()
        except OSError: pass
""",
        "slow",
    ),
    (
        "process bombs",
        "thread bomb",
        """
import threading, time
def solve(n):
    while True:
        try: threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
        except RuntimeError: pass
""",
        "slow",
    ),
    (
        "process bombs",
        "threads that fork",
        """
import os, threading
def work():
    while True:
        try: threading.Thread(target=work).start(); os.fork()
        except (OSError, RuntimeError): pass
def solve(n): work()
""",
        "slow",
    ),
    (
        "process bombs",
        "children that never wait for children",
        """
import os, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
def solve(n):
    while True:
        try:
            if os.fork() == 0: os._exit(0)
        except OSError: pass
""",
        "slow",
    ),
    (
        "process bombs",
        "burns the time of many processes",
        """
import os
for _ in range(6):
    if os.fork() == 0:
        while True: pass
def solve(n):
    while True: pass
""",
        "slow",
    ),
    (
        "daemons",
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
    ),
    (
        "daemons",
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
    ),
    (
        "daemons",
        "ignores every signal and forks on",
        """
import os, signal, time
if os.fork() == 0:
    for number in range(1, 65):
        try: signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError): pass
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    while True:
        try:
            if os.fork(): os._exit(0)
        except OSError: pass
def solve(n): return 0
""",
    ),
    (
        "daemons",
        "a process whose first thread has ended",
        """
import ctypes, os, threading, time
def stay():
    while True: time.sleep(1)
if os.fork() == 0:
    threading.Thread(target=stay).start()
    ctypes.CDLL(None).syscall(60 if os.uname().machine == "x86_64" else 93, 0)
def solve(n): return 0
""",
    ),
    (
        "daemons",
        "keeps the result channel and answers later",
        """
import os, sys, time
frame = sys._getframe()
while "seat" not in frame.f_locals: frame = frame.f_back
if os.fork() == 0:
    while True:
        time.sleep(0.001)
        frame.f_locals["seat"].send("value", 0, 0, 0.0)
def solve(n): return 0
""",
    ),
    (
        "memory bombs",
        "takes memory",
        """
def solve(n):
    blocks = []
    while True: blocks.append(bytearray(1 << 22))
""",
    ),
    (
        "memory bombs",
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
    ),
    (
        "memory bombs",
        "takes memory in many processes",
        """
import os
for _ in range(10):
    if os.fork() == 0: break
def solve(n):
    blocks = [bytearray(b"x" * (1 << 20)) for _ in range(200)]
    while True: pass
""",
    ),
    (
        "memory bombs",
        "shared memory that no process seems to hold",
        """
import mmap
kept = []
def solve(n):
    for _ in range(40):
        block = mmap.mmap(-1, 1 << 24)
        for offset in range(0, 1 << 24, 4096): block[offset] = 1
        block.madvise(mmap.MADV_DONTNEED)
        kept.append(block)
    raise ValueError("BREACH " + str(sum(block[4096] for block in kept)))
""",
    ),
    (
        "memory bombs",
        "shared memory by way of a device",
        """
import mmap, os
def solve(n):
    for flags in (os.O_RDWR, os.O_RDONLY):
        try: block = mmap.mmap(os.open("/dev/zero", flags), 1 << 24, access=mmap.ACCESS_READ if flags == os.O_RDONLY else mmap.ACCESS_WRITE)
        except OSError: continue
        raise ValueError("BREACH")
""",
    ),
    (
        "memory bombs",
        "memory files",
        """
import os
def solve(n):
    file = os.memfd_create("x")
    raise ValueError("BREACH")
""",
    ),
    (
        "memory bombs",
        "huge pages",
        """
import mmap
def solve(n):
    block = mmap.mmap(-1, 1 << 21, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000)
    raise ValueError("BREACH")
""",
    ),
    (
        "memory bombs",
        "fills pipes and sockets",
        """
import fcntl, os, socket
def fill(descriptor):
    os.set_blocking(descriptor, False)
    try:
        while True: os.write(descriptor, b"x" * 65536)
    except OSError: pass
def solve(n):
    kept = []
    try:
        while True:
            kept.append(os.pipe())
            try: fcntl.fcntl(kept[-1][1], 1031, 1 << 20)
            except OSError: pass
            fill(kept[-1][1])
            kept.append([end.detach() for end in socket.socketpair()])
            fill(kept[-1][1])
    except OSError: pass
    return 0
""",
    ),
    (
        "memory bombs",
        "one enormous text",
        """
def solve(n): return "x" * (1 << 34)
""",
    ),
    (
        "disk bombs",
        "fills the folder",
        """
def solve(n):
    for i in range(100_000):
        with open("file%d" % i, "wb") as file: file.write(b"x" * (1 << 24))
""",
    ),
    (
        "disk bombs",
        "twenty thousand files",
        """
def solve(n):
    for i in range(20_000): open("file%d" % i, "w").close()
""",
    ),
    (
        "disk bombs",
        "leaves a poisoned folder",
        """
import os
for i in range(40):
    os.mkdir("d"); os.chdir("d")
os.chmod("/private/box", 0)
def solve(n): return 0
""",
    ),
    (
        "disk bombs",
        "an enormous sparse file",
        """
def solve(n):
    with open("sparse", "wb") as file: file.truncate(1 << 40)
    raise ValueError("BREACH")
""",
    ),
    (
        "disk bombs",
        "files without names",
        """
import os
kept = []
def solve(n):
    for _ in range(60):
        kept.append(os.open("/private/box", os.O_TMPFILE | os.O_RDWR))
        for _ in range(15): os.write(kept[-1], b"x" * (1 << 20))
    raise ValueError("BREACH")
""",
    ),
    (
        "disk bombs",
        "links in circles",
        """
import os
os.symlink("a", "b"); os.symlink("b", "a")
open("file", "w").close()
for i in range(2000):
    try: os.link("file", "link%d" % i); os.symlink("/" * 4000, "soft%d" % i)
    except OSError: break
def solve(n): return open("a").read()
""",
    ),
    (
        "output bombs",
        "prints for ever",
        """
import sys
def solve(n):
    while True: sys.stdout.write("x" * 65536)
""",
        "slow",
    ),
    (
        "output bombs",
        "complains for ever",
        """
import os, sys
def solve(n):
    while True: os.write(2, b"x" * 65536)
""",
        "slow",
    ),
    (
        "output bombs",
        "an exception with an enormous message",
        """
def solve(n): raise ValueError("x" * 50_000_000)
""",
    ),
    (
        "output bombs",
        "an exception with an enormous name",
        """
def solve(n): raise type("x" * 3_000_000, (Exception,), {})
""",
    ),
    (
        "output bombs",
        "an exception with three hundred ancestors",
        """
kind = Exception
for i in range(300): kind = type("C" * 200 + str(i), (kind,), {})
def solve(n): raise kind
""",
    ),
]
