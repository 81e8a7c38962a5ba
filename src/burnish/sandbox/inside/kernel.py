"""System calls that Python 3.11 does not offer, through ctypes: namespaces, mounts, capabilities, seccomp, Landlock.

Thin and literal: one function per call, `OSError` on failure, no policy. Numbers hold for x86-64 and aarch64.
"""

from __future__ import annotations

import ctypes
import os
import struct

libc = ctypes.CDLL(None, use_errno=True)
MACHINE = os.uname().machine
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}.get(MACHINE, -1)
_CAPSET = {"x86_64": 126, "aarch64": 91}.get(MACHINE, -1)
_MOUNT_SETATTR = 442
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446

NEW_MOUNT, NEW_UTS, NEW_IPC, NEW_USER, NEW_PID, NEW_NETWORK = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 8, 4096, 16384, 1 << 18
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV, ATTR_NOEXEC = 1, 2, 4, 8
_MNT_DETACH, _AT_RECURSIVE, _AT_FDCWD = 2, 0x8000, -100
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_DROP = 1, 4, 22, 24
_PR_SET_SECUREBITS, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 28, 38, 47
STREAM, PACKETS, _CLOSE_ON_EXEC = 1, 5, 0o2000000
_PAGE, _MAP_SHARED_ANONYMOUS = 4096, 0x21
_ADDR_NO_RANDOMIZE = 0x40000
_SECUREBITS_LOCKED = 0xEF
"""NOROOT, NO_SETUID_FIXUP, KEEP_CAPS off, NO_CAP_AMBIENT_RAISE, all with their locks."""


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _prctl(option: int, second: int = 0, third: int | ctypes.c_void_p = 0) -> int:
    word = ctypes.c_ulong
    last = third if isinstance(third, ctypes.c_void_p) else word(third)
    return int(libc.prctl(option, word(second), last, word(0), word(0)))


fork = ctypes.PyDLL(None).fork
"""The C library's fork without Python's at-fork hooks. Only for a process with one thread: its child then touches far fewer pages."""
fork.restype = ctypes.c_int


_kill = ctypes.PyDLL(None).kill


def signal_everyone(number: int) -> bool:
    """Signal every process that this one may signal, itself excepted. False if there is none (no exception: this is a hot path)."""
    return int(_kill(-1, number)) == 0


def socket_pair(kind: int) -> tuple[int, int]:
    """Two connected Unix sockets; `kind` is `STREAM` or `PACKETS`. Without Python's socket module, whose pages every fork would copy."""
    pair = (ctypes.c_int * 2)()
    _check(libc.socketpair(1, kind | _CLOSE_ON_EXEC, 0, pair), "socketpair")
    return pair[0], pair[1]


def shared_page() -> memoryview:
    """A page of zeros that this process shares with its children."""
    libc.mmap.restype = ctypes.c_void_p
    address = libc.mmap(None, ctypes.c_size_t(_PAGE), 3, _MAP_SHARED_ANONYMOUS, -1, ctypes.c_long(0))
    if address == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "mmap")
    return memoryview((ctypes.c_ubyte * _PAGE).from_address(address)).cast("B")


def unmap_page(page: memoryview) -> None:
    """Give up a page of `shared_page`, which must not be touched any more."""
    address = ctypes.addressof(ctypes.c_ubyte.from_buffer(page))
    _check(libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(_PAGE)), "munmap")


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags` (NEW_*) for fresh ones."""
    _check(libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """mount(2)."""
    _check(
        libc.mount(source.encode(), target.encode(), kind.encode() if kind else None, ctypes.c_ulong(flags), options.encode() or None),
        f"mount {target}",
    )


def unmount(target: str) -> None:
    """Detach a mount at once, whatever still uses it."""
    _check(libc.umount2(target.encode(), _MNT_DETACH), f"umount {target}")


def restrict_mount(target: str, attributes: int, recursive: bool = True) -> None:
    """Set mount attributes (ATTR_*) on a mount and, if `recursive`, all below it. Linux 5.12 or newer."""
    request = ctypes.create_string_buffer(struct.pack("<QQQQ", attributes, 0, 0, 0))
    flags = _AT_RECURSIVE if recursive else 0
    _check(libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, target.encode(), flags, request, ctypes.c_size_t(32)), f"mount_setattr {target}")


def pivot_root(new: str, old: str) -> None:
    """Make `new` the root of this mount namespace and move the old root to `old`."""
    _check(libc.syscall(_PIVOT_ROOT, new.encode(), old.encode()), "pivot_root")


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send `signal_number` when the parent thread ends."""
    _check(_prctl(_PR_SET_PDEATHSIG, signal_number), "prctl(PDEATHSIG)")


def forbid_capabilities() -> None:
    """No process from here on can ever gain a capability: empty ambient and bounding sets, locked secure bits."""
    _check(_prctl(_PR_CAP_AMBIENT, 4), "prctl(CAP_AMBIENT)")
    capability = 0
    while _prctl(_PR_CAPBSET_DROP, capability) == 0:
        capability += 1
    _check(_prctl(_PR_SET_SECUREBITS, _SECUREBITS_LOCKED), "prctl(SECUREBITS)")


def drop_capabilities() -> None:
    """Empty the effective, permitted and inheritable sets."""
    header = ctypes.create_string_buffer(struct.pack("<Ii", 0x20080522, 0))
    _check(libc.syscall(_CAPSET, header, ctypes.create_string_buffer(24)), "capset")


def no_new_privileges() -> None:
    """No exec may ever gain privileges; also what seccomp and Landlock ask of ordinary users. Not dumpable either."""
    _check(_prctl(_PR_SET_NO_NEW_PRIVS, 1), "prctl(NO_NEW_PRIVS)")
    _check(_prctl(_PR_SET_DUMPABLE, 0), "prctl(DUMPABLE)")


def install_filter(program: bytes) -> None:
    """Install a seccomp filter given as packed `struct sock_filter` records of 8 bytes."""
    code = ctypes.create_string_buffer(program, len(program))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(code)))
    _check(_prctl(_PR_SET_SECCOMP, 2, ctypes.cast(header, ctypes.c_void_p)), "prctl(SECCOMP)")


def fix_addresses() -> None:
    """Programs started from here on are laid out at the same addresses every time."""
    _check(libc.personality(ctypes.c_ulong(_ADDR_NO_RANDOMIZE)), "personality")


def landlock_version() -> int:
    """ABI version of Landlock, 0 if the kernel has none."""
    return max(0, int(libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)))


def landlock(rules: dict[str, int], version: int) -> None:
    """Allow only the file rights in `rules` (path → access bits) and forbid TCP and, from ABI 6, abstract sockets and outside signals."""
    handled = struct.pack("<QQQ", file_rights(version), 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = _check(
        libc.syscall(_LANDLOCK_CREATE, ctypes.create_string_buffer(handled), ctypes.c_size_t(size), 0), "landlock_create_ruleset"
    )
    for path, rights in rules.items():
        folder = os.open(path, os.O_PATH)
        rule = ctypes.create_string_buffer(struct.pack("<Qi", rights & file_rights(version), folder))
        _check(libc.syscall(_LANDLOCK_ADD, ruleset, 1, rule, 0), f"landlock_add_rule {path}")
        os.close(folder)
    _check(libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0), "landlock_restrict_self")
    os.close(ruleset)


LANDLOCK_EXECUTE = 0b1
LANDLOCK_READ = 0b1100
LANDLOCK_DEVICE = 0b110
LANDLOCK_WRITE = LANDLOCK_READ | 0b111_0101_1011_0010
"""Read, plus: write files, remove and make folders, files, fifos, symbolic links, rename, truncate. No devices, no sockets."""


def file_rights(version: int) -> int:
    """All file rights that a Landlock ABI version knows (they grow with it)."""
    return {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}.get(version, (1 << 16) - 1)
