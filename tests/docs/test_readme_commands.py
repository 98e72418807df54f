"""README's commands run one after the other in one folder, as a reader runs them, in few steps."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fixtures import commands
from PIL import Image

pytestmark = pytest.mark.slow

# What takes hours, or writes beside the repository's records: tests/studies and tests/reproduction
# run these programs on small grids.
LEFT_OUT = ("cvae study", "cvae reproduce")
FEWER = (
    "--config.num_steps=20 --config.log_every=10 --config.eval.metrics=mig "
    "--config.cascade.critic_layers=2 --config.cascade.critic_width=32"
)


def test_they_run_in_order(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    environment = os.environ | {
        "PYTHONPATH": str(Path.cwd()),
        "TFDS_DATA_DIR": str(tmp_path / "data"),
        "XLA_FLAGS": "",  # as a reader's: one device
    }
    rng = np.random.default_rng(0)
    for i in range(64):
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8)).save(pictures / f"{i}.png")
    for command in commands.of_readme():
        if command.startswith(LEFT_OUT):
            continue
        words = shlex.split(command.replace("/path/to/pictures", str(pictures)))[1:]
        if words[0] == "train" and "--help" not in words:
            words += FEWER.split()
            if "--config=dsprites" in words:
                words.append("--config.data.name=dsprites_small")  # the grid takes minutes
        program = [sys.executable, "-m", "cvae_jax", *words]
        done = subprocess.run(
            program, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr[-2_000:]}"
    for made in ("report.html", "results.json", "plots/traversals.png"):
        assert (tmp_path / "runs/dsprites-quick" / made).exists()
    assert (tmp_path / "latents.csv").exists()
    assert (tmp_path / "models/quick").is_dir()
