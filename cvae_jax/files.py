"""Files that are whole or not there, and made by one process at a time.

A folder may come from elsewhere: no file is opened for writing through a link, and none that was
there before is truncated.
"""

import contextlib
import errno
import fcntl
import glob
import logging
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cvae_jax.errors import UserError

log = logging.getLogger(__name__)

NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)

_NAME = 100  # characters that a temporary name takes over; a whole one has at most 255 bytes


def expanded(path) -> Path:
    """Returns a path with ~ and ~NAME replaced by home folders.

    Raises:
      UserError: there is none: HOME is not set and the system knows no such user.
    """
    text = os.path.expanduser(os.fspath(path))
    if text.startswith("~") and not os.path.exists(text):
        raise UserError(
            f"{text.partition('/')[0]} of {path} stands for no home folder here: write the path in "
            "full, or set HOME"
        )
    return Path(text)


def no_link(path, flags: int) -> int:
    """Returns an `opener` for `open` that refuses a symbolic link."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)


@contextlib.contextmanager
def replacing(path: Path, mode: str = "wb", **how) -> Iterator:
    """Yields a file that takes the name `path` only once it is whole and on the disk.

    Until then it has a random name that nothing had before. What had the name is replaced, a link
    itself and not what it points to.

    Args:
      path: of the file.
      mode: as for `open`.
      **how: as for `open`.
    """
    path = Path(path)
    part = path.with_name(f".{path.name[:_NAME]}.{secrets.token_hex(8)}.part")
    try:
        descriptor = no_link(part, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        with open(descriptor, mode, **how) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        with contextlib.suppress(OSError):  # what went wrong before is what is reported
            part.unlink(missing_ok=True)


def not_written(path, error: OSError, remedy="free space or fix it") -> UserError:
    """Returns the error for a file that the disk refuses."""
    return UserError(f"can't write {path}: {error.strerror}; {remedy}")


def require_writable(path: Path) -> None:
    """Refuses a file to be written later where its folder takes no new file.

    For the beginning of long work, which would be lost.

    Raises:
      UserError: the folder is not there, or can't be written.
    """
    try:
        with tempfile.TemporaryFile(dir=Path(path).parent):
            pass
    except OSError as error:
        raise not_written(path, error) from None


def remove_leftovers(path: Path) -> None:
    """Removes what a killed `replacing` of this path left; to be called under the path's lock."""
    for part in path.parent.glob(f".{glob.escape(path.name[:_NAME])}.*.part"):
        part.unlink(missing_ok=True)


def open_lock(path: Path, make: bool = True):
    """Opens the lock file `path`; never truncates it.

    Args:
      path: of the file.
      make: whether it is made where it is not there.

    Raises:
      OSError: among others, it is a link.
    """
    more = os.O_CREAT if make else os.O_NONBLOCK  # to open a pipe is to wait for ever
    mode = "r+b" if make else "rb"
    return open(path, mode, buffering=0, opener=lambda p, flags: no_link(p, flags | more))


def lock(file, wait: bool = False) -> None:
    """Locks an open file; the kernel frees it when the process ends, however it ends.

    On a file system without locks, as Lustre and NFS may be mounted, it warns and locks nothing.

    Raises:
      BlockingIOError: another process holds it, and wait is False.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        log.warning("the disk of %s has no locks: let no two programs use it at once", file.name)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock file `path` against other processes, for which it waits."""
    with open_lock(path) as file:
        try:
            lock(file)
        except BlockingIOError:
            log.info("waiting for the process that holds %s", path)
            lock(file, wait=True)
        yield


@contextlib.contextmanager
def locked_if_possible(path: Path) -> Iterator[None]:
    """Holds the lock of `locked`; none if the disk is read-only or has no locks, or by a link."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(locked(path))
        yield
