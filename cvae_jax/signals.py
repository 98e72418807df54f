"""SIGINT, SIGTERM and SIGHUP: a program ends in one line, and saves first what has to be saved."""

import contextlib
import os
import signal
import sys

# Ctrl-C, a scheduler's or the system's end, a closed terminal.
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PARENT = "CVAE_JAX_PARENT"


class Stopped(Exception):
    """A signal asked the program to stop, and its work is saved; holds the signal's number."""


def taken() -> list:
    """Returns those of STOPPING that act; a SIGHUP that is ignored stays so, as nohup asks."""
    ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    return [number for number in STOPPING if number != signal.SIGHUP or not ignored]


def _end(number, frame):
    del frame
    os.write(2, b"Interrupted. Run the same command again to continue.\n")
    os._exit(128 + number)


def end_at_once() -> None:
    """Makes SIGINT, SIGTERM and SIGHUP end this process with one line and exit code 128 + number.

    For programs, before they import anything that takes time. The handler raises nothing, as an
    exception is lost where it meets somebody's `except` or a callback of the garbage collector.
    Files are whole or not there at any moment (`files.replacing`); work that has to be saved first
    is done inside `stop_requests`.
    """
    for number in taken():
        signal.signal(number, _end)
    release()
    follow_parent()


def hold() -> None:
    """Lets SIGINT, SIGTERM and SIGHUP wait, also across an execve, until `release`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)


def release() -> None:
    """Lets SIGINT, SIGTERM and SIGHUP that came since `hold` act."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


@contextlib.contextmanager
def held():
    """Lets signals wait, and for what is started inside until it calls `end_at_once` itself.

    So one that is passed on to an interpreter that starts is not lost, nor answered by a traceback.
    """
    hold()
    try:
        yield
    finally:
        release()


@contextlib.contextmanager
def stop_requests():
    """Collects SIGINT, SIGTERM and SIGHUP in the list yielded; a second of a kind acts at once."""
    requests, before = [], {}

    def note(number, frame):
        del frame
        requests.append(number)
        signal.signal(number, before[number] or signal.SIG_DFL)

    # Handlers belong to the main thread; in another (a notebook's worker) signals act as they did.
    with contextlib.suppress(ValueError):
        for number in taken():
            before[number] = signal.signal(number, note)
    try:
        yield requests
    finally:
        for number, handler in before.items():
            # None: it was not set from Python but by jax.distributed
            signal.signal(number, handler or signal.SIG_DFL)


def parent_variable() -> dict[str, str]:
    """Returns what a child's environment needs so that `follow_parent` ends it with this process.

    Not a `preexec_fn`: with one, Popen forks, which is unsafe where JAX's threads run.
    """
    return {_PARENT: str(os.getpid())}


def follow_parent() -> None:
    """Lets the kernel kill this process when the parent that started it so dies; Linux only.

    Even a `kill -9` of a launcher then leaves no orphan.
    """
    parent = os.environ.pop(_PARENT, "")
    if parent and sys.platform.startswith("linux"):
        import ctypes  # after the handler, as all that takes time

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if str(os.getppid()) != parent:  # it died before it was asked
            os._exit(1)
