"""`cvae evaluate` of a run: scores join those of the same step and data, and no others."""

import logging
import shutil
import threading
import time

import helpers
import numpy as np
import pytest

from cvae_jax import cli, datasets, evaluate, files
from cvae_jax.errors import UserError
from cvae_jax.evaluation import classifier_features, registry, subject
from cvae_jax.evaluation import run as evaluation
from cvae_jax.metrics.groups import named
from cvae_jax.runs.workdir import read_json, write_json
from cvae_jax.training.loop import train_and_evaluate

CHEAP = "mig,reconstruction,terms"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of a few steps on noise in place of a data set, whole and as without a classifier."""
    folder = tmp_path_factory.mktemp("runs")
    dataset = helpers.noise_dataset(256, 8)

    def load(name, size, data_dir, split="train"):
        if split != "train":
            raise UserError(f"{name} has no split {split!r}")
        return dataset

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "load", load)
        patch.setattr(classifier_features, "STEPS", 2)
        names = f"{CHEAP},classifier"
        config = helpers.small_config(**{"num_steps": 3, "eval.metrics": names})
        config.data.dir = str(folder / "data")
        train_and_evaluate(config, folder / "whole")
        few = shutil.copytree(folder / "whole", folder / "few")
        results = read_json(few / "results.json")
        kept = {k: v for k, v in results["scores"].items() if "classifier" not in k}
        write_json(few / "results.json", results | {"scores": kept})
        config.eval.metrics = CHEAP
        write_json(few / "config.json", config.to_dict())
        yield folder


@pytest.mark.slow
def test_a_config_may_ask_for_scores_that_are_seldom_computed(trained):
    scores = read_json(trained / "whole" / "results.json")["scores"]
    assert scores["is_classifier"]["samples"] == 256


@pytest.mark.slow
def test_scores_on_request_join_those_of_the_run(trained, monkeypatch, caplog):
    monkeypatch.setattr(classifier_features, "STEPS", 2)
    monkeypatch.setattr(subject, "REPEATS", 2)
    made = {}

    def keeping(name, function):
        def kept(subject):
            made[name] = function(subject)
            return made[name]

        return kept

    for name, function in registry.FUNCTIONS.items():
        monkeypatch.setitem(registry.FUNCTIONS, name, keeping(name, function))
    workdir = trained / "few"
    before = read_json(workdir / "results.json")
    other = trained / "other.pth"
    other.touch()
    arguments = ["evaluate", f"--workdir={workdir}", "--metrics=all", "--num_samples=100"]
    with caplog.at_level(logging.INFO):
        evaluate.main([*arguments, f"--inception={other}"])
    after = read_json(workdir / "results.json")
    assert after["pictures"] == before["pictures"]
    assert after["structure"] == before["structure"]
    assert {name for name in before["scores"]} <= set(after["scores"])
    assert after["scores"]["recon"] == before["scores"]["recon"]
    assert "estimate from batches" in after["scores"]["tc"]["definition"]
    assert after["evaluation_seconds"] > before["evaluation_seconds"]  # both were spent
    new = set(after["scores"]) - set(before["scores"])
    assert len(made) > 15
    for metric, scores in made.items():
        assert {named(score) for score in scores} == {(metric,)}
    assert new == {
        "mig_chen", "factor_score", "beta_vae_score", "sap", "modularity", "explicitness", "irs",
        "dci_disentanglement", "dci_completeness", "dci_informativeness",
        "infom", "infoe", "infoc", "runner_up_information",
        "downstream_logistic_10", "downstream_logistic_100",
        "downstream_trees_10", "downstream_trees_100", "strong_accuracy", "unfairness_accuracy",
        "codes_total_correlation", "codes_wasserstein_correlation", "codes_wasserstein_normalised",
        "codes_mutual_information", "aggregate_mi", "aggregate_tc", "active_dimensions",
        "fid_classifier", "kid_classifier", "is_classifier",
    }  # fmt: skip
    for name in new:
        entry = after["scores"][name]
        assert np.isfinite(entry["value"]), name
        assert entry["definition"], name
        assert entry["samples"] > 0, name
        assert entry["seed"] == 0, name
        assert name in caplog.text
    assert all("std" in after["scores"][n] for n in ("mig_chen", "is_classifier"))
    assert "std" not in after["scores"]["kid_classifier"]  # of 100 images
    assert f"inception left out: {other} has not the bytes" in caplog.text
    assert "held_out left out: dsprites_small has no split" in caplog.text


def test_scores_that_another_evaluation_adds_meanwhile_stay(trained, tmp_path, monkeypatch):
    workdir = shutil.copytree(trained / "few", tmp_path / "run")
    path, make = workdir / "results.json", registry.make
    results = read_json(path)
    del results["scores"]["mig"]
    write_json(path, results)

    def other(begun):
        with files.locked(workdir / ".results.lock"):
            begun.set()
            results = read_json(path)
            time.sleep(2)  # ours is waiting by now
            results["scores"]["dci_completeness"] = theirs
            write_json(path, results)

    def beside(subject, names):
        found, begun = make(subject, names), threading.Event()
        threading.Thread(target=other, args=(begun,)).start()
        begun.wait()
        return found

    theirs = {"value": 0.5, "definition": "by another", "samples": 256, "seed": 0}
    monkeypatch.setattr(registry, "make", beside)
    evaluate.main(["evaluate", f"--workdir={workdir}", "--metrics=mig"])
    scores = read_json(path)["scores"]
    assert scores["dci_completeness"] == theirs
    assert "mig" in scores


def test_scores_of_another_step_do_not_join(trained, monkeypatch):
    test_split = helpers.noise_dataset(40, 8)
    load = datasets.load
    monkeypatch.setattr(datasets, "load", lambda *a: test_split if a[3:] == ("test",) else load(*a))
    workdir = trained / "whole"
    results = read_json(workdir / "results.json")
    write_json(workdir / "results.json", results | {"step": 2})
    evaluate.main(["evaluate", f"--workdir={workdir}", "--metrics=mig,held_out"])
    found = read_json(workdir / "results.json")
    assert found["step"] == 3
    assert found["scores"]["mig"] == results["scores"]["mig"]
    others = found | {"data": found["data"] | {"source": "published"}}
    write_json(workdir / "results.json", others)
    with pytest.raises(
        UserError, match="has scores of tiny, published, and there are tiny, noise now"
    ):
        evaluate.main(["evaluate", f"--workdir={workdir}", "--metrics=mig"])
    assert "recon" not in found["scores"]
    elbo, likelihood = (found["scores"][f"test_{name}"] for name in ("elbo", "log_likelihood"))
    assert elbo["samples"] == 40
    assert -64 < elbo["value"] <= likelihood["value"] < -25  # about 64 log 2 nats at the start


@pytest.mark.slow
def test_scores_of_other_data_do_not_join(trained, tmp_path, monkeypatch, caplog):
    """Labels and pictures may change where the source's one line stays."""
    workdir = shutil.copytree(trained / "few", tmp_path / "run")
    load, request = datasets.load, ["evaluate", f"--workdir={workdir}"]
    dataset, results = load("tiny", 8, ""), read_json(workdir / "results.json")
    stale = {"old": results["scores"]["mig"]}
    write_json(workdir / "results.json", results | {"scores": stale})
    for change, words in (
        ({"factors": dataset.factors[::-1]}, "other labels"),
        ({"pixels": 255 - dataset.pixels}, "other pixels"),
        ({"factor_names": ("a", "c")}, r"factor names \['a', 'b'\] -> \['a', 'c'\]"),
    ):
        other = dataset._replace(**change)
        monkeypatch.setattr(datasets, "load", lambda *args, other=other: other)
        with pytest.raises(
            UserError, match=f"of tiny, noise, and there are tiny, noise with {words} now"
        ):
            evaluate.main([*request, "--metrics=sap"])
    evaluate.main(request)
    assert f"the data differ from those {workdir} was trained on: factor names" in caplog.text
    scores = read_json(workdir / "results.json")["scores"]
    assert {"mig", "squared_error"} < set(scores)
    assert "old" not in scores
    evaluate.main([*request, "--metrics=sap"])  # of the same changed data
    assert set(read_json(workdir / "results.json")["scores"]) == {*scores, "sap"}
    monkeypatch.setattr(datasets, "load", load)
    with pytest.raises(UserError, match=r"of tiny, noise with factor names \['a', 'b'\] ->"):
        evaluate.main([*request, "--metrics=sap"])


def test_plots_that_fail_leave_the_scores(trained, tmp_path):
    workdir = shutil.copytree(trained / "few", tmp_path / "run")
    (workdir / "results.json").unlink()
    shutil.rmtree(workdir / "plots")
    (workdir / "plots").write_text("a file in their place")
    with pytest.raises(UserError, match=r"can.t write plots to .*run/plots"):
        evaluate.main(["evaluate", f"--workdir={workdir}"])
    found = read_json(workdir / "results.json")
    assert "mig" in found["scores"]
    assert "pictures" not in found


def test_where_memory_runs_out_the_scores_stay(trained, tmp_path, monkeypatch, capsys):
    """The structure's second pass decodes a thousand images after all else is computed."""
    workdir = shutil.copytree(trained / "few", tmp_path / "run")
    (workdir / "results.json").unlink()

    def full(*args):
        raise MemoryError("Unable to allocate 31.6 GiB")

    monkeypatch.setattr(evaluation, "structure_scores", full)
    monkeypatch.setattr(cli, "show_messages", lambda: None)  # which would change all later tests
    code = cli.run(evaluate.main, ["evaluate", f"--workdir={workdir}"])
    assert code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("error: there is not enough memory (Unable to allocate 31.6 GiB): ")
    found = read_json(workdir / "results.json")
    assert "mig" in found["scores"]
    assert "pictures" not in found


def test_a_score_that_stays_says_what_made_it(trained, tmp_path):
    workdir = shutil.copytree(trained / "few", tmp_path / "run")
    before = read_json(workdir / "results.json")
    old = before | {
        "versions": before["versions"] | {"scikit-learn": "0.21.3"},
        "device": "an old one",
    }
    write_json(workdir / "results.json", old)
    evaluate.main(["evaluate", f"--workdir={workdir}", "--metrics=sap"])
    after = read_json(workdir / "results.json")
    assert after["versions"] == before["versions"]
    assert "versions" not in after["scores"]["sap"]
    assert after["scores"]["mig"]["versions"] == old["versions"]
    assert after["scores"]["mig"]["device"] == "an old one"
    evaluate.main(["evaluate", f"--workdir={workdir}", "--metrics=mig"])
    assert "versions" not in read_json(workdir / "results.json")["scores"]["mig"]


def test_a_score_may_be_asked_for_by_its_own_name(trained, tmp_path):
    workdir = shutil.copytree(trained / "few", tmp_path / "run")
    before = {*read_json(workdir / "results.json")["scores"]}
    evaluate.main(["evaluate", f"--workdir={workdir}", "--metrics=explicitness"])
    assert {*read_json(workdir / "results.json")["scores"]} - before == {
        "modularity",
        "explicitness",
    }


def test_scores_of_few_images_have_no_spread_over_draws_that_are_the_same(trained):
    scores = read_json(trained / "few" / "results.json")["scores"]
    assert "std" not in scores["mig"]
    assert "draws" not in scores["mig"]["definition"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metrics=migg"], r"unknown metric 'migg'; did you mean 'mig'\?"),
        (["--metrics=mig,hierarchy"], "hierarchy comes with a whole evaluation alone"),
        (["--num_samples=99"], "--num_samples is 99: it must be at least 100"),
        (["--num_samples=500"], "--num_samples counts images .* no metric here has them"),
        (["--metrics=classifier", "--inception=/nowhere"], "--inception names weights that no"),
        (["--metrics=inception", "--inception=/nowhere"], "there is no file /nowhere"),
    ],
)
def test_wrong_requests_are_refused(trained, arguments, message):
    with pytest.raises(UserError, match=message):
        evaluate.main(["evaluate", f"--workdir={trained / 'few'}", *arguments])
