"""The notebook: its cells run from top to bottom, on a CPU and for few steps."""

import html
import os
import re
from pathlib import Path

import helpers
import nbformat
import pytest
from fixtures.notebook import CODE, NOTEBOOK
from nbclient import NotebookClient

import cvae_jax
from cvae_jax.runs.metrics_log import read_metrics
from cvae_jax.runs.workdir import read_config, read_json


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
