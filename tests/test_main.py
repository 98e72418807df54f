"""The command line in processes of its own: the whole job, signals, and errors of one line."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import helpers
import numpy as np
import pytest
from fixtures.soak import final_state, saved_step
from fixtures.whole_runs import command, environment, run_small, small
from PIL import Image

from cvae_jax.runs import loading
from cvae_jax.runs.workdir import read_json


def test_the_whole_job(whole_run):
    workdir, output = whole_run
    results = json.loads((workdir / "results.json").read_text())
    assert results["step"] == 60
    assert results["data"]["source"] == "256 pictures of pictures"
    names = ("mig", "factor_score", "squared_error", "recon", "kl", "elbo", "cascade_kl")
    for name in (*names, "ancestor_share", "forbidden_dependence", "forbidden_dependence_of_data"):
        entry = results["scores"][name]
        assert np.isfinite(entry["value"])
        assert entry["samples"] > 0
        assert entry["definition"]
        assert f"{entry['value']:.4f}" in output
    assert results["scores"]["elbo"]["value"] == pytest.approx(
        -results["scores"]["recon"]["value"] - results["scores"]["kl"]["value"], rel=1e-5
    )
    names = {"reconstructions", "samples", "traversals", "factors", "structure", "effects"}
    names |= {"curves"}
    assert {Path(p).stem for p in results["pictures"]} == names
    for picture in results["pictures"]:
        assert str(workdir / picture) in output
        with Image.open(workdir / picture) as image:
            assert np.asarray(image.convert("L")).std() > 5
    model = loading.load(workdir)
    assert model.decode(np.zeros((2, 4), np.float32)).shape == (2, 8, 8, 1)


def test_the_same_command_again_changes_nothing(whole_run, data_dir):
    workdir, _ = whole_run
    before = final_state(workdir)
    done = run_small(workdir, data_dir)
    assert done.returncode == 0, done.stderr
    helpers.assert_trees_equal(final_state(workdir), before)


def test_loading_in_python_says_and_changes_nothing(whole_run, data_dir):
    workdir, _ = whole_run
    before = {path: path.stat().st_mtime_ns for path in workdir.rglob("*")}
    done = subprocess.run(
        [sys.executable, "-c", f"import cvae_jax; cvae_jax.load({str(workdir)!r})"],
        env=environment(data_dir),
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert {path: path.stat().st_mtime_ns for path in workdir.rglob("*")} == before


def test_evaluate_prints_its_table(whole_run, data_dir):
    workdir, _ = whole_run
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "cvae_jax.evaluate",
            f"--workdir={workdir}",
            "--metrics=factor_score",
        ],
        env=environment(data_dir),
        capture_output=True,
        text=True,
        check=True,
    )
    entry = read_json(workdir / "results.json")["scores"]["factor_score"]
    assert f"factor_score {entry['value']:>27.4f} ± {entry['std']:.4f}" in done.stdout


def test_a_field_without_effect_is_reported_and_changes_no_folder():
    code = """
import sys
from cvae_jax import cli, main
from cvae_jax.training import loop as train
train.train_and_evaluate = lambda config, workdir: print(workdir)
cli.run(main.main, sys.argv)
"""
    line = ["--config=configs/dsprites.py:quick", "--config.objective.beta_vae.beta=2"]
    done = subprocess.run(
        [sys.executable, "-c", code, *line], capture_output=True, text=True, check=True
    )
    assert done.stdout == "runs/dsprites-quick\n"
    assert "config.objective.beta_vae.beta has no effect" in done.stderr


@pytest.mark.parametrize(
    ("number", "heard"),
    [
        (signal.SIGTERM, True),
        # Ctrl-C ends the `tee` that reads the messages with the run
        pytest.param(signal.SIGINT, False, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, True, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, True, marks=pytest.mark.slow),
    ],
)
def test_a_signal_saves_and_leaves(data_dir, tmp_path, number, heard):
    workdir = tmp_path / "stopped"
    process = subprocess.Popen(
        small(workdir, data_dir, num_steps=100_000, checkpoint_every=100_000),
        env=environment(data_dir),
        stderr=subprocess.PIPE,
        text=True,
    )
    start = time.monotonic()
    while (
        not (workdir / "metrics.jsonl").exists()
        or "step" not in (workdir / "metrics.jsonl").read_text()
    ):
        assert time.monotonic() - start < 120
        time.sleep(0.05)
    if not heard:
        process.stderr.close()
    process.send_signal(number)
    output = process.communicate(timeout=60)[1] if heard else process.wait(60)
    assert process.returncode == 128 + number
    assert not heard or "Saved. Run the same command again to resume." in output
    assert saved_step(workdir) > 0


ERRORS = [
    (("--config.batch_size=17",), "batch_size 17 is not divisible by 2 devices"),
    (("--config.cascade.wieght=1",), "did you mean --config.cascade.weight=1?"),
    (("--wrokdir=x",), "wrokdir"),
    (("--workdir=/proc/nothing",), "can't write --workdir /proc/nothing"),
]


def assert_one_line(done, message):
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert done.stderr.splitlines()[-1] == errors[0]
    assert message in errors[0]


@pytest.mark.parametrize(("args", "message"), ERRORS, ids=[e[0][0] for e in ERRORS])
def test_errors_are_one_line(data_dir, tmp_path, args, message):
    if not args[0].startswith("--workdir"):
        args = (f"--workdir={tmp_path / 'run'}", *args)
    done = subprocess.run(
        command(*args), env=environment(data_dir, 2), capture_output=True, text=True, check=False
    )
    assert_one_line(done, message)
    assert not (tmp_path / "run/checkpoints").exists() or not saved_step(tmp_path / "run")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("configs/nothing.py", "configs/nothing.py"),
        ("configs/dsprites.py:fast", "unknown variant 'fast'"),
        ("broken.py", "invalid syntax"),
    ],
)
def test_a_wrong_config_file_is_one_line(tmp_path, config, message):
    if config == "broken.py":
        config = tmp_path / "broken.py"
        config.write_text("def get_config(:")
    for more in ((), ("--config.num_steps=3",)):
        args = command(*more, config=config)
        done = subprocess.run(args, capture_output=True, text=True, check=False)
        assert_one_line(done, message)


def test_a_run_of_another_config_is_left_as_it_is(whole_run, data_dir):
    workdir, _ = whole_run
    before = (workdir / "config.json").read_bytes()
    done = run_small(workdir, data_dir, seed=3)
    assert_one_line(done, "seed 0 -> 3")
    assert (workdir / "config.json").read_bytes() == before


@pytest.mark.slow
def test_a_damaged_checkpoint_offers_the_one_before(whole_run, data_dir, tmp_path):
    workdir = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(whole_run[0]), str(workdir)], check=True)
    step = saved_step(workdir)
    files = [p for p in (workdir / f"checkpoints/{step}").rglob("*") if p.is_file()]
    largest = max(files, key=lambda p: p.stat().st_size)
    largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])
    done = run_small(workdir, data_dir)
    assert_one_line(done, f"step {step} is damaged")
    remedy = done.stderr.strip().rsplit("step 54, ")[1]
    assert remedy == f"rm -r {workdir}/checkpoints/{step}"
    subprocess.run(remedy.split(), check=True)
    done = run_small(workdir, data_dir)
    assert done.returncode == 0, done.stderr
    helpers.assert_trees_equal(final_state(workdir), final_state(whole_run[0]))


@pytest.mark.slow
def test_the_first_command_of_the_readme(data_dir, tmp_path):
    """The quick variant as a user runs it: at most 6 minutes, recognisable reconstructions."""
    start = time.monotonic()
    done = subprocess.run(
        command(f"--workdir={tmp_path / 'quick'}"),
        env=environment(data_dir) | {"XLA_FLAGS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - start < 360
    results = json.loads((tmp_path / "quick/results.json").read_text())
    assert results["scores"]["iou"]["value"] >= 0.6
