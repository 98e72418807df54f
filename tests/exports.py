"""An exported model of random weights, and the run behind it, which several test files share."""

import shutil

import conftest
import jax
import numpy as np
import pytest

from cvae_jax import build, checkpoints, export
from cvae_jax.step import create_train_state
from cvae_jax.workdir import open_workdir, write_json

CONFIG = {"cascade.structure": "1>3 2>3", "cascade.weight": 1.5, "data.dir": "/home/me"}
RESULTS = {
    "step": 20,
    "data": {"name": "noise", "source": "noise of this test"},
    "device": "1 x cpu",
    "versions": {},
    "scores": {"mig": {"value": 0.25, "std": 0.0125, "definition": "MIG | x", "samples": 1000}},
}


def drawn(shapes):
    """Parameters of these shapes without a compiled initialisation, biases not zero either."""
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda x: rng.normal(0, 0.05, x.shape).astype(x.dtype), shapes)


def save_run(workdir, **overrides):
    """A run's folder as after 20 steps, its weights random."""
    config = conftest.small_config(**overrides)
    info = build.DataInfo(8, 1, 64)
    objective, optimizers = build.objective(config, info), build.optimizers(config)
    example = np.zeros((16, 8, 8, 1), np.uint8)
    state = jax.eval_shape(
        lambda rng: create_train_state(rng, objective, optimizers, example), jax.random.key(0)
    )
    state = drawn(state._replace(rng=None))._replace(step=np.int32(20), rng=jax.random.key(0))
    with open_workdir(workdir, config), checkpoints.open_checkpoints(workdir) as manager:
        write_json(workdir / "data.json", info._asdict())
        checkpoints.save(manager, state)
    return workdir


@pytest.fixture(scope="session")
def drawn_run(tmp_path_factory):
    """A run's folder, its scores written by hand; not to be written to."""
    workdir = save_run(tmp_path_factory.mktemp("runs") / "tiny", **CONFIG)
    write_json(workdir / "results.json", RESULTS)
    return workdir


@pytest.fixture(scope="session")
def exported(drawn_run, tmp_path_factory):
    """Its export, not to be written to."""
    out = tmp_path_factory.mktemp("models") / "deeper" / "tiny"
    export.main(["export", f"--workdir={drawn_run}", f"--out={out}"])
    return out


@pytest.fixture
def exported_copy(exported, tmp_path):
    """To be damaged."""
    return shutil.copytree(exported, tmp_path / "tiny")
