"""SIGINT and SIGTERM while a program works: noted, so that its work can be saved first."""

import contextlib
import signal


class Stopped(Exception):
    """A signal asked the program to stop, and its work is saved; holds the signal's number."""


@contextlib.contextmanager
def stop_requests():
    """Collect SIGINT and SIGTERM in the list yielded; a second signal of a kind acts at once."""
    requests, before = [], {}

    def note(number, frame):
        del frame
        requests.append(number)
        signal.signal(number, before[number] or signal.SIG_DFL)

    # Handlers belong to the main thread; in another (a notebook's worker) signals act as they did.
    with contextlib.suppress(ValueError):
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, note)
    try:
        yield requests
    finally:
        for number, handler in before.items():
            # None: it was not set from Python but by jax.distributed
            signal.signal(number, handler or signal.SIG_DFL)
