"""Runs that are killed, torn and started again at random end as those that were left alone."""

import subprocess

import pytest
from fixtures import soak
from fixtures.whole_runs import SMALL, environment, flags

from cvae_jax.errors import UserError


@pytest.fixture
def surroundings(monkeypatch, data_dir):
    for name, value in environment(data_dir).items():
        monkeypatch.setenv(name, value)


@pytest.mark.slow
def test_one_end(surroundings, whole_run, data_dir, tmp_path):
    workdir = tmp_path / "soaked"
    found = soak.soak(
        workdir,
        flags(data_dir),
        kinds=("torn",),
        seed=0,
        num_steps=SMALL["num_steps"],
        stderr=subprocess.DEVNULL,
    )
    assert found == {"torn": 1}
    soak.require_same(whole_run[0], workdir)


@pytest.mark.slow
@pytest.mark.parametrize(("kills", "processes", "steps"), [(50, 1, 3000), (10, 2, 500)])
def test_many_ends(surroundings, data_dir, tmp_path, kills, processes, steps):
    options = flags(data_dir, num_steps=steps, checkpoint_every=10, log_every=5)
    alone, soaked = tmp_path / "alone", tmp_path / "soaked"
    subprocess.run(soak.command(alone, options, processes), check=True)
    kinds = soak.draw(kills, seed=0)
    assert set(kinds) == set(soak.KINDS)
    found = soak.soak(soaked, options, kinds=kinds, seed=0, processes=processes, num_steps=steps)
    assert sum(found.values()) == kills
    soak.require_same(alone, soaked)


def test_what_the_soak_would_find(whole_run, tmp_path):
    """A run that differs in one bit, and a folder that can't be read."""
    other = tmp_path / "other"
    subprocess.run(["cp", "-r", str(whole_run[0]), str(other)], check=True)
    soak.require_same(whole_run[0], other)
    soak.tear(other)
    with pytest.raises(UserError, match="is damaged"):
        soak.require_readable(other)
    subprocess.run(["rm", "-r", str(other / "checkpoints/60")], check=True)
    with pytest.raises(AssertionError):
        soak.require_same(whole_run[0], other)
