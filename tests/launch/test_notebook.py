"""The notebook: its cells run from top to bottom, on a CPU and for few steps."""

import html
import importlib.util
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import helpers
import nbformat
import pytest
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
    return nbformat.v4.new_code_cell(f"OVERRIDES = {overrides!r}\nNAME = 'tiny'")


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
    return sum("image/png" in output.get("data", {}) for output in cell.outputs)


def test_every_cell_runs(executed):
    cells, _, after = executed
    assert set(CODE) < set(after)
    for name in CODE:
        assert all(output.output_type != "error" for output in cells[name].outputs), name
        assert cells[name].source == CODE[name]
    assert "cpu" in text(cells["devices"]).lower()
    assert "Change runtime type" in text(cells["devices"])


def test_it_trains_and_says_so(executed):
    cells, workdir, after = executed
    assert read_config(workdir).num_steps == 20
    assert [line["step"] for line in read_metrics(workdir / "metrics.jsonl")] == [5, 10, 15, 20]
    assert cvae_jax.load(workdir).step == 20
    assert after["config"] == []
    assert "step 20 of 20" in text(cells["train"])
    assert "checkpoints of steps [10, 20]" in text(cells["saved"])


def test_scores_and_pictures_are_inline(executed):
    cells, workdir, _ = executed
    assert {name: n for name in CODE if (n := pictures(cells[name]))} == {
        "curves": 1,
        "scores": 2,
        "live-picture": 1,
    }
    (table,) = (o.data["text/html"] for o in cells["scores"].outputs if "text/html" in o.data)
    scores = read_json(workdir / "results.json")["scores"]
    assert {"mig", "squared_error", "elbo"} <= set(scores)
    for name, score in scores.items():
        assert name in table
        assert f"{score['value']:.4f}" in table
    assert str(workdir.parent) in text(cells["drive"])


def test_sliders_are_inline(executed):
    """The report whole, as a page within the page."""
    cells, workdir, _ = executed
    (frame,) = (output.data["text/html"] for output in cells["sliders"].outputs)
    page = html.unescape(re.search(r'srcdoc="([^"]*)"', frame)[1])
    assert page == (workdir / "report.html").read_text()
    assert 'type="range"' in page


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
    assert STORED.metadata.accelerator == "TPU"
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
def not_installed(monkeypatch, tmp_path):
    """As on a new Colab runtime; the commands that would be run."""
    commands = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(subprocess, "run", lambda command, check: commands.append(command))
    monkeypatch.setattr(sys, "path", sys.path.copy())
    return commands


def test_install_without_a_repository_says_what_to_do(not_installed):
    with pytest.raises(RuntimeError, match="fill in REPOSITORY"):
        exec(CODE["install"], {})
    assert not_installed == []


def test_install_clones_and_installs_the_extra(not_installed):
    source = CODE["install"].replace('REPOSITORY = ""', 'REPOSITORY = "https://host/it.git"')
    exec(source, {})
    assert not_installed == [
        ["git", "clone", "-q", "https://host/it.git", "checkout"],
        ["pip", "install", "-q", "-e", "./checkout[tpu]"],
    ]
    assert sys.path[-1] == "checkout"


def test_on_colab_runs_are_kept_on_drive(monkeypatch):
    mounted = []
    colab = types.ModuleType("google.colab")
    colab.drive = types.SimpleNamespace(mount=mounted.append)
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    names = {"Path": Path}
    exec(CODE["drive"], names)
    assert mounted == ["/content/drive"]
    assert names["RUNS"].is_relative_to("/content/drive/MyDrive")
