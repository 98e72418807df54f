"""Several processes, one run: real processes on this machine, joined by gloo."""

import contextlib
import hashlib
import importlib.util
import os
import re
import signal
import subprocess
import time

import helpers
import jax
import numpy as np
import pytest
from fixtures import soak
from fixtures.whole_runs import SMALL, environment, flags

from cvae_jax.config import checks
from cvae_jax.devices import processes
from cvae_jax.errors import UserError
from cvae_jax.runs.holding import open_workdir
from cvae_jax.runs.metrics_log import read_metrics
from cvae_jax.runs.workdir import read_json
from cvae_jax.training import begin


@contextlib.contextmanager
def started(workdir, data_dir, num_processes, restarts=0):
    """(launcher, or of one process the run itself; the file of what it says), ended at the end."""
    line = soak.command(workdir, flags(data_dir, **TERMS), num_processes, restarts)
    said = workdir.with_name(f"said_{num_processes}_{time.monotonic_ns()}")
    with said.open("w") as stderr:
        process = subprocess.Popen(line, env=environment(data_dir), stderr=stderr)
        try:
            yield process, said
        finally:
            process.terminate()
            process.wait()


def await_true(condition, process, said):
    """Return when the condition holds; the process may not end before."""
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        assert process.poll() is None, said.read_text()
        time.sleep(0.02)


def to_its_end(workdir, data_dir, num_processes):
    """Run it; returns what it said."""
    with started(workdir, data_dir, num_processes) as (process, said):
        assert process.wait() == 0, said.read_text()
    return said.read_text()


def member(workdir, index):
    """The number of the process that is so in the run."""
    (pid,) = [p for p, line in soak.members(workdir).items() if f"--process_id={index}" in line]
    return pid


def launcher():
    """launch/local.py, which is no module of a package."""
    spec = importlib.util.spec_from_file_location("local", "launch/local.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TERMS = {"eval.metrics": "terms"}


def curve(workdir):
    return {line["step"]: line["loss"] for line in read_metrics(workdir / "metrics.jsonl")}


def assert_same_run(a, b, steps=None, rtol=1e-4):
    """Curves that differ by rounding, and what 60 steps make of it in the scores.

    A run that was stopped has a line more, and the next one is the mean of fewer steps: steps are
    those of lines to look at.
    """
    if steps is None:
        steps = [*curve(a)]
        assert steps == [*curve(b)]
    pairs = [(curve(a)[step], curve(b)[step]) for step in steps]
    np.testing.assert_allclose(*zip(*pairs, strict=True), rtol=rtol)
    scores = [read_json(run / "results.json")["scores"] for run in (a, b)]
    for name in ("recon", "kl", "elbo"):
        assert scores[0][name]["value"] == pytest.approx(scores[1][name]["value"], rel=1e-2)


@pytest.mark.slow
def test_one_of_two_dies_and_all_resume(whole_run, data_dir, tmp_path):
    """The other ends by itself and names it; started again both end as one process alone does."""
    workdir = tmp_path / "two"
    with started(workdir, data_dir, 2, restarts=1) as (process, said):
        await_true(lambda: soak.saved_step(workdir) >= 12, process, said)
        killed = time.monotonic()
        os.kill(member(workdir, 1), signal.SIGKILL)
        await_true(lambda: "all are started again" in said.read_text(), process, said)
        assert time.monotonic() - killed < 30
        assert process.wait() == 0, said.read_text()
    said = said.read_text()
    assert "process 1 was killed by SIGKILL\n" in said
    assert re.search(r"process 0: another process of the run has ended \(.*\)\. Start all", said)
    assert re.search(r"Task 1 heartbeat timeout|stopped sending heartbeats\):\n1\n", said)
    assert "all are started again, 1 times at most" in said
    assert re.search(r"resumed from the checkpoint of step (12|18|24|30|36|42|48|54) in", said)
    assert_same_run(whole_run[0], workdir)
    steps = [line["step"] for line in read_metrics(workdir / "metrics.jsonl")]
    assert steps == sorted(set(steps))  # one process writes


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 1])
def test_one_of_two_stops_answering(data_dir, tmp_path, index):
    """The launcher ends all within 30 seconds; its last line says why."""
    workdir = tmp_path / "two"
    with started(workdir, data_dir, 2) as (process, said):
        await_true(lambda: soak.saved_step(workdir) >= 6, process, said)
        os.kill(member(workdir, index), signal.SIGSTOP)
        assert process.wait(30)
    last = said.read_text().splitlines()[-1]
    assert last == f"the run has ended: process {index} stopped answering and was killed"
    assert not soak.members(workdir)


@pytest.mark.slow
def test_a_ctrl_c_that_only_the_launcher_gets_is_saved(data_dir, tmp_path):
    workdir = tmp_path / "two"
    with started(workdir, data_dir, 2) as (process, said):
        await_true(lambda: soak.saved_step(workdir) >= 6, process, said)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130, said.read_text()
    assert "Saved" in said.read_text() or "saved" in said.read_text()


@pytest.mark.slow
def test_another_number_of_processes_resumes(whole_run, data_dir, tmp_path):
    """One process, stopped; two, one of which gets a SIGTERM, upon which both save; one again."""
    workdir = tmp_path / "run"
    for num_processes, step in ((1, 6), (2, 24)):
        with started(workdir, data_dir, num_processes) as (process, said):
            await_true(lambda at=step: soak.saved_step(workdir) >= at, process, said)
            os.kill(member(workdir, 1) if num_processes > 1 else process.pid, signal.SIGTERM)
            assert process.wait() == 128 + signal.SIGTERM, said.read_text()
        assert "Saved. Run the same command again to resume." in said.read_text()
    said = to_its_end(workdir, data_dir, 1)
    assert re.search(r"resumed from the checkpoint of step \d+ in", said)
    # One process and two add up in another order; 30 steps of Adam make more of it than of a step.
    assert_same_run(whole_run[0], workdir, steps=[60], rtol=1e-3)


@pytest.mark.slow
def test_four_processes(whole_run, data_dir, tmp_path):
    """All killed in the middle; they end as one process does, and as four left alone, exactly."""
    for name, kill in (("whole", False), ("killed", True)):
        workdir = tmp_path / name
        if kill:
            with started(workdir, data_dir, 4) as (process, said):
                await_true(lambda at=workdir: soak.saved_step(at) >= 24, process, said)
                for pid in soak.members(workdir):
                    os.kill(pid, signal.SIGKILL)
                assert process.wait() == 128 + signal.SIGKILL
            assert soak.saved_step(workdir) < SMALL["num_steps"]
        to_its_end(workdir, data_dir, 4)
        assert_same_run(whole_run[0], workdir)
    soak.require_same(tmp_path / "whole", tmp_path / "killed")


def test_what_does_not_fit_is_refused_by_all(data_dir, tmp_path):
    """Of one process alone, or of all: none waits for another that has gone."""
    with pytest.raises(UserError, match="num_seeds is 2 and 2 processes share the run"):
        checks.check(helpers.small_config(num_seeds=2), 2, 2)
    with pytest.raises(UserError, match="--process_id from 0 to one below it, not 2 and 2"):
        processes.join("127.0.0.1:1", 2, 2)
    with pytest.raises(UserError, match="need --coordinator_address"):
        processes.join("", 2, 0)
    # the run's folder, which process 0 alone sees, is in use
    with open_workdir(tmp_path / "run", helpers.small_config()):
        with started(tmp_path / "run", data_dir, 2, restarts=1) as (process, said):
            assert process.wait(60) == 2
    assert said.read_text().count("error: another run is at work in") == 2
    assert "started again" not in said.read_text()


@pytest.mark.slow
def test_an_error_of_one_process_ends_all(data_dir, tmp_path):
    """Another batch size in process 1; curves that process 0 finds damaged."""
    workdir, local = tmp_path / "run", launcher()
    port = local.free_port()
    members = []
    for index in range(2):
        options = [*flags(data_dir, batch_size=16 + index), f"--workdir={workdir}"]
        line = [*local.commands(options, 2, port, gpus=False)][index][1]
        with (tmp_path / f"said_{index}").open("w") as stderr:
            members.append(subprocess.Popen(line, env=environment(data_dir), stderr=stderr))
    for index, process in enumerate(members):
        assert process.wait(60) == 2
        said = (tmp_path / f"said_{index}").read_text()
        assert "error: process 1 has another config than process 0: start all alike" in said
    to_its_end(workdir, data_dir, 1)
    (workdir / "metrics.jsonl").write_text("nothing\n")
    with started(workdir, data_dir, 2, restarts=1) as (process, said):
        assert process.wait(60) == 2
    assert said.read_text().count("metrics.jsonl, line 1 is damaged: remove this line") == 2


def test_who_shares_a_run(monkeypatch):
    for name in ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE", "TPU_WORKER_HOSTNAMES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMPI_MCA_orte_hnp_uri", "1;tcp://10.0.0.1:1")
    assert not processes.detected()
    for name, one, several in (
        ("SLURM_STEP_NUM_TASKS", "1", "2"),
        ("OMPI_COMM_WORLD_SIZE", "1", "8"),  # of Open MPI 4, which sets the other as well
        ("TPU_WORKER_HOSTNAMES", "localhost", "10.0.0.1,10.0.0.2"),
    ):
        monkeypatch.setenv(name, one)
        assert not processes.detected()
        monkeypatch.setenv(name, several)
        assert processes.detected()
        monkeypatch.delenv(name)


def test_rows_are_shared_and_joined(monkeypatch):
    """Three processes and eight rows, by hand."""
    monkeypatch.setattr(jax, "process_count", lambda: 3)
    shares = []
    for index in range(3):
        monkeypatch.setattr(jax, "process_index", lambda index=index: index)
        shares.append(processes.share(8))
    np.testing.assert_array_equal(shares, [[0, 1, 2], [3, 4, 5], [6, 7, 0]])
    monkeypatch.setattr(processes, "_gather", lambda x: 10 * np.array(shares)[..., None])
    found = processes.joined(np.zeros((3, 1)), 8)
    np.testing.assert_array_equal(found[:, 0], 10 * np.arange(8))


def test_the_images_are_read_for_other_processes_alone(monkeypatch):
    """A fingerprint is of a hundred images, and of arrays of one's own of up to 256 MB."""
    dataset, told = helpers.noise_dataset(64, 8), []
    monkeypatch.setattr(processes, "require_same", lambda *words: told.append(words))
    config = helpers.small_config()
    with monkeypatch.context() as alone:
        alone.setattr(begin.data_record, "fingerprint", None)  # would raise
        assert begin.load_data(config, dataset) is dataset
    assert not told
    monkeypatch.setattr(processes, "count", lambda: 2)
    begin.load_data(config, dataset)
    expected = hashlib.sha256(begin.data_record.fingerprint(dataset).encode()).hexdigest()
    assert told == [("data set", expected)]
