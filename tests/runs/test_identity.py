"""Runs of one config whose images or networks differ are not taken for seeds of one method."""

import logging

import pytest
from fixtures.report_pages import RESULTS, parsed

from cvae_jax.config import defaults
from cvae_jax.evaluation.pictures import terms
from cvae_jax.report import compared, comparison
from cvae_jax.runs import card, parts
from cvae_jax.runs.identity import title
from cvae_jax.runs.workdir import write_json
from cvae_jax.studies.ended import ended_runs
from cvae_jax.studies.table import rows_of
from cvae_jax.training import monitor

NETWORKS = {"networks": {"encoder": "Encoder()"}, "parameters": {}}


def run(path, seed, mig, data=None, parts=None, name="array:images", **of_data):
    """Writes a finished run on images of one's own."""
    config = defaults.get_config()
    config.update_from_flattened_dict({"seed": seed, "num_steps": 7, "data.name": name})
    (path / "plots").mkdir(parents=True)
    write_json(path / "config.json", config.to_dict())
    score = {"value": mig, "definition": "a score", "samples": 9}
    source = {"name": name, "source": "9 images of an array"} | of_data
    write_json(path / "results.json", RESULTS | {"scores": {"mig": score}, "data": source})
    write_json(path / "data.json", {"data": data or {"content": "a", "mean_value": 1.0}})
    if parts:
        write_json(path / "parts.json", parts)
    (path / "metrics.jsonl").write_text('{"step": 7, "recon": 1.0}\n')
    return path


OTHERS = {
    "images": {"data": {"content": "b", "mean_value": 1.0}},
    "pictures in a folder": {"name": "folder:x", "data": {"mean_value": 9.0}},
    "pictures built again": {"name": "tfds:x", "data": {"mean_value": 9.0}},
    "networks": {"parts": NETWORKS},
    "objective": {"parts": {"objective": {"model_loss": "mine.loss"}}},
    "data it is scored on": {"changed": "other content"},
}


@pytest.mark.parametrize("what", OTHERS)
def test_seeds_are_runs_that_differ_in_nothing_else(tmp_path, what):
    first = {}
    if what.startswith("pictures"):
        first = {"name": OTHERS[what]["name"], "data": {"mean_value": 1.0}}
    run(tmp_path / "a", 0, 0.1, **first)
    run(tmp_path / "b", 1, 0.3, **first)
    run(tmp_path / "c", 2, 0.9, **OTHERS[what])
    found, _ = ended_runs([tmp_path])
    assert [row.seeds for row in rows_of(found)] == [[0, 1], [2]]
    run(tmp_path / "d", 0, 0.5, **OTHERS[what])  # no run "is there twice"
    assert len(ended_runs([tmp_path])[0]) == 4


@pytest.mark.parametrize("what", OTHERS)
def test_the_best_is_of_the_same_images(tmp_path, what):
    first = {}
    if what.startswith("pictures"):
        first = {"name": OTHERS[what]["name"], "data": {"mean_value": 1.0}}
    folders = [run(tmp_path / "a", 0, 0.1, **first), run(tmp_path / "c", 1, 0.9, **OTHERS[what])]
    text = comparison.page(compared.read(folders))
    methods_differ = what in ("networks", "objective")  # which is what a page compares
    assert ("<b>0.900</b>" in text) == methods_differ
    shown = parsed(text).text
    assert ("of different data" in shown) != methods_differ
    assert ("of other data than it was trained on: other content" in shown) == ("scored" in what)


def test_own_parts_are_named(tmp_path):
    config = defaults.get_config()
    run(tmp_path / "a", 0, 0.1, parts=NETWORKS)
    run(tmp_path / "b", 0, 0.1, parts={"objective": {"model_loss": "mine.loss"}})
    assert title(config, parts.recorded(tmp_path / "a")).endswith("networks of its own")
    assert "VAE" not in title(config, parts.recorded(tmp_path / "b"))


def test_the_card_of_an_objective_of_ones_own_promises_no_vae():
    config = defaults.get_config()
    info = {"channels": 1, "num_examples": 9}
    own = {"objective": {"model_loss": "mine.loss"}}
    text = card.card("mine", config, info, 7, None, own)
    assert "mine.loss" in text
    assert 'cvae_jax.load("mine", objective=...)' in text
    for wrong in ("Kingma", "likelihood", "cvae_jax.main", "each pixel"):
        assert wrong not in text


def test_metrics_of_an_objective_of_ones_own_are_shown_as_they_are(caplog):
    """It may log what it likes: no term that the package knows, or a vector named as one."""
    line = {"step": 1, "steps_per_second": 2.0, "mine": 3.0, "part_kl": [1.0, 2.0]}
    assert terms(line) == ["mine"]
    assert terms({"step": 1}) == []
    with caplog.at_level(logging.INFO):
        assert "step 1 of 2" in monitor.progress(1, 2, None, line)
