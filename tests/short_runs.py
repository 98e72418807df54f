"""A run of four steps that tests damage, its parts, and what reads them."""

import shutil

import conftest
import pytest

from cvae_jax import evaluate, train
from cvae_jax.datasets import pipeline

FOUR_STEPS = {
    "num_steps": 4,
    "log_every": 2,
    "checkpoint_every": 2,
    "objective.latents": 2,
    "cascade.weight": 0.0,
}
SMALL = FOUR_STEPS | {"eval.metrics": "terms"}


@pytest.fixture(scope="session")
def short_run(noise, tmp_path_factory):
    """A run of four steps, not to be written to."""
    workdir = tmp_path_factory.mktemp("run") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "load", lambda *args: noise)
        patch.setattr(evaluate, "evaluate_run", lambda *args: {})
        train.train_and_evaluate(conftest.small_config(**SMALL), workdir)
        patch.undo()
        patch.setattr(pipeline, "load", lambda *args: noise)
        evaluate.main(["evaluate", f"--workdir={workdir}", "--metrics=mig"])
    return workdir


@pytest.fixture
def run(short_run, noise, tmp_path, monkeypatch):
    """A copy of it to be damaged."""
    monkeypatch.setattr(pipeline, "load", lambda *args: noise)
    return shutil.copytree(short_run, tmp_path / "run")


def resume(run):
    return train.train_and_evaluate(conftest.small_config(**SMALL), run)


def program(main, *arguments):
    return lambda: main([main.__module__, *map(str, arguments)])


def in_checkpoint(run, what):
    """A file of the last checkpoint by its part in it."""
    folder = run / "checkpoints/4"
    if what == "array":
        files = [path for path in folder.rglob("*") if path.is_file()]
        return max(files, key=lambda path: path.stat().st_size)
    return next(folder.rglob(what))
