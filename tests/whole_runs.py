"""Whole runs in processes of their own, which several test files share."""

import os
import subprocess
import sys

import conftest
import pytest

from benchmarks import soak

SMALL = conftest.SMALL | {"num_steps": 60, "log_every": 7, "checkpoint_every": 6}


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """A folder for the prepared data, shared by all processes; in it 256 labelled pictures."""
    folder = tmp_path_factory.mktemp("data")
    conftest.write_pictures(folder / "pictures", conftest.noise_dataset(256, 8))
    return folder


def command(*args, config="configs/dsprites.py:quick"):
    return [sys.executable, "-m", "cvae_jax.main", f"--config={config}", *args]


def environment(data_dir, devices=1):
    xla_flags = f"{conftest.LESS_OPTIMISATION} --xla_force_host_platform_device_count={devices}"
    return os.environ | {"XLA_FLAGS": xla_flags, "TFDS_DATA_DIR": str(data_dir)}


def flags(data_dir, **overrides):
    """Of a run that takes seconds, --workdir left out."""
    fields = {"data.name": f"folder:{data_dir / 'pictures'}", **SMALL, **overrides}
    options = [f"--config.{name}={value}" for name, value in fields.items()]
    return ["--config=configs/dsprites.py:quick", *options]


def small(workdir, data_dir, **overrides):
    return soak.command(workdir, flags(data_dir, **overrides), 1)


def run_small(workdir, data_dir, **overrides):
    """`small` run to its end: its exit code and output."""
    return subprocess.run(
        small(workdir, data_dir, **overrides),
        env=environment(data_dir),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def whole_run(data_dir, tmp_path_factory):
    """A run from start to end: data prepared, trained, evaluated, drawn."""
    workdir = tmp_path_factory.mktemp("run") / "whole"
    done = run_small(workdir, data_dir)
    assert done.returncode == 0, done.stderr
    return workdir, done.stderr
