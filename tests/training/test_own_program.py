"""A whole run of networks and arrays that are not the package's, by its commands."""

import os
import signal
import subprocess
import sys

import helpers
import jax
import numpy as np
import pytest

import cvae_jax
from cvae_jax import export
from cvae_jax.errors import UserError
from cvae_jax.report import run_page
from cvae_jax.runs.workdir import read_json

NETWORKS = '''
"""An encoder and a decoder outside the package."""

from flax import linen as nn

from cvae_jax.networks import Networks


class Encoder(nn.Module):
    """Two strided convolutions and a layer for mean and logvar each."""

    latents: int
    features: tuple = (4, 8)

    @nn.compact
    def __call__(self, images):
        x = images
        for count in self.features:
            x = nn.relu(nn.Conv(count, (4, 4), strides=(4, 4))(x))
        x = x.reshape(x.shape[0], -1)
        return nn.Dense(self.latents)(x), nn.Dense(self.latents)(x)


class Decoder(nn.Module):
    """A layer and two transposed convolutions."""

    size: int
    channels: int

    @nn.compact
    def __call__(self, z):
        side = self.size // 16
        x = nn.relu(nn.Dense(side * side * 8)(z))
        x = x.reshape(z.shape[0], side, side, 8)
        x = nn.relu(nn.ConvTranspose(4, (4, 4), strides=(4, 4))(x))
        return nn.ConvTranspose(self.channels, (4, 4), strides=(4, 4))(x)


def make(size, channels, latents):
    return Networks(Encoder(latents), Decoder(size, channels))
'''


def squares(count, size=48):
    """Colour images of one square each, uint8, and the square's column and row as text."""
    rng = np.random.default_rng(0)
    index = rng.integers(0, 4, (count, 2))
    images = np.zeros((count, size, size, 3), np.uint8)
    side = size // 4
    for image, (row, column) in zip(images, index, strict=True):
        image[row * side : (row + 1) * side, column * side : (column + 1) * side] = (250, 120, 10)
    return images, index.astype(str)


def run(folder, *command):
    """A command of Python in a folder: its exit code and all that it said."""
    environment = os.environ | {
        "XLA_FLAGS": helpers.LESS_OPTIMISATION,
        "PYTHONPATH": os.getcwd(),
        "CVAE_JAX_MALLOC": "off",
    }
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


KILLED = """
import os, signal, sys
from cvae_jax import main
from cvae_jax.runs import checkpoints

save = checkpoints.save


def killed(manager, state):
    if int(state.step) == 8:
        os.kill(os.getpid(), signal.SIGKILL)
    save(manager, state)


checkpoints.save = killed
main.main(sys.argv)
"""


@pytest.mark.slow
def test_networks_and_arrays_from_outside(tmp_path, monkeypatch):
    """Trained, killed, resumed, scored, reported and exported."""
    (tmp_path / "mynets.py").write_text(NETWORKS)
    images, factors = squares(2_000)
    names = np.array(["row", "column"])
    np.savez(tmp_path / "squares.npz", images=images, factors=factors, factor_names=names)
    fields = helpers.SMALL | {
        "data.name": "npz:squares.npz",
        "data.size": 48,
        "networks": "mynets:make",
        "num_steps": 12,
        "log_every": 3,
        "checkpoint_every": 4,
        "cascade.weight": 0.0,
        "eval.metrics": "mig,reconstruction,terms",
    }
    config = os.path.abspath("configs/dsprites.py") + ":quick"
    flags = [f"--config={config}", *(f"--config.{k}={v}" for k, v in fields.items())]
    code, said = run(tmp_path, "-m", "cvae_jax.main", *flags, "--workdir=whole")
    assert code == 0, said
    (tmp_path / "killed.py").write_text(KILLED)
    code, said = run(tmp_path, "killed.py", *flags, "--workdir=cut")
    assert code == -signal.SIGKILL, said
    assert [path.name for path in (tmp_path / "cut/checkpoints").iterdir()] == ["4"]
    code, said = run(tmp_path, "-m", "cvae_jax.main", *flags, "--workdir=cut")
    assert code == 0, said
    assert "resumed from the checkpoint of step 4" in said

    workdir = tmp_path / "cut"
    with pytest.raises(UserError, match="mynets can't be imported"):
        cvae_jax.load(workdir)
    monkeypatch.syspath_prepend(tmp_path)
    whole, cut = cvae_jax.load(tmp_path / "whole"), cvae_jax.load(workdir)
    helpers.assert_trees_equal(whole.params, cut.params)
    scores = read_json(workdir / "results.json")["scores"]
    assert {"mig", "squared_error", "recon", "kl", "ancestor_share"} <= set(scores)
    assert "This run has no sliders: its decoder is not one" in run_page.write(workdir).read_text()
    export.export(workdir, tmp_path / "model")
    decode = jax.export.deserialize(bytearray((tmp_path / "model/decoder.bin").read_bytes())).call
    z = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    np.testing.assert_allclose(decode(z), cut.decode(z), atol=1e-5)
    np.testing.assert_array_equal(cvae_jax.load(tmp_path / "model").decode(z), cut.decode(z))
    sys.modules.pop("mynets")
