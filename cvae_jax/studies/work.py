"""Processes that train runs: so many at once, stopped by signals, their time estimated."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cvae_jax.errors import UserError
from cvae_jax.runs.holding import in_use
from cvae_jax.signals import Stopped, held, parent_variable, stop_requests


class Job(NamedTuple):
    """A process that trains runs."""

    runs: list  # whatever the caller knows them by
    workdir: Path
    command: list[str]
    log: Path | None = None  # where its output goes; None: to the terminal


def program(arguments: list[str]) -> list[str]:
    """Returns the command line of a program of this Python."""
    return [sys.executable, *arguments]


def run(jobs: list[Job], beside: int, began: Callable, ended: Callable, variables=None) -> None:
    """Runs each job to its end, so many at once, in their order.

    Args:
      jobs: all of them.
      beside: processes side by side.
      began: called with a job before it starts, and the jobs that have not ended, it among them.
      ended: called with a job and its exit code.
      variables: environment variables for all of them.

    Raises:
      Stopped: a signal asked this program to stop; the running jobs have saved.
      UserError: a run is running already in one of the folders.
    """
    for job in jobs:
        if in_use(job.workdir):
            raise UserError(f"a run is running in {job.workdir}: stop it, or wait for its end")
    waiting, at_work = deque(jobs), {}  # process -> job
    # By default the first JAX program on a GPU takes three quarters of its memory.
    shared = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"} if beside > 1 else {}
    with stop_requests() as requests:
        try:
            while waiting or at_work:
                if requests:
                    _stop(at_work)
                    raise Stopped(requests[0])
                if waiting and len(at_work) < beside:
                    job = waiting.popleft()
                    began(job, [*at_work.values(), job, *waiting])
                    at_work[_start(job, shared | (variables or {}))] = job
                    continue
                for child in [child for child in at_work if child.poll() is not None]:
                    ended(at_work.pop(child), child.returncode)
                time.sleep(0.2)
        finally:
            # After an error, or a second Ctrl-C where that raises. In a command it doesn't: the
            # handler ends the program at once, and the kernel its children (`follow_parent`).
            _stop(at_work)


def _start(job, variables):
    """Starts a job's process and returns it."""
    # In our process group: Ctrl-Z and a closed terminal reach it as they reach us.
    environment = os.environ | variables | parent_variable()
    with contextlib.ExitStack() as stack:
        out = {}
        if job.log:
            job.log.parent.mkdir(parents=True, exist_ok=True)
            job.log.unlink(missing_ok=True)
            out = {"stdout": stack.enter_context(open(job.log, "x")), "stderr": subprocess.STDOUT}
        stack.enter_context(held())
        return subprocess.Popen(job.command, env=environment, **out)


def _stop(children):
    """Asks child processes to save and end, by SIGTERM, and waits for their end.

    A Ctrl-C at a terminal has sent them a SIGINT too. They save once: only a second signal of the
    same kind ends them at once (`stop_requests`).
    """
    for child in children:
        child.terminate()
    for child in children:
        child.wait()


def how_it_ended(code: int) -> str:
    """Returns what an exit code says, such as "it ended with code 2"."""
    if code < 0:
        return f"it was killed by {signal.Signals(-code).name}"
    return f"it ended with code {code}"


def time_left(took: list, todo: list, beside: int) -> str:
    """Estimates how long runs will take: ", about 1:05 hours left"; "" if none has ended.

    A run takes as long as those of its kind have in the mean, one of a new kind as long as all.

    Args:
      took: (kind, seconds) of each run that has ended.
      todo: the kind of each run that has not.
      beside: processes side by side.
    """
    if not took:
        return ""
    total = 0.0
    for kind in todo:
        like = [seconds for k, seconds in took if k == kind] or [seconds for _, seconds in took]
        total += sum(like) / len(like)
    total /= beside
    return f", about {int(total // 3600)}:{int(total % 3600 // 60):02} hours left"


def successive(runs: list) -> list[list]:
    """Groups runs that differ in successive seeds only, for one program; others stay alone.

    Args:
      runs: NamedTuples with a field seed.
    """
    groups = {}
    for run in runs:
        groups.setdefault(run._replace(seed=0), []).append(run)
    together = []
    for group in groups.values():
        seeds = [run.seed for run in group]
        whole = seeds == list(range(seeds[0], seeds[0] + len(seeds)))
        together += [group] if whole else [[run] for run in group]
    return together
