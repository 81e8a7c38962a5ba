"""Builds the jail, once per server: namespaces, a minimal read-only root, then a process without any privilege.

`enter` is called by the warden (it keeps what it needs to renew the private folder), `lock` by the nursery that forks
the judged programs. Works as root (own user id per server) and as an ordinary user (user namespace). Every layer that
cannot be had raises `LayerMissing` with its name; nothing falls back silently.
"""

from __future__ import annotations

import errno
import glob
import os
import sysconfig
from collections.abc import Callable, Sequence

from . import kernel, seccomp
from .profiles import Profile

PRIVATE = "/private"
BOX = PRIVATE + "/box"
"""The one writable folder: a private tmpfs, renewed whenever a program has touched it."""
_BOX_FILES = 1024
_STAGE = "/tmp"
_FIRST_USER, _USER_INSIDE = 0x10000000, 1000


class LayerMissing(Exception):
    """A layer of the jail cannot be had here; `args` are the layer's name and the reason."""

    def report(self) -> dict[str, object]:
        """What the parent is told."""
        return {"missing": self.args[0], "reason": self.args[1], "transient": is_transient(self.__cause__)}


def is_transient(error: BaseException | None) -> bool:
    """True for a fault of the moment (memory, processes or descriptors are short), not of the machine."""
    return isinstance(error, MemoryError) or getattr(error, "errno", 0) in (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)


def enter(packages: Sequence[str], profile: Profile) -> int:
    """Put this process into fresh namespaces with a minimal root; all but that of processes, see `separate_processes`.

    `packages` are folders of installed packages to be shown inside. Returns the user id, as seen inside, of judged programs.
    """
    libraries = _library_folders()
    user = _namespaces()
    try:
        _build_root(libraries, packages, user, profile)
    except OSError as error:
        raise LayerMissing("file system", str(error)) from error
    return user


def separate_processes() -> None:
    """The next child is process 1 of a PID namespace of its own, and all later ones live in there."""
    _layer("namespaces", lambda: kernel.unshare(kernel.NEW_PID))


def lock(user: int, profile: Profile) -> list[str]:
    """Give up every privilege for ever. Called by the nursery. Returns the names of the layers now in force."""
    os.environ.clear()
    _layer("capabilities", lambda: _become(user))
    _layer("no_new_privs", kernel.no_new_privileges)
    if profile.executes:
        _layer("fixed addresses", kernel.fix_addresses)
    layers = ["namespaces", "file system", "capabilities", "no_new_privs", "seccomp"]
    execute = kernel.LANDLOCK_EXECUTE if profile.executes else 0
    if _landlock({"/": kernel.LANDLOCK_READ | execute, "/dev/null": kernel.LANDLOCK_DEVICE, PRIVATE: kernel.LANDLOCK_WRITE}):
        layers.append("landlock")
    _need_seccomp()
    _layer("seccomp", lambda: kernel.install_filter(seccomp.program(allow_exec=profile.executes)))
    return layers


def lock_weaker(folder: str, packages: Sequence[str]) -> list[str]:
    """What is left without namespaces: no capabilities, Landlock if there is any, and per seat a filter without fork and signals."""
    os.environ.clear()
    _need_seccomp()
    if os.getuid() == 0:
        _layer("capabilities", kernel.forbid_capabilities)
        _layer("capabilities", kernel.drop_capabilities)
    _layer("no_new_privs", kernel.no_new_privileges)
    readable = [*_library_folders(), *packages, "/dev/urandom"]
    rules = {path: kernel.LANDLOCK_READ if os.path.isdir(path) else kernel.LANDLOCK_DEVICE for path in readable}
    has_landlock = _landlock({**rules, "/dev/null": kernel.LANDLOCK_DEVICE, folder: kernel.LANDLOCK_WRITE})
    if os.getuid() == 0 and not has_landlock:
        raise LayerMissing("landlock", "the weaker level is refused to root where not even Landlock protects its files")
    return ["capabilities", "no_new_privs", "seccomp", *(["landlock"] if has_landlock else [])]


def _landlock(rules: dict[str, int]) -> bool:
    version = kernel.landlock_version()
    if version:
        _layer("landlock", lambda: kernel.landlock(rules, version))
    return bool(version)


def _need_seccomp() -> None:
    if not seccomp.supported():
        raise LayerMissing("seccomp", f"no system call table for {os.uname().machine}")


def renew_box(user: int, profile: Profile) -> None:
    """Replace the private folder by an empty one. Called by the warden while no judged program lives."""
    kernel.unmount(BOX)
    _mount_box(user, profile)


def _layer(name: str, step: Callable[[], object]) -> None:
    try:
        step()
    except OSError as error:
        raise LayerMissing(name, str(error)) from error


def _namespaces() -> int:
    flags = kernel.NEW_MOUNT | kernel.NEW_UTS | kernel.NEW_IPC | kernel.NEW_NETWORK
    user, group = os.geteuid(), os.getegid()
    try:
        if user == 0 and _all_users_mapped():
            kernel.unshare(flags)
            return _FIRST_USER + os.getpid()
        kernel.unshare(flags | kernel.NEW_USER)
        for name, text in (("setgroups", "deny"), ("uid_map", f"{_USER_INSIDE} {user} 1"), ("gid_map", f"{_USER_INSIDE} {group} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    except OSError as error:
        raise LayerMissing("namespaces", str(error)) from error
    return _USER_INSIDE


def _all_users_mapped() -> bool:
    """True for the machine's real root: a fresh user id per server is then free for the taking."""
    with open("/proc/self/uid_map") as file:
        return file.read().split() == ["0", "0", str(2**32 - 1)]


def _library_folders() -> list[str]:
    """The standard library and every folder that shared objects of this process were loaded from."""
    folders = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    with open("/proc/self/maps") as maps:
        for line in maps:
            path = line.split(maxsplit=5)[-1].strip()
            if ".so" in os.path.basename(path):
                folders.add(os.path.dirname(path))
    real = sorted({os.path.realpath(folder) for folder in folders})
    return [folder for folder in real if not any(folder.startswith(other + "/") for other in real)]


def _build_root(libraries: list[str], packages: Sequence[str], user: int, profile: Profile) -> None:
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("tmpfs", _STAGE, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "size=1m,mode=755")
    os.chdir(_STAGE)
    os.mkdir("old")
    os.mkdir("new")
    kernel.pivot_root(_STAGE, _STAGE + "/old")
    os.chdir("/")
    kernel.mount("tmpfs", "/new", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "size=1m,mode=755")
    for place in (*filter(_is_there, profile.shown), *libraries):
        _show(place)
    hidden = _hide_installed_packages(libraries, profile.covered)
    for folder in packages:
        _show(folder)
    for folder in hidden:
        kernel.restrict_mount(folder, kernel.ATTR_RDONLY, recursive=False)
    _replicate_links()
    for device in ("null", "urandom", "random"):
        _show_device(device)
    os.makedirs("/new" + BOX)
    if not os.path.lexists("/new/tmp"):  # there already if a library lies below /tmp; tempfile then uses the box as its folder
        os.symlink(BOX, "/new/tmp")
    os.chdir("/new")
    kernel.pivot_root(".", ".")
    kernel.unmount(".")
    os.chdir("/")
    _mount_box(user, profile)
    kernel.restrict_mount("/", kernel.ATTR_RDONLY | kernel.ATTR_NOSUID | kernel.ATTR_NODEV, recursive=False)


def _is_there(place: str) -> bool:
    return os.path.lexists("/old" + place)


def _show(place: str) -> None:
    """Show a folder or a file, read-only; a link is made again."""
    source, target = "/old" + place, "/new" + place
    if os.path.islink(source):
        os.symlink(os.readlink(source), target)
        return
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        _touch(target)
    kernel.mount(source, target, None, kernel.MS_BIND | kernel.MS_REC)
    kernel.restrict_mount(target, kernel.ATTR_RDONLY | kernel.ATTR_NOSUID | kernel.ATTR_NODEV)


def _replicate_links() -> None:
    """Merged-usr systems reach their libraries through /lib and /lib64."""
    for name in ("lib", "lib64"):
        if os.path.islink(f"/old/{name}") and not os.path.lexists(f"/new/{name}"):
            os.symlink(os.readlink(f"/old/{name}"), f"/new/{name}")


def _touch(target: str) -> None:
    os.makedirs(os.path.dirname(target), exist_ok=True)
    os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))


def _show_device(name: str) -> None:
    target = f"/new/dev/{name}"
    _touch(target)
    kernel.mount(f"/old/dev/{name}", target, None, kernel.MS_BIND)
    kernel.restrict_mount(target, kernel.ATTR_RDONLY | kernel.ATTR_NOSUID | kernel.ATTR_NOEXEC, recursive=False)  # devices stay writable


def _hide_installed_packages(libraries: list[str], covered: Sequence[str]) -> list[str]:
    """Installed packages may hold reference solutions (data sets ship as wheels): cover them, and `covered`, with empty folders."""
    standard = os.path.realpath(sysconfig.get_path("stdlib"))
    candidates = [f"{standard}/site-packages", f"{standard}/dist-packages"]
    candidates += [f"{folder}/{name}" for folder in libraries for name in ("python3/dist-packages", "site-packages", "dist-packages")]
    candidates += [
        *covered,
        *(f"/{path}" for place in ("usr", "usr/*") for path in glob.glob(f"{place}/lib*/python*/*-packages", root_dir="/new")),
    ]
    hidden = ["/new" + folder for folder in dict.fromkeys(candidates) if os.path.isdir("/new" + folder)]
    for folder in hidden:
        kernel.mount("tmpfs", folder, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "size=1m,mode=755")
    return hidden


def _mount_box(user: int, profile: Profile) -> None:
    no_exec = 0 if profile.executes else kernel.MS_NOEXEC
    options = f"size={profile.box_megabytes}m,nr_inodes={_BOX_FILES},mode=700,uid={user},gid={user}"
    kernel.mount("tmpfs", BOX, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV | no_exec, options)


def _become(user: int) -> None:
    kernel.forbid_capabilities()
    if os.getuid() != user:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    kernel.drop_capabilities()
