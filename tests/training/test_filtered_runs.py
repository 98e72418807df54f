"""Runs on a part of a data set: what they see, that they resume bit for bit, both parts scored."""

import helpers
import numpy as np
import pytest

from cvae_jax import datasets, evaluate, signals
from cvae_jax.errors import UserError
from cvae_jax.evaluation import scoring
from cvae_jax.metrics.scores import known
from cvae_jax.runs import loading
from cvae_jax.runs.workdir import read_json
from cvae_jax.training import loop

PLAIN = {"cascade.weight": 0.0, "eval.num_images": 1_000}
HELD_OUT = PLAIN | {"data.hold_out": "a=3,b>1", "data.correlate": "a~b:0.5"}


def noise(monkeypatch, images_of=lambda a, b, images: images):
    """Noise with factors a and b of 0 to 3, in place of the data set."""
    dataset = helpers.noise_dataset(256, 8)
    dataset = dataset._replace(pixels=images_of(*dataset.factors.T, dataset.pixels.copy()))
    monkeypatch.setattr(datasets, "load", lambda *args: dataset)
    return dataset


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_data")
def test_a_run_that_resumes_draws_what_it_would_have_drawn(tmp_path, monkeypatch):
    def marked(a, b, images):
        """The first pixel is a's class, the second b's."""
        images[:, 0, 0, 0], images[:, 0, 1, 0] = a, b
        return images

    noise(monkeypatch, marked)
    seen, images = [], datasets.Dataset.images

    def watched(self, index):
        seen.append(images(self, index))
        return seen[-1]

    monkeypatch.setattr(datasets.Dataset, "images", watched)
    # the weights off the diagonal are at most exp(-22)
    config = helpers.small_config(**PLAIN, **{"data.correlate": "a~b:0.05", "data.hold_out": "b=2"})
    config.num_steps = 20
    whole = loop.train_and_evaluate(config, tmp_path / "whole")
    # Other calls describe the data; the first batch is the example by which the state is made.
    drawn = np.concatenate([found for found in seen if len(found) == config.batch_size][1:])
    assert len(drawn) == 20 * config.batch_size
    a, b = drawn[:, 0, 0, 0], drawn[:, 0, 1, 0]
    np.testing.assert_array_equal(a, b)
    assert set(a) == {0, 1, 3}
    with helpers.terminated_at(monkeypatch, 13), pytest.raises(signals.Stopped):
        loop.train_and_evaluate(config, tmp_path / "cut")
    helpers.assert_trees_equal(loop.train_and_evaluate(config, tmp_path / "cut"), whole)
    config.data.hold_out = ""
    with pytest.raises(UserError, match=r"data\.hold_out 'b=2' -> ''"):
        loop.train_and_evaluate(config, tmp_path / "cut")


@pytest.mark.slow
def test_scores_of_both_parts(tmp_path, monkeypatch):
    """The squared errors of the parts, weighted by their sizes, are that of all images."""
    dataset = noise(monkeypatch)
    fields = HELD_OUT | {"eval.metrics": "reconstruction,mig,terms,held_out", "num_steps": 5}
    loop.train_and_evaluate(helpers.small_config(**fields), tmp_path)
    results = read_json(tmp_path / "results.json")
    scores = results["scores"]
    trained, held_out = scores["squared_error"], scores["squared_error_held_out"]
    assert (trained["samples"], held_out["samples"]) == (224, 32)
    assert held_out["definition"].endswith(", of the images that were held out of training")
    assert results["data"]["source"] == "noise, without a=3,b>1, drawn by a~b:0.5"
    assert "changed" not in results["data"]
    whole = [s["definition"] for s in scores.values() if "training images" in s["definition"]]
    assert whole
    assert not any("held out" in words for words in whole)
    assert known("mig_held_out") is known("mig") is not None
    assert "test_elbo" in scores
    assert "test_elbo_held_out" not in scores
    # Estimates for as many images as there were in training say nothing of fewer.
    assert {"mi", "tc", "dwkl", "recon", "recon_held_out", "kl_held_out"} <= set(scores)
    assert not {"mi_held_out", "tc_held_out", "dwkl_held_out"} & set(scores)
    model = loading.load(tmp_path)
    entries = scoring.score(scoring.subject_of(model, dataset), ["reconstruction"])
    mean = (224 * trained["value"] + 32 * held_out["value"]) / 256
    np.testing.assert_allclose(entries["squared_error"]["value"], mean, rtol=1e-5)
    # and the program finds the same parts
    evaluate.main(["evaluate", f"--workdir={tmp_path}", "--metrics=reconstruction"])
    again = read_json(tmp_path / "results.json")["scores"]
    assert again["squared_error_held_out"] == held_out
    assert again["mig"] == scores["mig"]


def test_a_batch_must_fit_into_the_part(tmp_path, monkeypatch):
    noise(monkeypatch)
    config = helpers.small_config(**HELD_OUT | {"data.hold_out": "a>0", "batch_size": 128})
    with pytest.raises(UserError, match="has 64 images"):
        loop.train_and_evaluate(config, tmp_path / "run")
    config.data.hold_out = "a>"
    with pytest.raises(UserError, match=r"config\.data\.hold_out has 'a>'"):
        loop.train_and_evaluate(config, tmp_path / "run")
