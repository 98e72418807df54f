"""The commands `cvae ...` of README and of the docs' pages run, in their order, in few steps."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fixtures import commands
from PIL import Image

pytestmark = pytest.mark.slow

# What takes hours, is run elsewhere (tests/studies, tests/reproduction) or needs an account.
LEFT_OUT = ("cvae study", "cvae reproduce", "--config.wandb=")
FEWER = (
    "--config.num_steps=20 --config.log_every=10 --config.eval.metrics=mig "
    "--config.cascade.critic_layers=2 --config.cascade.critic_width=32"
)
PAGES = ("data", "metrics", "models", "performance", "report")


@pytest.fixture
def reader(tmp_path):
    """A function that runs a command as a reader does, in a folder with some pictures."""
    rng = np.random.default_rng(0)
    squares = rng.integers(0, 256, (64, 64, 64, 3), np.uint8)
    (tmp_path / "pictures").mkdir()
    for i, image in enumerate(squares):
        Image.fromarray(image).save(tmp_path / "pictures" / f"{i}.png")
    np.savez(tmp_path / "squares.npz", images=squares[:, :48, :48])
    environment = os.environ | {
        "PYTHONPATH": str(Path.cwd()),
        "TFDS_DATA_DIR": str(tmp_path / "data"),
        "XLA_FLAGS": "",  # as a reader's: one device
    }

    def run(command):
        here = command.replace("/path/to/pictures", str(tmp_path / "pictures"))
        words = shlex.split(here, comments=True)[1:]
        if words[0] == "train" and "--help" not in words:
            words += FEWER.split()
            if any(word.startswith("--config=dsprites") for word in words):
                words.append("--config.data.name=dsprites_small")  # the grid takes minutes
        program = [sys.executable, "-m", "cvae_jax", *words]
        done = subprocess.run(
            program, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr[-2_000:]}"

    return run


def test_readme(reader, tmp_path):
    for command in commands.of_readme():
        if not any(part in command for part in LEFT_OUT):
            reader(command)
    for made in ("report.html", "results.json", "plots/traversals.png"):
        assert (tmp_path / "runs/dsprites-quick" / made).exists()
    assert (tmp_path / "latents.csv").exists()
    assert (tmp_path / "models/quick").is_dir()


@pytest.mark.parametrize("page", PAGES)
def test_page(reader, tmp_path, page):
    """Runs and exports that a command reads and no earlier one makes are made before it."""
    for command in commands.of_page(f"{page}.md"):
        if any(part in command for part in LEFT_OUT):
            continue
        words = shlex.split(command, comments=True)
        if words[1] not in ("train", "datasets"):
            for seed, run in enumerate(word for word in words if word.startswith("runs/")):
                if not (tmp_path / run).exists():
                    # --metrics=all grows trees for each value of each factor of each image
                    config = "heads3d:quick" if page == "metrics" else "dsprites:quick"
                    reader(f"cvae train --config={config} {run} --config.seed={seed}")
        reader(command)


def test_results_are_what_their_commands_gather(reader, tmp_path):
    """Each table of the recorded results comes out of its command byte for byte."""
    shutil.copytree("results", tmp_path / "results")
    tables = {path: path.read_bytes() for path in (tmp_path / "results").rglob("*.md")}
    for path in tables:
        path.unlink()
    for command in dict.fromkeys(commands.of_page("results.md")):
        reader(command)
    shown = re.findall(r"results/[\w/]+/(?:figure|table)\d+", Path("docs/results.md").read_text())
    remade = [path for path in tables if path.exists()]
    assert {tmp_path / f"{name}.md" for name in shown} <= set(remade)
    for path in remade:
        assert path.read_bytes() == tables[path], path.name
