"""Files that are whole or not there, and made by one process at a time."""

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger(__name__)


@contextlib.contextmanager
def replacing(path: Path, mode: str = "wb", **how) -> Iterator:
    """A file that takes the name `path` only once it is whole and on the disk.

    Args:
      path: of the file.
      mode: as for `open`.
      **how: as for `open`.
    """
    part = path.with_name(path.name + ".part")
    try:
        with open(part, mode, **how) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        with contextlib.suppress(OSError):  # what went wrong before is what is to be told
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock file `path` against other processes; it goes with the process that dies."""
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("waiting for the process that holds %s", path)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def locked_if_possible(path: Path) -> Iterator[None]:
    """`locked`; without a lock where the disk is read-only or knows none."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(locked(path))
        yield
