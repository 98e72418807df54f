"""A disk that is full or read-only, a clock that jumps: caused for real; nothing is lost."""

import importlib
import os
import signal
import subprocess
import time

import helpers
import jax
import numpy as np
import pytest

from cvae_jax import cli, datasets, signals
from cvae_jax.__main__ import COMMANDS
from cvae_jax.datasets import order
from cvae_jax.errors import UserError
from cvae_jax.evaluation import run as evaluation
from cvae_jax.objectives.base import Players
from cvae_jax.runs import checkpoints, loading, metrics_log
from cvae_jax.training import loop


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 3 MB."""
    if os.geteuid():
        pytest.skip("mounting a small file system needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting a small file system is refused: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_at_checkpoint_time(small_disk):
    (small_disk / "filler").write_bytes(bytes(2_300_000))
    with checkpoints.open_checkpoints(small_disk) as manager:
        checkpoints.save(manager, helpers.small_state(1))
        big = helpers.small_state(2)._replace(
            params=Players({"w": jax.random.normal(jax.random.key(0), (800, 800))}, {})
        )
        with pytest.raises(UserError, match=r"can't write .* step 2 .* step 1 is intact: free"):
            checkpoints.save(manager, big)
    (small_disk / "filler").unlink()
    with checkpoints.open_checkpoints(small_disk) as manager:
        helpers.assert_trees_equal(
            checkpoints.restore(manager, helpers.small_state()), helpers.small_state(1)
        )


def test_a_read_only_disk(small_disk):
    with checkpoints.open_checkpoints(small_disk) as manager:
        checkpoints.save(manager, helpers.small_state(1))
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        with pytest.raises(UserError, match=r"can't write .* step 2 .* step 1 is intact"):
            checkpoints.save(manager, helpers.small_state(2))
        helpers.assert_trees_equal(
            checkpoints.restore(manager, helpers.small_state()), helpers.small_state(1)
        )
    with pytest.raises(UserError, match=r"can't write --workdir .*: Read-only file system"):
        loop.train_and_evaluate(helpers.small_config(num_steps=1), small_disk)


def remount(folder, options):
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def bind_read_only(folder):
    """A folder becomes read-only, though files beside it are open."""
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    remount(folder, "bind,ro")


def fill(folder):
    """Leave not a byte."""
    with (folder / "filler").open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4096))
            except OSError:
                return


pytestmark = pytest.mark.usefixtures("tiny_data")
CONFIG = helpers.small_config(**{"cascade.weight": 0.0})  # compiles in half the time


@pytest.fixture(scope="module")
def left_alone(tmp_path_factory):
    """The final state of a run that nothing happened to."""
    with pytest.MonkeyPatch.context() as patch:
        dataset = helpers.noise_dataset(256, 8)
        patch.setattr(datasets, "load", lambda name, size, data_dir: dataset)
        patch.setattr(loop.evaluate, "evaluate_run", lambda *args: {})
        return loop.train_and_evaluate(CONFIG, tmp_path_factory.mktemp("runs") / "alone")


@pytest.mark.parametrize("refusal", ["full", "read-only"])
def test_a_disk_that_refuses_while_a_run_trains(small_disk, left_alone, monkeypatch, refusal):
    """After step 12; once it is fixed the same command ends as the run that was left alone."""
    remount(small_disk, "size=60m")
    saved = small_disk / "run/checkpoints"

    def prefetch(fetch, calls, real=order.prefetch):
        for first, *rest in real(fetch, calls):
            if first == 12:
                fill(small_disk) if refusal == "full" else bind_read_only(saved)
            yield first, *rest

    with monkeypatch.context() as patch:
        patch.setattr(order, "prefetch", prefetch)
        reason = {"full": "No space left on device", "read-only": "Read-only file system"}
        with pytest.raises(UserError, match=f"can't write .*{reason[refusal]}.* run the same com"):
            loop.train_and_evaluate(CONFIG, small_disk / "run")
    if refusal == "full":
        (small_disk / "filler").unlink()
    else:
        subprocess.run(["umount", str(saved)], check=True)
    resumed = loop.train_and_evaluate(CONFIG, small_disk / "run")
    helpers.assert_trees_equal(resumed, left_alone)
    steps = [x["step"] for x in metrics_log.read_metrics(small_disk / "run/metrics.jsonl")]
    assert steps == [5, 10, 15, 20]


@pytest.mark.parametrize(
    "command",
    ["evaluate", *(pytest.param(c, marks=pytest.mark.slow) for c in ("report", "encode", "rank"))],
)
def test_results_that_could_not_be_kept_are_not_computed(small_disk, monkeypatch, command):
    remount(small_disk, "size=60m")
    config = helpers.small_config(**{"cascade.weight": 0.0, "num_steps": 1})
    for name in ("a", "b"):
        loop.train_and_evaluate(config, small_disk / name)
    remount(small_disk, "ro")
    out = f"--out={small_disk}/codes.npz"
    arguments = {
        "evaluate": [f"{small_disk}/a", "--metrics=mig"],
        "report": [f"{small_disk}/a"],
        "encode": [f"{small_disk}/a", out],
        "rank": [f"{small_disk}/a", f"{small_disk}/b", out],
    }
    # The work begins with these: None can't be called.
    if command == "evaluate":
        monkeypatch.setattr(evaluation, "subject_of", None)
    else:
        monkeypatch.setattr(loading, "load", None)
    program = importlib.import_module(f"cvae_jax.{COMMANDS[command][0]}")
    with pytest.raises(UserError, match=r"can't write .*: Read-only file system"):
        program.main([command, *arguments[command]])


def test_a_disk_that_refuses_elsewhere_is_one_line(small_disk, capsys):
    remount(small_disk, "ro")
    program = lambda argv: (small_disk / "picture.png").write_bytes(b"")
    assert cli.run(program, []) == 2
    said = capsys.readouterr().err
    assert said == (
        f"error: Read-only file system: {small_disk / 'picture.png'}; free space or fix it, then "
        "run the same command again\n"
    )
    with pytest.raises(FileNotFoundError):  # a mistake of ours is not the disk's
        cli.run(lambda argv: (small_disk / "nowhere/x").read_bytes(), [])


@pytest.mark.parametrize(
    ("place", "reason"),
    [("file/x", "Not a directory"), ("folder", "Is a directory"), (300 * "x", "File name too")],
    ids=["under_a_file", "a_folder", "too_long"],
)
def test_an_impossible_path_is_one_line(tmp_path, capsys, place, reason):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    program = lambda argv: (tmp_path / place).write_bytes(b"")
    assert cli.run(program, []) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {reason}")
    assert said.endswith(f"{tmp_path / place}; name another one, or move what is there\n")


def test_a_request_to_stop_while_the_last_step_is_saved(tmp_path, left_alone, monkeypatch):
    def save(manager, state, real=checkpoints.save):
        real(manager, state)
        if int(state.step) == CONFIG.num_steps:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save", save)
        with pytest.raises(signals.Stopped):
            loop.train_and_evaluate(CONFIG, tmp_path)
    helpers.assert_trees_equal(loop.train_and_evaluate(CONFIG, tmp_path), left_alone)


def test_a_clock_that_jumps(tmp_path, left_alone, monkeypatch):
    """Ten years forth and back with every look at it, and checkpoints from the future."""
    rng, real = np.random.default_rng(0), time.time
    ten_years = 3.15e8
    monkeypatch.setattr(time, "time", lambda: real() + rng.uniform(-ten_years, ten_years))
    with helpers.terminated_at(monkeypatch, 13), pytest.raises(signals.Stopped):
        loop.train_and_evaluate(CONFIG, tmp_path)
    for path in [tmp_path, *tmp_path.rglob("*")]:
        moment = real() + (ten_years if "10" in path.parts else -ten_years)
        os.utime(path, (moment, moment))  # the older checkpoint looks like the newer one
    resumed = loop.train_and_evaluate(CONFIG, tmp_path)
    helpers.assert_trees_equal(resumed, left_alone)
