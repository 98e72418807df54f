"""The notebook: its cells run from top to bottom, on a CPU and for few steps."""

import html
import importlib.metadata
import os
import re
import shlex
import subprocess
import sys
import types
from pathlib import Path

import helpers
import nbformat
import pytest
from fixtures import empty_environment
from fixtures.empty_environment import run
from IPython.core.interactiveshell import InteractiveShell
from nbclient import NotebookClient

import cvae_jax
from cvae_jax.runs.metrics_log import read_metrics
from cvae_jax.runs.workdir import read_config, read_json

NOTEBOOK = Path("launch/colab_tpu.ipynb")
STORED = nbformat.read(NOTEBOOK, as_version=4)
CODE = {cell.id: cell.source for cell in STORED.cells if cell.cell_type == "code"}


def parameters(data):
    """What stands in place of the defaults: the cell that follows the one tagged "parameters"."""
    overrides = {
        "batch_size": 16,
        "num_steps": 20,
        "log_every": 5,
        "checkpoint_every": 10,
        "data.name": f"folder:{data / 'pictures'}",
        "data.size": 8,
        "data.dir": str(data),
        "objective.latents": 4,
        "cascade.critic_layers": 2,
        "cascade.critic_width": 32,
        "eval.num_images": 100,
        "eval.metrics": "mig,reconstruction,terms",
    }
    here = {"REPOSITORY": str(Path.cwd()), "OVERRIDES": overrides, "NAME": "tiny", "CPU": True}
    return nbformat.v4.new_code_cell("\n".join(f"{name} = {x!r}" for name, x in here.items()))


def files(folder):
    """What a run left that training again would change."""
    paths = [folder / "metrics.jsonl", *sorted(folder.glob("checkpoints/*/sha256.json"))]
    return [(path.relative_to(folder), path.read_text()) for path in paths if path.exists()]


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The notebook as it ran, the run's folder, and its files after each cell."""
    place, data = tmp_path_factory.mktemp("notebook"), tmp_path_factory.mktemp("data")
    helpers.write_pictures(data / "pictures", helpers.noise_dataset(256, 8))
    workdir, after = place / "runs/tiny", {}

    def note(cell, **rest):
        del rest
        after[cell.id] = files(workdir)

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    (tagged,) = (i for i, cell in enumerate(notebook.cells) if "tags" in cell.metadata)
    notebook.cells.insert(tagged + 1, parameters(data))
    client = NotebookClient(
        notebook,
        timeout=120,
        kernel_name="python3",
        resources={"metadata": {"path": str(place)}},
        on_cell_executed=note,
    )
    flags = f"{helpers.LESS_OPTIMISATION} --xla_force_host_platform_device_count=1"
    client.execute(env=os.environ | {"XLA_FLAGS": flags, "PYTHONPATH": str(Path.cwd())})
    return {cell.id: cell for cell in notebook.cells}, workdir, after


def text(cell):
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def pictures(cell):
    kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
    return sorted(kind for kind in kinds if kind.startswith("image/"))


@pytest.mark.slow
def test_every_cell_runs(executed):
    cells, _, after = executed
    assert set(CODE) < set(after)
    for name in CODE:
        assert all(output.output_type != "error" for output in cells[name].outputs), name
        assert cells[name].source == CODE[name]
    assert "cpu" in text(cells["devices"]).lower()
    assert text(cells["find"]) == "jax\n"
    assert text(cells["install"]) == ""  # it is installed already


@pytest.mark.slow
def test_it_trains_and_says_so(executed):
    cells, workdir, after = executed
    assert read_config(workdir).num_steps == 20
    assert [line["step"] for line in read_metrics(workdir / "metrics.jsonl")] == [5, 10, 15, 20]
    assert cvae_jax.load(workdir).step == 20
    assert after["config"] == []
    assert "step 20 of 20" in text(cells["train"])
    assert "checkpoints of steps [10, 20]" in text(cells["saved"])


@pytest.mark.slow
def test_output_is_of_this_package_alone(executed):
    cells, _, _ = executed
    assert not helpers.OF_LIBRARIES.search(text(cells["train"]))
    for name in set(CODE) - {"train", "resume"}:
        assert "stderr" not in [output.get("name") for output in cells[name].outputs], name


@pytest.mark.slow
def test_scores_and_pictures_are_inline(executed):
    cells, workdir, _ = executed
    assert {name: kinds for name in CODE if (kinds := pictures(cells[name]))} == {
        "curves": ["image/png"],
        "scores": ["image/gif", "image/png"],
        "live-picture": ["image/png"],
    }
    (table,) = (o.data["text/html"] for o in cells["scores"].outputs if "text/html" in o.data)
    scores = read_json(workdir / "results.json")["scores"]
    assert {"mig", "squared_error", "elbo"} <= set(scores)
    for name, score in scores.items():
        assert name in table
        assert f"{score['value']:.4f}" in table
    assert str(workdir.parent) in text(cells["drive"])


@pytest.mark.slow
def test_sliders_are_inline(executed):
    """The report whole, as a page within the page."""
    cells, workdir, _ = executed
    (frame,) = (output.data["text/html"] for output in cells["sliders"].outputs)
    page = html.unescape(re.search(r'srcdoc="([^"]*)"', frame)[1])
    assert page == (workdir / "report.html").read_text()
    assert 'type="range"' in page


@pytest.mark.slow
def test_run_again_trains_no_further(executed):
    """metrics.jsonl holds the speed of its steps: taken again, they would leave another one."""
    cells, _, after = executed
    assert "resumed from the checkpoint of step 20" in text(cells["resume"])
    assert "trained for 20 steps" in text(cells["resume"])
    assert "20 of 20" not in text(cells["resume"])
    assert len(after["train"]) == 3
    assert after["resume"] == after["train"]


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


def test_the_badge_opens_the_notebook_of_the_repository():
    """Both are set together: without an address the badge opens Colab itself, to upload to."""
    title = next(cell.source for cell in STORED.cells if cell.id == "title")
    colab = "https://colab.research.google.com/"
    repository = re.search(
        r'^REPOSITORY = "(?:https://github.com/(.+?)(?:\.git)?)?"', CODE["choose"]
    )
    place = f"github/{repository[1]}/blob/main/{NOTEBOOK}" if repository[1] else ""
    assert f"({colab}assets/colab-badge.svg)]({colab}{place})" in title


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
