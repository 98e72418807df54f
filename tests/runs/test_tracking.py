"""Weights & Biases, by a stand-in for its package that notes what it is asked."""

import logging
import sys
import types

import helpers
import numpy as np
import pytest
from fixtures.damage import refused
from fixtures.short_runs import FOUR_STEPS

from cvae_jax import datasets, signals
from cvae_jax.devices import processes
from cvae_jax.evaluation import run as evaluate
from cvae_jax.runs.metrics_log import read_metrics, scalars
from cvae_jax.runs.workdir import read_json
from cvae_jax.training import loop, seeds

SMALL = FOUR_STEPS | {"wandb": "project"}


class Board:
    def __init__(self, options):
        self.options, self.logged, self.summary, self.finished = options, {}, {}, None

    def log(self, metrics, step):
        self.logged[step] = metrics

    def finish(self, exit_code):
        self.finished = exit_code


@pytest.fixture
def boards(monkeypatch):
    """Every run that wandb.init has begun."""
    begun = []

    def init(**options):
        begun.append(Board(options))
        return begun[-1]

    stand_in = types.SimpleNamespace(init=init, Settings=lambda **options: options)
    monkeypatch.setitem(sys.modules, "wandb", stand_in)
    return begun


def open_runs(workdir, **overrides):
    config = helpers.small_config(**SMALL | overrides)
    with seeds.open_runs(workdir, config) as runs:
        return [run.board for run in runs]


def test_a_run_logs_its_metrics_and_scores(tmp_path, monkeypatch, boards):
    dataset = helpers.noise_dataset(64, 8)
    results = {"scores": {"mig": {"value": 0.25}}}
    monkeypatch.setattr(datasets, "load", lambda *args: dataset)
    monkeypatch.setattr(evaluate, "evaluate_run", lambda *args: results)
    loop.train_and_evaluate(helpers.small_config(**SMALL), tmp_path)
    (board,) = boards
    lines = {line.pop("step"): line for line in read_metrics(tmp_path / "metrics.jsonl")}
    assert list(board.logged) == list(lines) == [2, 4]
    assert board.logged[4]["recon"] == lines[4]["recon"]
    assert [board.logged[4][f"kl_per_dim/{j}"] for j in (1, 2)] == lines[4]["kl_per_dim"]
    assert board.summary == {"scores/mig": 0.25}
    assert board.finished == 0


def test_a_resumed_run_is_the_same_run_there(tmp_path, boards):
    config = helpers.small_config(**SMALL)
    with pytest.raises(signals.Stopped), seeds.open_runs(tmp_path / "run", config):
        raise signals.Stopped(15)
    open_runs(tmp_path / "run")
    first, second = boards
    assert first.options == second.options
    expected = {"project": "project", "name": "run", "group": None, "resume": "allow"}
    assert expected.items() <= first.options.items()
    assert first.options["id"] == read_json(tmp_path / "run/wandb.json")["id"]
    assert first.options["config"]["objective"]["latents"] == 2
    assert (first.finished, second.finished) == (1, 0)


def test_no_run_is_begun_unless_asked(tmp_path, boards):
    assert open_runs(tmp_path, wandb="") == [None]
    assert not boards
    # and the field may change when the run is resumed
    assert open_runs(tmp_path) == boards


def test_seeds_are_a_group(tmp_path, boards):
    open_runs(tmp_path / "many", num_seeds=2)
    names = [(b.options["group"], b.options["name"], b.options["config"]["seed"]) for b in boards]
    assert names == [("many", "seed_0", 0), ("many", "seed_1", 1)]
    assert boards[0].options["id"] != boards[1].options["id"]


def test_the_first_process_alone_begins_a_run(tmp_path, monkeypatch, boards):
    monkeypatch.setattr(processes, "first", lambda: False)
    assert open_runs(tmp_path) == [None]
    assert not boards


def test_what_is_wrong_at_the_start_is_one_line(tmp_path, monkeypatch, boards):
    def no_key(**options):
        raise RuntimeError("No API key configured.\nUse login")

    monkeypatch.setattr(sys.modules["wandb"], "init", no_key)
    refused(lambda: open_runs(tmp_path), "(No API key configured.)", "WANDB_MODE=offline")
    monkeypatch.setitem(sys.modules, "wandb", types.ModuleType("wandb"))  # a folder ./wandb
    refused(lambda: open_runs(tmp_path), "config.wandb is 'project'", "pip install wandb")
    monkeypatch.setitem(sys.modules, "wandb", None)
    refused(lambda: open_runs(tmp_path), "config.wandb is 'project'", "pip install wandb")


@pytest.mark.parametrize("content", ["[]", "{}", '{"id": "../x"}', '{"id": null}', "", "{"])
def test_a_damaged_id_is_refused(tmp_path, boards, content):
    (tmp_path / "wandb.json").write_text(content)
    refused(lambda: open_runs(tmp_path), f"{tmp_path / 'wandb.json'} is damaged")
    assert not boards


def test_what_goes_wrong_later_ends_no_run(tmp_path, boards, caplog):
    config = helpers.small_config(**SMALL)
    with caplog.at_level(logging.WARNING), seeds.open_runs(tmp_path, config) as (run,):
        boards[0].log = boards[0].finish = lambda *args, **kwargs: 1 / 0
        loop.tracker.log_metrics(run.board, 2, {"loss": 1.0})
    assert caplog.text.count("Weights & Biases: division by zero; the run continues") == 2


def test_scalars_number_the_parts_of_a_vector():
    found = scalars({"loss": np.float32(1.5), "kl_per_dim": np.array([1.0, 2.0])})
    assert found == {"loss": 1.5, "kl_per_dim/1": 1.0, "kl_per_dim/2": 2.0}
