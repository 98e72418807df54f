"""The wheel in an environment of its own: the program, its configs and a report, in any folder."""

import os
import shutil
import subprocess
import sys
import venv

import pytest


@pytest.mark.slow
def test_a_wheel_trains_and_reports_in_an_empty_folder(tmp_path):
    """Downloads what the package needs: minutes."""
    source = tmp_path / "source"  # a copy: what an earlier build left would get into the wheel
    for name in ("cvae_jax", "configs"):
        shutil.copytree(name, source / name, symlinks=True)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(name, source)
    surroundings = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "XLA_FLAGS")}

    def run(*command):
        done = subprocess.run(
            command, cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (command, done.stderr[-2000:])
        return done

    wheels = tmp_path / "wheels"
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", f"--wheel-dir={wheels}", str(source))
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv/bin"
    run(str(programs / "pip"), "install", *map(str, wheels.glob("*.whl")))
    surroundings["TFDS_DATA_DIR"] = str(tmp_path / "data")
    cvae = str(programs / "cvae")
    trained = run(cvae, "train", "--config=dsprites:quick", "--config.num_steps=50")
    assert trained.stdout.startswith("step 50, ")
    reported = run(cvae, "report", "runs/dsprites-quick")
    assert reported.stdout == "runs/dsprites-quick/report.html\n"
    assert (tmp_path / "runs/dsprites-quick/report.html").stat().st_size > 100_000
