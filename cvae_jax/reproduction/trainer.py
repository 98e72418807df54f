"""Trains the runs without a record, each in a process of its own, one or several at once."""

import logging
from pathlib import Path

from cvae_jax import datasets
from cvae_jax.errors import UserError
from cvae_jax.reproduction import runs
from cvae_jax.runs.workdir import read_results
from cvae_jax.studies import work

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
    groups = work.successive(todo) if at_once else [[run] for run in todo]

    def began(job, unfinished):
        took = [(_kind(run), _seconds(record)) for run, record in records.items()]
        kinds = [_kind(run) for of in unfinished for run in of.runs]
        left = work.time_left(took, kinds, min(jobs, len(unfinished)))
        done = f"{len(records)} of {len(planned)} runs done"
        names = ", ".join(str(run.key) for run in job.runs)
        log.info("%s%s; now %s%s", done, left, names, f", see {job.log}" if job.log else "")

    def ended(job, code):
        cause = job.log or runs.command(job.runs, folders)
        reason = f"{work.how_it_ended(code)}; for the cause see: {cause}"
        for run in job.runs:
            # A seed may have diverged, and the others of its program ended well.
            if not code and _scored(run, folders / run.key / "results.json"):
                records[run] = runs.write_record(results, run, folders / run.key)
                continue
            reasons[run] = reason if code else f"it diverged, see {folders / run.key}"
            failed.append(run)
            log.warning("%s: %s", run.key, reasons[run])

    work.run([_job(group, folders, jobs > 1) for group in groups], jobs, began, ended)
    return reasons, failed


def _job(together, folders, logged) -> work.Job:
    """Returns the process that trains these runs."""
    workdir = runs.workdir(together, folders)
    log_file = workdir.with_name(f"{workdir.name}.log") if logged else None
    command = work.program(runs.arguments(together, folders))
    return work.Job(together, workdir, command, log_file)


def _kind(run):
    return run.data, run.method


def _seconds(record):
    return record["training_seconds"] + record["evaluation_seconds"]


def _scored(run, path):
    """Returns whether results.json at path is of the run's last step."""
    results = read_results(path)
    return results is not None and results["step"] == runs.config(run).num_steps


def _missing_data(run) -> str:
    """Returns why the run's data can't be loaded, by their builder; "" if they can."""
    config = runs.config(run)
    try:
        datasets.load(config.data.name, config.data.size, config.data.dir)
    except UserError as error:
        return f"needs its data: {error}"
    return ""
