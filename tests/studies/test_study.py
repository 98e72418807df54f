"""A study's runs are started, named when they fail, gathered and drawn; their training left out."""

import csv
import logging
import os
import shutil
import sys
from pathlib import Path

import helpers
import pytest

from cvae_jax import datasets, gather, plots, study
from cvae_jax.errors import UserError
from cvae_jax.runs.holding import open_workdir
from cvae_jax.runs.workdir import read_json, write_json
from cvae_jax.studies import grid, show, work
from cvae_jax.studies.ended import ended_runs

FILE = """
config = "dsprites:quick"
seeds = 2
scores = ["mig", "sap"]

[fields]
cascade.weight = 0.0

[methods.vae]
objective.name = "vae"

[methods.beta_vae]
objective.name = "beta_vae"
objective.beta_vae.beta = [2.0, 4.0]
"""
FAILS = "import sys; print('many lines'); print('error: no luck\\n'); sys.exit(2)"
# From the folder where `made` has put runs to the study's, or a failure.
COPIES = "import shutil, sys; shutil.copytree(*sys.argv[1:], dirs_exist_ok=True)"


def ended(path, config, mig):
    """A run's folder after its end, with two scores."""
    with open_workdir(path, config):
        scores = {
            name: {"value": value, "definition": f"{name} of a test", "samples": 1, "seed": 0}
            for name, value in (("mig", mig), ("sap", mig**2))
        }
        results = {
            "step": config.num_steps,
            "scores": scores,
            "data": {"name": "noise", "source": "noise", "size": 32},
            "device": "none",
            "versions": {},
            "pictures": {},
            "evaluation_seconds": 1800.0,
        }
        write_json(path / "results.json", results)
        write_json(path / "data.json", {})
        line = f'{{"step": {config.num_steps}, "steps_per_second": {config.num_steps / 1800}}}\n'
        (path / "metrics.jsonl").write_text(line)


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A study's file, and in place of the programs that train its runs those that copy them."""
    noise = helpers.noise_dataset(64, 32)
    monkeypatch.setattr(datasets, "load", lambda *args: noise)
    path = tmp_path / "study.toml"
    path.write_text(FILE)
    for number, (cell, config) in enumerate(grid.read(path).configs.items()):
        ended(tmp_path / "made" / cell.key, config, 0.1 * number)
    copying(monkeypatch, tmp_path)
    return path


def copying(monkeypatch, tmp_path, failing=()):
    """Programs that copy what was made, or fail; returns the list of runs that are asked for."""
    asked = []

    def program(arguments):
        workdir = Path(arguments[-1].removeprefix("--workdir="))
        key = workdir.relative_to(tmp_path / "out")
        asked.append(str(key))
        fails = any(word in str(key) for word in failing)
        code = [FAILS] if fails else [COPIES, str(tmp_path / "made" / key), str(workdir)]
        return [sys.executable, "-c", *code]

    monkeypatch.setattr(work, "program", program)
    return asked


def run(file, *options):
    study.main(["study", str(file), f"--out={file.parent / 'out'}", *options])


def test_a_run_that_fails_is_named_and_the_others_go_on(file, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "cvae_jax")
    asked = copying(monkeypatch, tmp_path, failing=["beta=2.0/seed_1"])
    with pytest.raises(UserError, match=r"1 of 6 runs failed, beta_vae/beta=2.0/seed_1$"):
        run(file, "--jobs=2")
    assert len(asked) == 6
    log = tmp_path / "out/beta_vae/beta=2.0/seed_1.log"
    assert caplog.messages[-1] == f"failed: beta_vae/beta=2.0/seed_1: no luck; see {log}"
    assert log.read_text().startswith("many lines\n")
    assert "5 of 6 runs done" in caplog.messages
    table = (tmp_path / "out/table.md").read_text().splitlines()
    assert table[2:] == [
        "| vae |  | 0.050 ± 0.071 | 0.005 ± 0.007 | 2 |",
        "| beta_vae | beta=2.0 | 0.200 | 0.040 | 1 |",
        "| beta_vae | beta=4.0 | 0.450 ± 0.071 | 0.205 ± 0.064 | 2 |",
    ]
    # the same command trains what is missing alone
    asked = copying(monkeypatch, tmp_path)
    run(file)
    assert asked == ["beta_vae/beta=2.0/seed_1"]
    # five runs of an hour each have ended, and one is left
    assert any(
        message.startswith("5 of 6 runs done, about 1:00 hours left; now beta_vae/beta=2.0/seed_1")
        for message in caplog.messages
    )
    assert "| beta_vae | beta=2.0 | 0.250 ± 0.071 |" in (tmp_path / "out/table.md").read_text()
    asked = copying(monkeypatch, tmp_path)
    run(file)
    assert asked == []


def test_what_gather_makes_of_a_study(file, tmp_path, capsys):
    """Names of the study, its scores and its order; files that a study has written before."""
    run(file)
    out = tmp_path / "out"
    capsys.readouterr()
    plots = tmp_path / "plots"
    gather.main(["gather", str(out), f"--plots={plots}", f"--out={tmp_path / 'scores.csv'}"])
    printed = capsys.readouterr().out.splitlines()
    heads = [line for line in printed if not line.startswith(" ")]
    assert heads == [
        "vae; seeds 0, 1",
        "beta_vae, beta=2.0; seeds 0, 1",
        "beta_vae, beta=4.0; seeds 0, 1",
    ]
    assert printed[1:3] == [
        "  mig                     0.0500 ± 0.0707",
        "  sap                     0.0050 ± 0.0071",
    ]
    names = {"table.md", "violins.png", "rank_correlation.png", "variance_explained.png"}
    assert {path.name for path in plots.iterdir()} == names
    for name in names:
        assert (plots / name).read_bytes() == (out / name).read_bytes()
    lines = [*csv.DictReader((tmp_path / "scores.csv").read_text().splitlines())]
    assert [(x["method"], x["setting"], x["score"]) for x in lines][2:4] == [
        ("beta_vae", "beta=2.0", "mig"),
        ("beta_vae", "beta=2.0", "sap"),
    ]
    # without study.json methods have the names of their objectives
    (out / "study.json").unlink()
    gather.main(["gather", str(out), f"--plots={plots}", "--scores=mig"])
    table = (plots / "table.md").read_text().splitlines()
    assert table[0] == "| method | setting | mig | seeds |"
    assert table[2:] == [
        "| beta-VAE | beta=2.0 | 0.250 ± 0.071 | 2 |",
        "| beta-VAE | beta=4.0 | 0.450 ± 0.071 | 2 |",
        "| VAE | beta=4.0 | 0.050 ± 0.071 | 2 |",
    ]


@pytest.mark.slow
def test_what_chance_explains_is_of_all_scores(file, tmp_path, monkeypatch):
    """A score that few runs have has a chance of its own, whichever stands last."""
    run(file)
    for seed in (0, 1):
        folder = tmp_path / "out" / "vae" / f"seed_{seed}"
        results = read_json(folder / "results.json")
        results["scores"]["tc"] = results["scores"]["mig"]
        write_json(folder / "results.json", results)
    said = []
    monkeypatch.setattr(
        plots, "shares", lambda path, found, *, title, subtitle: said.append(subtitle)
    )
    runs = ended_runs([tmp_path / "out"])[0]
    for scores in (["mig", "tc"], ["tc", "mig"]):
        show.write(runs, scores, tmp_path / "plots")
    assert said[0] == said[1]


@pytest.mark.slow
def test_runs_of_a_larger_study_are_left_out(file, tmp_path):
    run(file)
    file.write_text(FILE.replace("[2.0, 4.0]", "[4.0]"))
    run(file)
    assert len((tmp_path / "out/table.md").read_text().splitlines()) == 2 + 2


def test_a_folder_with_another_run_is_refused_before_anything_starts(file, tmp_path, monkeypatch):
    run(file)
    asked = copying(monkeypatch, tmp_path)
    before = read_json(tmp_path / "out/study.json")
    file.write_text(FILE.replace("[methods.vae]", "[methods.vae]\nobjective.latents = 3"))
    with pytest.raises(UserError, match=r"vae/seed_0 holds a run of another config .*--out$"):
        run(file)
    assert asked == []
    assert read_json(tmp_path / "out/study.json") == before


@pytest.mark.parametrize(
    ("field", "said"),
    [
        (
            "batch_size = [16, 128]",
            "batch_size=128/seed_0: config.batch_size is 128 and .* has 64 i",
        ),
        ('init_from = ["", "nope"]', "init_from=nope/seed_0: there is no folder nope"),
        ('networks = ["", "nope:f"]', "networks=nope:f/seed_0: .*nope"),
    ],
)
def test_what_would_end_a_run_at_its_start_is_refused_before_any(
    file, tmp_path, monkeypatch, field, said
):
    asked = copying(monkeypatch, tmp_path)
    file.write_text(FILE.replace("[methods.vae]", f"[methods.vae]\n{field}"))
    with pytest.raises(UserError, match=said):
        run(file)
    assert asked == []


def test_seeds_in_one_program(file, tmp_path, monkeypatch):
    """Their command has all the seeds; one that diverged is named."""
    made, commands = tmp_path / "made/vae", []
    shutil.rmtree(made / "seed_1")
    (made / "seed_1").mkdir()
    write_json(made / "seed_1/diverged.json", {"reason": "the loss is not finite"})

    def program(arguments):
        commands.append(arguments)
        folder = arguments[-1].removeprefix("--workdir=")
        source = tmp_path / "made" / Path(folder).relative_to(tmp_path / "out")
        return [sys.executable, "-c", COPIES, str(source), folder]

    monkeypatch.setattr(work, "program", program)
    with pytest.raises(UserError, match="1 of 6 runs failed, vae/seed_1"):
        run(file, "--at_once")
    assert [command[-3:-1] for command in commands] == 3 * [
        ["--config.seed=0", "--config.num_seeds=2"]
    ]
    assert commands[2][-1] == f"--workdir={tmp_path / 'out/beta_vae/beta=4.0'}"
    assert len((tmp_path / "out/table.md").read_text().splitlines()) == 2 + 3


def test_runs_side_by_side_share_the_cores(file, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    for name in ("NPROC", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    code = "import os; print(os.environ['NPROC'], os.environ['OMP_NUM_THREADS'])"
    monkeypatch.setattr(work, "program", lambda arguments: [sys.executable, "-c", code])
    with pytest.raises(UserError, match="6 of 6 runs failed"):
        run(file, "--jobs=3")
    assert (tmp_path / "out/vae/seed_0.log").read_text() == "2 2\n"


@pytest.mark.slow
def test_a_damaged_study_json_is_refused(file, tmp_path):
    run(file)
    path = tmp_path / "out/study.json"
    for content in ([], {"scores": [], "cells": [{"run": "../x", "method": "a", "setting": ""}]}):
        write_json(path, content)
        with pytest.raises(UserError, match=r"study.json is damaged"):
            gather.main(["gather", str(tmp_path / "out")])
