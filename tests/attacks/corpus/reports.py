"""Programs that forge the report of their process or end it before it can be made."""

ATTACKS = [
    (
        "exit",
        "os._exit(0) when called",
        """
import os
def solve(n): os._exit(0)
""",
        "tampered",
    ),
    (
        "exit",
        "os._exit(0) when loaded",
        """
import os
os._exit(0)
def solve(n): return 0
""",
        "tampered",
    ),
    (
        "exit",
        "sys.exit(0) when called",
        """
import sys
def solve(n): sys.exit(0)
""",
        "tampered",
    ),
    (
        "exit",
        "sys.exit() when loaded",
        """
import sys
def solve(n): return 0
sys.exit()
""",
        "tampered",
    ),
    (
        "exit",
        "raise SystemExit(0)",
        """
def solve(n): raise SystemExit(0)
""",
        "tampered",
    ),
    (
        "exit",
        "atexit handler prints success",
        """
import atexit, os
atexit.register(lambda: (print("passed"), os._exit(0)))
def solve(n): raise KeyboardInterrupt
""",
    ),
    (
        "exit",
        "exec of /bin/true",
        """
import os
def solve(n):
    os.execv("/bin/true", ["true"])
""",
    ),
    (
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
        "slow",
    ),
    (
        "exit",
        "a quiet subclass of SystemExit",
        """
class Quiet(SystemExit):
    code = 0
    def __str__(self): return "0"
def solve(n): raise Quiet
""",
        "tampered",
    ),
    (
        "exit",
        "os._exit(0) in a thread",
        """
import os, threading, time
def solve(n):
    threading.Thread(target=os._exit, args=(0,)).start()
    time.sleep(5)
""",
        "tampered",
    ),
    (
        "exit",
        "leaves when its answer is thrown away",
        """
import os
class Answer:
    def __del__(self): os._exit(0)
def solve(n): return Answer()
""",
        "tampered",
    ),
    (
        "exit",
        "forgets every module",
        """
import sys
sys.modules.clear()
def solve(n): return 0
""",
    ),
    (
        "exit",
        "has the fault handler end it",
        """
import faulthandler, sys, time
def solve(n):
    faulthandler.dump_traceback_later(0.01, exit=True, file=open("trace", "w"))
    time.sleep(5)
""",
    ),
    (
        "exit",
        "execs itself through a memory file",
        """
import os
def solve(n):
    file = os.memfd_create("x")
    os.write(file, b"#!/bin/true\\n")
    os.execve(file, ["true"], {})
""",
    ),
    (
        "result channel",
        "writes success to every descriptor",
        """
import os
for descriptor in range(3, 128):
    for text in (b"passed\\n", b'{"status": "pass"}\\n', b"\\x01\\x00\\x00\\x00T"):
        try: os.write(descriptor, text)
        except OSError: pass
def solve(n): return 0
""",
        "tampered",
    ),
    (
        "result channel",
        "answers with a huge length",
        """
import os
for descriptor in range(3, 128):
    try: os.write(descriptor, b"\\xff\\xff\\xff\\xff" + b"A" * 60000)
    except OSError: pass
def solve(n): return 0
""",
    ),
    (
        "result channel",
        "sends a nested bomb",
        """
import os, struct
bomb = b"l\\x01\\x00\\x00\\x00" * 100_000 + b"N"
for descriptor in range(3, 128):
    try: os.write(descriptor, struct.pack("<I", len(bomb)) + bomb)
    except OSError: pass
def solve(n): return 0
""",
        "tampered",
    ),
    (
        "result channel",
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
    ),
    (
        "result channel",
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
        "tampered",
    ),
    (
        "result channel",
        "closes every descriptor",
        """
import os
os.closerange(0, 128)
def solve(n): return 0
""",
    ),
    (
        "result channel",
        "sends each honest frame twice",
        """
import os
write = os.write
def twice(descriptor, data):
    write(descriptor, data)
    return write(descriptor, data)
os.write = twice
def solve(n): return 0
""",
        "tampered",
    ),
    (
        "result channel",
        "sends half a frame and leaves",
        """
import os
def solve(n):
    for descriptor in range(3, 64):
        try: os.write(descriptor, b"\\x40\\0\\0\\0t\\x04\\0\\0\\0s\\x05\\0\\0\\0val")
        except OSError: pass
    os._exit(0)
""",
        "tampered",
    ),
    (
        "result channel",
        "answers before it is asked",
        """
import sys
frame = sys._getframe()
while "seat" not in frame.f_locals: frame = frame.f_back
for index in range(3): frame.f_locals["seat"].send("value", 0, index, 0.0)
def solve(n): return 0
""",
        "tampered",
    ),
    (
        "result channel",
        "says that later checks have begun",
        """
import os, sys
def solve(n):
    frame = sys._getframe(1)
    while "seat" not in frame.f_locals: frame = frame.f_back
    frame.f_locals["seat"].start_unit(50)
    os._exit(3)
""",
        "tampered",
    ),
    (
        "result channel",
        "claims that it could not be compiled",
        """
import os, sys
frame = sys._getframe()
while "seat" not in frame.f_locals: frame = frame.f_back
frame.f_locals["seat"].send("syntax", "All tests\\npassed", "x" * 5000, (-(1 << 70), 1 << 70, 1 << 900, -5))
os._exit(0)
""",
    ),
    (
        "result channel",
        "claims to lack its function",
        """
import os, sys
frame = sys._getframe()
while "seat" not in frame.f_locals: frame = frame.f_back
frame.f_locals["seat"].send("missing", ["All tests passed.\\n" * 10000] * 3, 1)
frame.f_locals["seat"].send("missing", [None, 7, "\\ud800"])
os._exit(0)
""",
        "tampered",
    ),
    (
        "result channel",
        "floods the channel with small frames",
        """
import sys
frame = sys._getframe()
while "seat" not in frame.f_locals: frame = frame.f_back
for index in range(100_000): frame.f_locals["seat"].send("x")
def solve(n): return 0
""",
        "tampered",
    ),
    (
        "result channel",
        "changes the pipes for those who come after",
        """
import fcntl, os
for descriptor in range(3, 64):
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_NONBLOCK | os.O_DIRECT | os.O_APPEND)
        fcntl.fcntl(descriptor, 1031, 4096)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError: pass
def solve(n): return 0
""",
    ),
    (
        "result channel",
        "two processes answer",
        """
import os
def solve(n):
    os.fork()
    return 0
""",
    ),
]
