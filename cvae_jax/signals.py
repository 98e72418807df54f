"""Signals while a program works: noted, so that its work can be saved first; and a parent's death."""

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable

# Ctrl-C, a scheduler's or system's end, a closed terminal.
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Stopped(Exception):
    """A signal asked the program to stop, and its work is saved; holds the signal's number."""


@contextlib.contextmanager
def stop_requests():
    """Collects SIGINT, SIGTERM and SIGHUP in the list yielded; a second of a kind acts at once.

    A SIGHUP that is ignored stays so: nohup has asked for it.
    """
    requests, before = [], {}

    def note(number, frame):
        del frame
        requests.append(number)
        signal.signal(number, before[number] or signal.SIG_DFL)

    # Handlers belong to the main thread; in another (a notebook's worker) signals act as they did.
    with contextlib.suppress(ValueError):
        for number in STOPPING:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, note)
    try:
        yield requests
    finally:
        for number, handler in before.items():
            # None: it was not set from Python but by jax.distributed
            signal.signal(number, handler or signal.SIG_DFL)


def dying_with_parent() -> Callable | None:
    """A `preexec_fn` of `subprocess.Popen`: the child is killed when this process dies.

    Even a `kill -9` of this process then leaves no orphan. None where the system isn't Linux.
    """
    if not sys.platform.startswith("linux"):
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()  # loaded before the fork

    def ask():
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before it was asked
            os._exit(1)

    return ask
