"""Programs that turn to the kernel: signals, limits and calls that no honest program makes. `SYSCALL_x` stands for the number of call x."""

ATTACKS = [
    (
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
    ),
    (
        "signals",
        "strangles its parent's limits",
        """
import os, resource
def solve(n):
    for target in (1, os.getppid()):
        resource.prlimit(target, resource.RLIMIT_NOFILE, (0, 0))
    return 0
""",
    ),
    (
        "signals",
        "signals its neighbours by descriptors",
        """
import fcntl, os, signal, socket, time
def solve(n):
    for target in (1, os.getpid() - 1, os.getpid() + 1):
        left, right = socket.socketpair()
        for command, value in ((fcntl.F_SETOWN, target), (10, signal.SIGKILL), (fcntl.F_SETFL, os.O_ASYNC)):
            try: fcntl.fcntl(left, command, value)
            except OSError: pass
        right.send(b"x")
    time.sleep(0.1)
    return 0
""",
    ),
    (
        "signals",
        "signals its process group",
        """
import os, signal
def solve(n):
    for target in (0, -os.getpgrp(), -1):
        try: os.kill(target, signal.SIGKILL)
        except OSError: pass
    return 0
""",
    ),
    (
        "signals",
        "signals by process descriptors",
        """
import os, signal
def solve(n):
    for target in range(1, 40):
        if target != os.getpid():
            try: signal.pidfd_send_signal(os.pidfd_open(target), signal.SIGKILL)
            except OSError: pass
    return 0
""",
    ),
    (
        "signals",
        "kills itself by a signal without a name",
        """
import os, signal, time
def solve(n):
    os.kill(os.getpid(), 40)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    time.sleep(5)
""",
    ),
    (
        "signals",
        "kills itself",
        """
import os
def solve(n): os.kill(os.getpid(), 9)
""",
    ),
    (
        "signals",
        "stops itself and blocks every signal",
        """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
def solve(n):
    os.kill(os.getpid(), signal.SIGSTOP)
    while True: signal.pause()
""",
        "slow",
    ),
    (
        "limits",
        "raises its own limits",
        """
import os, resource
def solve(n):
    [resource.setrlimit(limit, (resource.RLIM_INFINITY,) * 2) for limit in (resource.RLIMIT_DATA, resource.RLIMIT_CPU)]
    raise ValueError("BREACH")
""",
    ),
    (
        "limits",
        "raises its number of processes",
        """
import os, resource
def solve(n):
    resource.setrlimit(resource.RLIMIT_NPROC, (10**6,) * 2)
    raise ValueError("BREACH")
""",
    ),
    (
        "limits",
        "raises its number of files",
        """
import os, resource
def solve(n):
    resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 20,) * 2)
    raise ValueError("BREACH")
""",
    ),
    (
        "limits",
        "takes a real-time priority",
        """
import os, resource
def solve(n):
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99))
    raise ValueError("BREACH")
""",
    ),
    (
        "limits",
        "raises its priority",
        """
import os, resource
def solve(n):
    os.nice(-20)
    raise ValueError("BREACH")
""",
    ),
    (
        "limits",
        "a filter of its own that fails every write",
        """
import ctypes, struct
def words(*rows): return b"".join(struct.pack("<HBBI", *row) for row in rows)
code = words((0x20, 0, 0, 0), (0x15, 0, 1, 1), (0x06, 0, 0, 0x50001), (0x06, 0, 0, 0x7FFF0000))
space = ctypes.create_string_buffer(code, len(code))
header = ctypes.create_string_buffer(struct.pack("@HP", len(code) // 8, ctypes.addressof(space)))
ctypes.CDLL(None).prctl(22, 2, header, 0, 0)
def solve(n): return 0
""",
    ),
    (
        "limits",
        "a filter of its own that keeps it from ending",
        """
import ctypes, struct
def words(*rows): return b"".join(struct.pack("<HBBI", *row) for row in rows)
code = words((0x20, 0, 0, 0), (0x15, 0, 1, 231), (0x06, 0, 0, 0x50000), (0x15, 0, 1, 1), (0x06, 0, 0, 0x50001), (0x06, 0, 0, 0x7FFF0000))
space = ctypes.create_string_buffer(code, len(code))
header = ctypes.create_string_buffer(struct.pack("@HP", len(code) // 8, ctypes.addressof(space)))
ctypes.CDLL(None).prctl(22, 2, header, 0, 0)
def solve(n): return 0
""",
        "slow",
    ),
]

HOSTILE_CALLS = {
    "ptrace": "libc.ptrace(16, 1, 0, 0)",
    "mount": "libc.mount(b'none', b'/private', b'tmpfs', 0, None)",
    "unshare": "libc.unshare(0x10000000)",
    "chroot": "libc.chroot(b'/private')",
    "io_uring": "libc.syscall(SYSCALL_io_uring_setup, 8, ctypes.create_string_buffer(200))",
    "bpf": "libc.syscall(SYSCALL_bpf, 0, ctypes.create_string_buffer(200), 200)",
    "process_vm_readv": "libc.process_vm_readv(1, None, 0, None, 0, 0)",
    "userfaultfd": "libc.syscall(SYSCALL_userfaultfd, 0)",
    "keyctl": "libc.syscall(SYSCALL_keyctl, 0, -3)",
    "a 32-bit call number": "libc.syscall(0x40000000 + 39)",
    "setns": "libc.setns(3, 0)",
    "a user namespace by clone": "libc.syscall(SYSCALL_clone, 0x10000000 | 17, 0, 0, 0, 0)",
    "process_vm_writev": "libc.process_vm_writev(1, None, 0, None, 0, 0)",
    "perf_event_open": "libc.syscall(SYSCALL_perf_event_open, None, 0, -1, -1, 0)",
    "add_key": "libc.syscall(SYSCALL_add_key, b'user', b'x', b'y', 1, -3)",
    "open_by_handle_at": "libc.syscall(SYSCALL_open_by_handle_at, -100, None, 0)",
    "pidfd_getfd": "libc.syscall(SYSCALL_pidfd_getfd, 3, 0, 0)",
    "init_module": "libc.syscall(SYSCALL_init_module, None, 0, b'')",
    "reboot": "libc.syscall(SYSCALL_reboot, 0, 0, 0, None)",
    "a new mount": "libc.syscall(SYSCALL_fsopen, b'tmpfs', 0)",
    "the clock of the system": "libc.syscall(SYSCALL_clock_settime, 0, ctypes.create_string_buffer(16))",
}
"""Each of these ends the program at once."""

REFUSED_CALLS = {
    "clone3": "libc.syscall(SYSCALL_clone3, ctypes.create_string_buffer(88), 88)",
    "personality": "libc.personality(0x0040000)",
    "the name of the host": "libc.sethostname(b'breach', 6)",
    "another user": "libc.setresuid(0, 0, 0)",
    "capabilities": "libc.prctl(47, 2, 21, 0, 0)",
    "a core dump": "libc.prctl(4, 1, 0, 0, 0)",
    "shared memory of the system": "libc.shmget(0x6275726E, 4096, 0o1600)",
    "semaphores of the system": "libc.semget(0x6275726E, 1, 0o1600)",
    "message queues of the system": "libc.msgget(0x6275726E, 0o1600)",
}
"""Each of these fails."""

_LIBRARY = "import ctypes\nlibc = ctypes.CDLL(None)\ndef solve(n):\n"
ATTACKS += [("kernel", name, f"{_LIBRARY}    return {call}\n", "tampered") for name, call in HOSTILE_CALLS.items()]
ATTACKS += [("kernel", name, f"{_LIBRARY}    if {call} >= 0: raise ValueError('BREACH')\n") for name, call in REFUSED_CALLS.items()]
