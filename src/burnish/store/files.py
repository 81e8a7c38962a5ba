"""Files that are whole or not there: written aside, then put in place."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from burnish.core.errors import StoreError


def write_atomic(path: Path | str, parts: Iterable[bytes]) -> Path:
    """Write `parts` one after another to `path`; a reader sees the old file or the new one, never a part. Returns the path.

    Whatever `parts` raises leaves the old file as it was. Raises `StoreError` if the file cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                file.writelines(parts)
                file.flush()
                os.fsync(file.fileno())
                os.chmod(file.name, 0o666 & ~_umask())
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError as error:
        reason = "disk full; free some space" if error.errno == errno.ENOSPC else f"{error.strerror}; choose another place"
        raise StoreError(f"{path} was not written: {reason}.") from error
    return path


def _umask() -> int:
    """The process's file mode mask: a temporary file is private, the finished one should be like any other."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
