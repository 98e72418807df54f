"""A study that is killed twice ends with the files of one that was left alone."""

import signal
import subprocess
import sys
import time

import pytest
from fixtures.whole_runs import environment

FILE = """
config = "dsprites:quick"
seeds = 2

[fields]
data.name = "folder:{data}"
data.size = 8
batch_size = 16
num_steps = 400
log_every = 20
checkpoint_every = 40
objective.latents = 2
cascade.weight = 0.0
eval.num_images = 100
eval.metrics = "mig,terms"

[methods.vae]
objective.name = "vae"
"""


def until_it_saves(process, run):
    """Waits until a run has a checkpoint, while the process that trains it is at work."""
    deadline = time.monotonic() + 900
    while not any(run.glob("checkpoints/*/sha256.json")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_a_study_killed_twice_ends_as_one_left_alone(data_dir, tmp_path):
    """SIGKILL while the first run trains, SIGTERM while the second does."""
    file = tmp_path / "study.toml"
    file.write_text(FILE.format(data=data_dir / "pictures"))
    command = [sys.executable, "-m", "cvae_jax", "study", str(file)]
    how = {"env": environment(data_dir), "stderr": subprocess.PIPE, "text": True}
    out = tmp_path / "killed"
    for seed, number in enumerate((signal.SIGKILL, signal.SIGTERM)):
        with subprocess.Popen([*command, f"--out={out}"], **how) as process:
            until_it_saves(process, out / "vae" / f"seed_{seed}")
            process.send_signal(number)
            _, said = process.communicate(timeout=600)
        assert process.returncode == (-9 if number == signal.SIGKILL else 143), said
        assert not (out / "table.md").exists()
    for folder in (out, tmp_path / "alone"):
        done = subprocess.run([*command, f"--out={folder}"], check=False, **how)
        assert done.returncode == 0, done.stderr
    assert "resumed from the checkpoint" in (out / "vae/seed_1.log").read_text()
    for name in ("table.md", "scores.csv", "violins.png"):
        assert (out / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
    done = subprocess.run([*command, f"--out={out}"], check=False, **how)
    assert "2 of 2 runs done" in done.stderr
    assert "now" not in done.stderr
