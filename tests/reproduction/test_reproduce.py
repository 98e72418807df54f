"""Reproduction runs: started, side by side, interrupted and resumed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fixtures.tiny_paper import failing

from cvae_jax import reproduce, signals
from cvae_jax.errors import UserError
from cvae_jax.reproduction import runs
from cvae_jax.runs.holding import in_use, open_workdir
from cvae_jax.runs.workdir import read_config
from cvae_jax.studies import work


def test_seeds_at_once(whole_run, tiny, tmp_path, monkeypatch):
    """The command has all the seeds; each gets its record, or is reported as diverged."""
    whole, _ = whole_run
    monkeypatch.setattr(runs, "config", lambda run: read_config(whole))
    started = []

    def program(arguments):
        started.append(arguments)
        copy = "import shutil, sys; [shutil.copytree(sys.argv[1], x) for x in sys.argv[2:]]"
        folder = arguments[-1].partition("=")[2]
        return [sys.executable, "-c", copy, str(whole), f"{folder}/seed_0", f"{folder}/seed_2"]

    monkeypatch.setattr(work, "program", program)
    with pytest.raises(UserError, match=r"1 of 3 runs failed: it diverged, see .*seed_1"):
        reproduce.main(["reproduce", "--figure=9", "--seeds=3", "--at_once", *tiny])
    ((*_, seed, num_seeds, workdir),) = started
    assert (seed, num_seeds) == ("--config.seed=0", "--config.num_seeds=3")
    assert workdir.endswith("runs/quick/dsprites/vae+tower")
    results = tmp_path / "results" / "quick" / "dsprites" / "vae+tower"
    assert sorted(path.name for path in results.glob("*.json")) == ["seed_0.json", "seed_2.json"]


def test_a_run_that_fails_is_named_and_the_others_continue(tiny, tmp_path, monkeypatch):
    failing(monkeypatch, "raise SystemExit(3)")
    with pytest.raises(
        UserError, match=r"2 of 2 runs failed: it ended with code 3; for the cause see:.*"
    ):
        reproduce.main(["reproduce", "--figure=9", "--seeds=2", *tiny])
    text = (tmp_path / "results" / "quick" / "figure9.md").read_text()
    assert "not run: it ended with code 3" in text


def test_jobs_run_side_by_side_and_name_their_log(tiny, tmp_path, monkeypatch):
    """Each process ends only once both have begun."""
    code = f"""
import pathlib, sys, time
here = pathlib.Path({str(tmp_path)!r})
mine = here / f"begun {{time.monotonic_ns()}}"
mine.touch()
deadline = time.monotonic() + 60
while len(list(here.glob("begun *"))) < 2:
    if time.monotonic() > deadline:
        sys.exit(4)
    time.sleep(0.05)
print("not enough memory")
sys.exit(3)
"""
    failing(monkeypatch, code)
    with pytest.raises(
        UserError, match=r"2 of 2 runs failed: .* code 3; for the cause see: (.*log)"
    ) as raised:
        reproduce.main(["reproduce", "--figure=9", "--seeds=2", "--jobs=2", *tiny])
    log = Path(str(raised.value).partition("see: ")[2])
    assert log.read_text() == "not enough memory\n"
    folder = tmp_path / "runs/quick/dsprites/vae+tower"
    assert log in (folder / "seed_0.log", folder / "seed_1.log")  # whichever ended first


def test_a_running_run_is_not_started_again(tiny, tmp_path):
    run = runs.Run("quick", "dsprites", "vae+tower", 0)
    workdir = tmp_path / "runs" / run.key
    with open_workdir(workdir, runs.config(run)):
        code = f"from cvae_jax.runs.holding import in_use; print(in_use({str(workdir)!r}))"
        printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        assert printed.stdout == b"True\n"
        with pytest.raises(UserError, match=r"a run is running in .*stop it, or wait"):
            reproduce.main(["reproduce", "--figure=9", "--seeds=1", *tiny])
    assert not in_use(workdir)


REPRODUCE = """
import sys
from cvae_jax import reproduce
from cvae_jax.reproduction import trainer
from cvae_jax.studies import work
program, *options = sys.argv[1:]
trainer._missing_data = lambda run: ""
work.program = lambda arguments: [sys.executable, "-c", program]
reproduce.main(["reproduce", "--figure=9", "--seeds=1", *options])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl")
def test_a_killed_reproduction_leaves_no_orphans(tmp_path):
    pid = tmp_path / "pid"
    program = "import os, pathlib, time\nfrom cvae_jax import signals\nsignals.end_at_once()\n"
    program += f"pathlib.Path({str(pid)!r}).write_text(str(os.getpid()))\ntime.sleep(60)"
    options = [f"--runs={tmp_path / 'runs'}", f"--results={tmp_path / 'results'}"]
    with subprocess.Popen([sys.executable, "-c", REPRODUCE, program, *options]) as process:
        while not pid.exists() or not pid.read_text():
            assert process.poll() is None
            time.sleep(0.05)
        process.kill()
    status = Path("/proc", pid.read_text(), "stat")
    deadline = time.monotonic() + 5
    while status.exists() and status.read_text().rpartition(")")[2].split()[0] not in "ZX":
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("count", [1, 2])
def test_a_signal_ends_the_run_before_it_ends_us(tiny, tmp_path, monkeypatch, count):
    """Once: the run is asked to save and waited for. Twice: it is ended."""
    pid, noted = tmp_path / "pid", tmp_path / "noted"
    code = f"""
import os, pathlib, signal, time
from cvae_jax import signals
def first(*_):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    pathlib.Path({str(noted)!r}).touch()
if {count} == 2:  # as a run does: the first is noted, the second acts
    signal.signal(signal.SIGTERM, first)
signals.release()  # as `end_at_once` does
pathlib.Path({str(pid)!r}).write_text(str(os.getpid()))
time.sleep(60)
"""
    failing(monkeypatch, code)

    def send():
        while not pid.exists() or not pid.read_text():
            time.sleep(0.05)
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)
        if count == 2:
            while not noted.exists():
                time.sleep(0.05)
            os.kill(os.getpid(), signal.SIGINT)

    sender = threading.Thread(target=send)
    sender.start()
    expected = {1: signals.Stopped, 2: KeyboardInterrupt}[count]
    # A shell's background job, as this suite may be one, ignores it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(expected):
            reproduce.main(["reproduce", "--figure=9", "--seeds=1", *tiny])
    finally:
        signal.signal(signal.SIGINT, before)
    sender.join()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_missing_data_are_named(tiny, tmp_path, caplog):
    text = runs.CONFIG.read_text()
    runs.CONFIG.write_text(
        text.replace("return config", 'config.data.update(name="faces3d", size=64); return config')
    )
    reproduce.main(["reproduce", "--figure=9", "--seeds=1", *tiny])
    text = (tmp_path / "results" / "quick" / "figure9.md").read_text()
    assert "not run: needs its data: " in text
    assert "faces3d" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--figure=9", "--gather", "--jobs=2"], "--gather trains nothing"),
        (["--figure=9", "--gather", "--at_once"], "--gather trains nothing"),
        (["--tuning", "--at_once"], "--tuning has one seed"),
    ],
)
def test_options_that_would_do_nothing_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        reproduce.main(["reproduce", *options])


@pytest.mark.slow
@pytest.mark.parametrize("options", [["--seeds=1"], ["--seeds=2", "--at_once"]])
def test_an_interrupted_reproduction_resumes(tiny, tmp_path, options):
    """A signal reaches the run, which saves; the same command resumes it, then trains the rest."""
    code = (
        "import sys; from pathlib import Path; from cvae_jax import cli, reproduce;"
        "from cvae_jax.reproduction import runs; runs.CONFIG = Path(sys.argv.pop(1));"
        "sys.exit(cli.run(reproduce.main, sys.argv))"
    )
    argv = [sys.executable, "-c", code, str(runs.CONFIG), "--figure=9", *options, *tiny]
    workdir = tmp_path / "runs" / "quick" / "dsprites" / "vae+tower" / "seed_0"
    process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    start = time.monotonic()
    while not (workdir / "metrics.jsonl").exists() or not (workdir / "metrics.jsonl").read_text():
        assert process.poll() is None
        assert time.monotonic() - start < 120
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, stderr
    assert (workdir / "checkpoints").is_dir()
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "resumed from the checkpoint" in done.stderr
    record = json.loads((tmp_path / "results/quick/dsprites/vae+tower/seed_0.json").read_text())
    assert record["step"] == 3000
