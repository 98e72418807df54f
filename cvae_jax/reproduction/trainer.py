"""Trains the runs that have no record yet, each as a program of its own, one after the other."""

import itertools
import logging
import subprocess
import time
from pathlib import Path

from cvae_jax.command_line import Stopped, stop_requests
from cvae_jax.datasets import pipeline
from cvae_jax.errors import UserError
from cvae_jax.reproduction import runs
from cvae_jax.workdir import in_use, read_results

log = logging.getLogger(__name__)


def train(planned, records: dict, folders: Path, results: Path, at_once: bool):
    """Train, record, go on; adds to records.

    Args:
      planned: all runs.
      records: {run: its record} of those that have ended.
      folders: the runs' own folders are made there.
      results: the folder of records.
      at_once: the seeds of a method in one program.

    Returns:
      {run: why it has no record}, and the runs among them that failed.

    Raises:
      Stopped: a signal has asked this program to stop; the run at work has saved.
      UserError: a run is at work already.
    """
    reasons, failed, no_data = {}, [], {}
    todo = [run for run in planned if run not in records]
    programs = _seeds_together(todo) if at_once else [[run] for run in todo]
    for i, together in enumerate(programs):
        first = together[0]
        if first.data not in no_data:
            no_data[first.data] = _missing_data(first)
        if no_data[first.data]:
            reasons |= dict.fromkeys(together, no_data[first.data])
            log.warning("%s: %s", first.key, no_data[first.data])
            continue
        done = f"{len(records)} of {len(planned)} runs done"
        names = ", ".join(str(run.key) for run in together)
        log.info("%s%s; now %s", done, _left(itertools.chain(*programs[i:]), records), names)
        reason = _run(together, folders)
        for run in together:
            # A seed may have diverged, and the others of its program ended well.
            if not reason and _scored(run, folders / run.key / "results.json"):
                records[run] = runs.write_record(results, run, folders / run.key)
                continue
            reasons[run] = reason or f"it diverged, see {folders / run.key}"
            failed.append(run)
            log.warning("%s: %s", run.key, reasons[run])
    return reasons, failed


def _scored(run, path):
    """Whether that results.json is of the run's last step."""
    return path.exists() and read_results(path)["step"] == runs.config(run).num_steps


def _seeds_together(todo):
    """Runs that differ by successive seeds alone, as lists."""
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
    """Why the run's data can't be had, in the words of their builder; "": they are here."""
    config = runs.config(run)
    try:
        pipeline.load(config.data.name, config.data.size, config.data.dir)
    except UserError as error:
        return f"needs its data: {error}"
    return ""


def _run(together, folders) -> str:
    """Trains runs in one program; returns what went wrong, "": nothing."""
    workdir = runs.workdir(together, folders)
    if in_use(workdir):
        raise UserError(f"a run is at work in {workdir}: stop it, or wait for its end")
    arguments = runs.arguments(together, folders)
    with stop_requests() as requests:
        # In our process group: Ctrl-Z and a closed terminal reach it as they reach us.
        child = subprocess.Popen(runs.program(arguments))
        try:
            while child.poll() is None:
                if requests:
                    child.terminate()  # a Ctrl-C has reached it; another signal only us
                    child.wait()
                time.sleep(0.2)
        finally:
            child.terminate()  # a second Ctrl-C has brought us here
            child.wait()
    if requests:
        raise Stopped(requests[0])
    if not child.returncode:
        return ""
    return f"it ended with code {child.returncode}; why, says: python {' '.join(arguments)}"


def _left(todo, records) -> str:
    """How long the runs to do will take, by those of the same method that have ended."""
    took = {run: r["training_seconds"] + r["evaluation_seconds"] for run, r in records.items()}
    if not took:
        return ""
    mean, total = sum(took.values()) / len(took), 0.0
    for run in todo:
        like = [s for r, s in took.items() if (r.data, r.method) == (run.data, run.method)]
        total += sum(like) / len(like) if like else mean
    return f", about {int(total // 3600)}:{int(total % 3600 // 60):02} hours left"
