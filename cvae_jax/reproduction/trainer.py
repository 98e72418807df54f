"""Trains the runs without a record, each in a process of its own, one or several at once."""

import itertools
import logging
import os
import subprocess
import time
from collections import deque
from pathlib import Path

from cvae_jax import datasets
from cvae_jax.errors import UserError
from cvae_jax.reproduction import runs
from cvae_jax.runs.holding import in_use
from cvae_jax.runs.workdir import read_results
from cvae_jax.signals import Stopped, held, parent_variable, stop_requests

log = logging.getLogger(__name__)


def train(planned, records: dict, folders: Path, results: Path, at_once: bool, jobs: int):
    """Trains and records each run in turn; adds to records.

    Args:
      planned: all runs.
      records: {run: its record} of those that have ended.
      folders: the runs' own folders are made there.
      results: the folder of records.
      at_once: the seeds of a method in one program.
      jobs: processes side by side; with more than one, each writes its output to a file beside its
        folder.

    Returns:
      {run: why it has no record}, and the runs among them that failed.

    Raises:
      Stopped: a signal asked this program to stop; the running runs have saved.
      UserError: a run is running already.
    """
    reasons, failed = {}, []
    todo = [run for run in planned if run not in records]
    no_data = {}  # data -> why they can't be loaded, or ""
    for run in todo:
        if run.data not in no_data:
            no_data[run.data] = _missing_data(run)
        if no_data[run.data]:
            reasons[run] = no_data[run.data]
            log.warning("%s: %s", run.key, reasons[run])
    todo = [run for run in todo if run not in reasons]
    programs = deque(_seeds_together(todo) if at_once else [[run] for run in todo])
    for together in programs:
        if in_use(workdir := runs.workdir(together, folders)):
            raise UserError(f"a run is running in {workdir}: stop it, or wait for its end")
    at_work = {}  # process -> the runs that it trains, where its output goes

    def begin(together):
        done = f"{len(records)} of {len(planned)} runs done"
        others = [together for together, _ in at_work.values()]
        beside = min(jobs, len(at_work) + 1 + len(programs))
        left = _left(itertools.chain(*others, together, *programs), records, beside)
        names = ", ".join(str(run.key) for run in together)
        child, says = _start(together, folders, beside=jobs > 1)
        log.info("%s%s; now %s%s", done, left, names, f", see {says}" if jobs > 1 else "")
        at_work[child] = together, says

    def end(child):
        together, says = at_work.pop(child)
        reason = f"it ended with code {child.returncode}; for the cause see: {says}"
        for run in together:
            # A seed may have diverged, and the others of its program ended well.
            if not child.returncode and _scored(run, folders / run.key / "results.json"):
                records[run] = runs.write_record(results, run, folders / run.key)
                continue
            diverged = f"it diverged, see {folders / run.key}"
            reasons[run] = reason if child.returncode else diverged
            failed.append(run)
            log.warning("%s: %s", run.key, reasons[run])

    with stop_requests() as requests:
        try:
            while programs or at_work:
                if requests:
                    _stop(at_work)
                    raise Stopped(requests[0])
                if programs and len(at_work) < jobs:
                    begin(programs.popleft())
                    continue
                for child in [child for child in at_work if child.poll() is not None]:
                    end(child)
                time.sleep(0.2)
        finally:
            # After an error, or a second Ctrl-C where that raises. In `cvae reproduce` it doesn't:
            # the handler ends the program at once, and the kernel its children (`follow_parent`).
            _stop(at_work)
    return reasons, failed


def _stop(children):
    """Asks child processes to save and end, by SIGTERM, and waits for their end.

    A Ctrl-C at a terminal has sent them a SIGINT too. They save once: only a second signal of the
    same kind ends them at once (`stop_requests`).
    """
    for child in children:
        child.terminate()
    for child in children:
        child.wait()


def _scored(run, path):
    """Returns whether results.json at path is of the run's last step."""
    results = read_results(path)
    return results is not None and results["step"] == runs.config(run).num_steps


def _seeds_together(todo):
    """Groups runs that differ in successive seeds only; returns a list of lists."""
    groups = {}
    for run in todo:
        groups.setdefault(run._replace(seed=0), []).append(run)
    together = []
    for group in groups.values():
        seeds = [run.seed for run in group]
        whole = seeds == list(range(seeds[0], seeds[0] + len(seeds)))
        together += [group] if whole else [[run] for run in group]
    return together


def _missing_data(run) -> str:
    """Returns why the run's data can't be loaded, by their builder; "" if they can."""
    config = runs.config(run)
    try:
        datasets.load(config.data.name, config.data.size, config.data.dir)
    except UserError as error:
        return f"needs its data: {error}"
    return ""


def _start(together, folders, beside):
    """Starts the process that trains these runs; returns it and where its output goes."""
    arguments = runs.arguments(together, folders)
    command = runs.program(arguments)
    # In our process group: Ctrl-Z and a closed terminal reach it as they reach us.
    variables = os.environ | parent_variable()
    if not beside:
        with held():
            child = subprocess.Popen(command, env=variables)
        return child, runs.command(together, folders)
    workdir = runs.workdir(together, folders)
    says = workdir.with_name(f"{workdir.name}.log")
    says.parent.mkdir(parents=True, exist_ok=True)
    # By default the first JAX program on a GPU takes three quarters of its memory.
    shared = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"} | variables
    says.unlink(missing_ok=True)
    with open(says, "x") as file, held():
        out = {"stdout": file, "stderr": subprocess.STDOUT}
        child = subprocess.Popen(command, env=shared, **out)
    return child, str(says)


def _left(todo, records, beside) -> str:
    """Estimates the remaining time from finished runs of the same kind; "" if there are none."""
    took = {run: r["training_seconds"] + r["evaluation_seconds"] for run, r in records.items()}
    if not took:
        return ""
    mean, total = sum(took.values()) / len(took), 0.0
    for run in todo:
        like = [s for r, s in took.items() if (r.data, r.method) == (run.data, run.method)]
        total += sum(like) / len(like) if like else mean
    total /= beside
    return f", about {int(total // 3600)}:{int(total % 3600 // 60):02} hours left"
