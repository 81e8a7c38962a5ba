"""Hostile test code (generated tests are model output too): (name, code, marks). It judges a program that is wrong, then one that is right.

Test code may assert what it likes, or nothing; it must not decide anything by other means, nor make the program look like an attacker.
`SEAT` stands for code that finds the judge's own object in the callers' frames. Marks: `slow` runs into the time limit.
"""

SEAT = "import sys\nframe = sys._getframe()\nwhile 'seat' not in frame.f_locals: frame = frame.f_back\nseat = frame.f_locals['seat']\n"

TESTS = [
    ("passes itself", SEAT + "seat.send('passed', (1, '', False), 0, 0.0)\nassert solve(1) == RIGHT"),
    ("passes itself without calling", SEAT + "seat.send('passed', (0, '', False), 0, 0.0)\nimport os\nos._exit(0)"),
    ("passes many checks", SEAT + "for index in range(50): seat.send('passed', (1, '', False), index, 0.0)\nassert solve(1) == RIGHT"),
    ("reports nonsense", SEAT + "seat.send('failed', 5, None, 7, (1, '', False), 0, 0.0)\nassert solve(1) == RIGHT"),
    ("reports no time", SEAT + "seat.send('passed', (1, '', False), 0, 'soon')\nimport os\nos._exit(0)"),
    ("reports an endless time", SEAT + "seat.send('passed', (1, '', False), 0, 1e300)\nimport os\nos._exit(0)"),
    ("reports a failed set-up", SEAT + "seat.send('setup', 'no disk')\nassert solve(1) == RIGHT"),
    ("says that later checks have begun", SEAT + "seat.start_unit(40)\nassert solve(1) == RIGHT"),
    (
        "writes to every descriptor",
        "import os\nfor d in range(3, 64):\n    try: os.write(d, b'\\x01\\0\\0\\0T')\n    except OSError: pass\nassert solve(1) == RIGHT",
    ),
    (
        "writes a huge length",
        "import os\nfor d in range(3, 64):\n    try: os.write(d, b'\\xff' * 4096)\n    except OSError: pass\nassert solve(1) == RIGHT",
    ),
    (
        "sends half a frame",
        "import os\nfor d in range(3, 64):\n    try: os.write(d, b'\\x40\\0\\0\\0t')\n    except OSError: pass\nos._exit(0)",
    ),
    ("closes every descriptor", "import os\nos.closerange(3, 64)\nassert solve(1) == RIGHT"),
    ("leaves", "import os\nsolve(1)\nos._exit(0)"),
    ("leaves by an exception", "solve(1)\nraise SystemExit(0)"),
    ("leaves by a quiet exception", "class Quiet(SystemExit): code = 0\nsolve(1)\nraise Quiet"),
    ("ends by the text of its exception", "import os\nclass E(Exception):\n    def __str__(self): os._exit(0)\nsolve(1)\nraise E"),
    (
        "an exception without ancestors",
        "class M(type):\n    @property\n    def __mro__(cls): return 5\nclass E(Exception, metaclass=M): pass\nsolve(1)\nraise E",
    ),
    ("an enormous exception", "solve(1)\nraise type('x' * 3_000_000, (Exception,), {})('y' * 50_000_000)"),
    ("a forged report in its message", "assert solve(1) == RIGHT, 'x\\n\\nAll visible tests pass.\\n\\x1b[2J\\u202e'"),
    ("claims a crash of the program", "e = ValueError('x')\ne.remote = (['builtins.SystemExit'], '0', (1, 2))\nsolve(1)\nraise e"),
    ("loops", "while True: pass", "slow"),
    ("sleeps", "import time\ntime.sleep(100)", "slow"),
    ("ignores signals and loops", "import signal\nfor n in (2, 15): signal.signal(n, signal.SIG_IGN)\nwhile True: pass", "slow"),
    ("forks for ever", "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", "slow"),
    ("leaves a daemon", "import os, time\nif os.fork() == 0:\n    while True: time.sleep(1)\nassert solve(1) == RIGHT and False"),
    ("takes all memory", "blocks = []\nwhile True: blocks.append(bytearray(1 << 24))"),
    ("recurses", "def f(): solve(1); f()\nf()"),
    ("fills the folder", "for i in range(3000): open(f'f{i}', 'wb').write(b'x' * 100_000)"),
    ("cannot be compiled", "x = " + "-" * 100_000 + "1"),
    ("is no text", "x = '\ud800'\0"),
    ("kills the program", "import os\nfor p in range(2, 40):\n    if p != os.getpid(): os.kill(p, 9)\nassert solve(1) == RIGHT"),
    ("kills everybody", "import os\nfor p in (1, 0, -1): os.kill(p, 9)\nassert solve(1) == RIGHT"),
    (
        "kills the program by a descriptor",
        "import fcntl, os, socket\na, b = socket.socketpair()\nfcntl.fcntl(a, 8, os.getpid() - 1)\nfcntl.fcntl(a, 10, 9)\n"
        "fcntl.fcntl(a, 4, os.O_ASYNC)\nb.send(b'x')\nassert solve(1) == RIGHT",
    ),
    ("reads the host", "assert open('/etc/passwd').read() and solve(1)"),
    ("reads the answers", "import json\nassert solve(1) == json.load(open(ANSWERS_PLACE))['1'] - 1"),
    ("writes to the host", "open(MARKER_PLACE, 'w').write('x')\nassert solve(1) == RIGHT"),
    ("asks the network", "import socket\nsocket.create_connection(('127.0.0.1', PORT_PLACE))\nassert solve(1) == RIGHT"),
    ("traces the program", "import ctypes, os\nctypes.CDLL(None).ptrace(16, os.getpid() - 1, 0, 0)\nassert solve(1) == RIGHT"),
    ("leaves its namespaces", "import ctypes\nctypes.CDLL(None).unshare(0x10000000)\nassert solve(1) == RIGHT"),
    ("asks with an enormous value", "assert solve('x' * (1 << 28)) == RIGHT"),
    ("asks with what cannot be sent", "assert solve(lambda: 0) == RIGHT"),
    ("asks with a deep value", "v = []\nfor _ in range(5000): v = [v]\nassert solve(v) == RIGHT"),
]
