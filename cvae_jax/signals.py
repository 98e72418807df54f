"""SIGINT and SIGTERM: a program ends in one line, and where it has work to save it saves first."""

import contextlib
import os
import signal

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


class Stopped(Exception):
    """A signal asked the program to stop, and its work is saved; holds the signal's number."""


def _end(number, frame):
    del frame
    os.write(2, b"Interrupted. Run the same command again to continue.\n")
    os._exit(128 + number)


def end_at_once() -> None:
    """Makes SIGINT and SIGTERM end this process with one line and the exit code 128 + number.

    For programs, before they import anything that takes time. The handler raises nothing, as an
    exception is lost where it meets somebody's `except` or a callback of the garbage collector.
    Files are whole or not there at any moment (`files.replacing`); work that has to be saved first
    is done inside `stop_requests`.
    """
    for number in _NUMBERS:
        signal.signal(number, _end)
    release()


def hold() -> None:
    """Lets SIGINT and SIGTERM wait, also across an execve, until `release`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _NUMBERS)


def release() -> None:
    """Lets SIGINT and SIGTERM that came since `hold` act."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _NUMBERS)


@contextlib.contextmanager
def stop_requests():
    """Collects SIGINT and SIGTERM in the list yielded; a second signal of a kind acts at once."""
    requests, before = [], {}

    def note(number, frame):
        del frame
        requests.append(number)
        signal.signal(number, before[number] or signal.SIG_DFL)

    # Handlers belong to the main thread; in another (a notebook's worker) signals act as they did.
    with contextlib.suppress(ValueError):
        for number in _NUMBERS:
            before[number] = signal.signal(number, note)
    try:
        yield requests
    finally:
        for number, handler in before.items():
            # None: it was not set from Python but by jax.distributed
            signal.signal(number, handler or signal.SIG_DFL)
