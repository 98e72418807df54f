"""The notebook as Colab opens it: stored without outputs, installed for the device it finds."""

import importlib.metadata
import re
import shlex
import subprocess
import sys
import types
from pathlib import Path

import nbformat
import pytest
from fixtures import empty_environment
from fixtures.empty_environment import run
from fixtures.notebook import CODE, NOTEBOOK, STORED
from IPython.core.interactiveshell import InteractiveShell


def test_it_is_stored_for_colab_without_outputs():
    nbformat.validate(STORED)
    assert STORED.metadata.accelerator == "GPU"
    assert STORED.metadata.kernelspec.name == "python3"
    for cell in STORED.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        assert len(cell.source.splitlines()) <= 15


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=lambda c: c[0])
def test_ruff(command):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, str(NOTEBOOK)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_badge_opens_the_notebook_of_the_repository():
    """Both are set together: without an address the badge opens Colab itself, to upload to."""
    title = next(cell.source for cell in STORED.cells if cell.id == "title")
    colab = "https://colab.research.google.com/"
    repository = re.search(
        r'^REPOSITORY = "(?:https://github.com/(.+?)(?:\.git)?)?"', CODE["choose"]
    )
    place = f"github/{repository[1]}/blob/main/{NOTEBOOK}" if repository[1] else ""
    assert f"({colab}assets/colab-badge.svg)]({colab}{place})" in title


@pytest.fixture
def shell(monkeypatch, tmp_path):
    """IPython on a new runtime: without the package, in an empty folder; and what it has pip do."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.metadata, "distributions", lambda name: ())
    shell, lines = InteractiveShell(), []
    shell.register_magic_function(lines.append, magic_name="pip")
    shell.getoutput = lambda command, **rest: ["/bin/bash: nvidia-smi: command not found"]
    assert shell.run_cell(CODE["choose"]).success
    return shell, lines


def test_install_without_a_repository_says_what_to_do(shell):
    shell, lines = shell
    assert shell.run_cell(CODE["find"]).success
    assert "set REPOSITORY" in str(shell.run_cell(CODE["install"]).error_in_exec)
    assert lines == []


@pytest.mark.parametrize(
    ("smi", "devices", "jax"),
    [
        ("580.65.06", [], "jax[cuda13]"),
        ("550.54.15", [], "jax[cuda12]"),
        ("NVIDIA-SMI has failed", ["accel0", "accel1"], "jax[tpu]"),
        ("", ["vfio/0", "vfio/vfio"], "jax[tpu]"),
        ("", ["vfio/vfio"], "jax"),
        ("", [], "jax"),
    ],
)
def test_jax_is_that_of_the_device(shell, tmp_path, smi, devices, jax):
    """CUDA 13 needs driver 580; a TPU is a device of Google's driver or a group of vfio."""
    shell, lines = shell
    shell.getoutput = lambda command, **rest: smi.splitlines()
    for device in devices:
        (tmp_path / "dev" / device).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "dev" / device).touch()
    assert shell.run_cell(CODE["find"].replace('"/dev', f'"{tmp_path}/dev')).success
    shell.user_ns["REPOSITORY"] = "https://host/it.git"
    assert shell.run_cell(CODE["install"]).success
    assert [shlex.split(line) for line in lines] == [
        ["install", "-q", "git+https://host/it.git", jax]
    ]


def test_the_default_is_the_clone_that_the_notebook_is_in(shell, tmp_path, monkeypatch):
    shell, lines = shell
    (tmp_path / "a clone/launch").mkdir(parents=True)
    (tmp_path / "a clone" / NOTEBOOK).touch()
    monkeypatch.chdir(tmp_path / "a clone/launch")
    assert shell.run_cell(CODE["find"]).success
    assert shell.run_cell(CODE["install"]).success
    assert [shlex.split(line)[2] for line in lines] == [str(tmp_path / "a clone")]


def test_a_cpu_that_nobody_asked_for_stops_it_with_one_line(capsys):
    shell = InteractiveShell()
    shell.run_cell(CODE["choose"])
    assert not shell.run_cell(CODE["devices"]).success
    devices, *said = capsys.readouterr().out.splitlines()
    assert "cpu" in devices.lower()
    (line,) = said
    assert line.startswith("error: JAX finds no GPU or TPU")
    assert "CPU = True" in line
    shell.user_ns["CPU"] = True
    assert shell.run_cell(CODE["devices"]).success


@pytest.mark.slow
def test_pip_installs_the_checkout(tmp_path):
    """In an environment without packages, from a copy: the first cells, by IPython itself."""
    source = empty_environment.copy(tmp_path)
    programs = empty_environment.programs(tmp_path)
    run(tmp_path, str(programs / "pip"), "install", "-q", "ipython")
    cells = [CODE["choose"], f"REPOSITORY, CPU = {str(source)!r}, True"]
    cells += [CODE[name] for name in ("find", "install", "devices", "drive", "config")]
    (tmp_path / "cells.ipy").write_text("\n".join(cells))
    done = run(tmp_path, str(programs / "ipython"), "cells.ipy")
    assert "2,500 steps on dsprites_small at 32x32" in done.stdout


def test_on_colab_runs_are_kept_on_drive(monkeypatch):
    mounted = []
    colab = types.ModuleType("google.colab")
    colab.drive = types.SimpleNamespace(mount=mounted.append)
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    names = {"Path": Path}
    exec(CODE["drive"], names)
    assert mounted == ["/content/drive"]
    assert names["RUNS"].is_relative_to("/content/drive/MyDrive")
