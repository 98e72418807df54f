"""Hierarchy of hand-made pairs of encoder and decoder, whose images say what each latent moves."""

import json

import helpers
import jax
import numpy as np
import pytest
from fixtures.bars import (
    COMPOSED,
    ENTANGLED,
    FACTORISED,
    HALF,
    NAMES,
    OBJECTIVE,
    ONE_EACH,
    N,
    Z,
    data,
    lengths,
    pair,
    subject,
)

import cvae_jax
from cvae_jax import networks
from cvae_jax.evaluation import structure
from cvae_jax.evaluation.factor_reader import Reader, _better_forms, _noisy, _pixels, factor_reader
from cvae_jax.evaluation.structure import structure_entries, structure_scores
from cvae_jax.objectives.likelihoods import LIKELIHOODS
from cvae_jax.runs.model import Model


@pytest.fixture(scope="module")
def reader():
    """As an evaluation trains it, in fewer steps: it rests on the data and the pixels' noise."""
    model = Model(helpers.small_config(), OBJECTIVE, pair(COMPOSED), 0, 1)
    return factor_reader(data(), model, steps=500)


@pytest.fixture
def scores(reader, monkeypatch):
    monkeypatch.setattr(structure, "factor_reader", lambda *_: reader)
    return lambda *args, **kwargs: structure_scores(subject(*args, **kwargs))


def test_the_reader_reads_the_bars(reader):
    assert reader.names == NAMES
    assert min(reader.r2.values()) > 0.9


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_the_reader_sees_images_whose_mean_is_the_image(likelihood):
    """So of each likelihood, whose means are sigmoids of the decoder's outputs or are not."""
    grey = np.array([0, 26, 128, 255], np.uint8)
    images = np.repeat(grey, 40_000).reshape(1, 4, -1, 1)
    learned = dict(LIKELIHOODS[likelihood].parameters)
    noisy = np.asarray(_noisy((likelihood, learned), images, jax.random.key(0)))
    expected = np.clip(grey / 255, 0.01, 0.99)  # black and white are that far from theirs
    np.testing.assert_allclose(noisy.mean(axis=(0, 2, 3)), expected, atol=0.03)
    np.testing.assert_allclose(_noisy(None, images, None)[0, :, 0, 0], grey / 255, rtol=1e-6)


def test_the_reader_takes_the_objectives_likelihood_whatever_the_config_says():
    """One of the user's own may have another than the config, which nothing reads then."""
    config = helpers.small_config()
    assert config.objective.likelihood == "bernoulli"
    own = cvae_jax.vae(networks.burgess(8, 1, 4), likelihood="learned_gaussian")
    wrapped = cvae_jax.cascade(own, cvae_jax.structures.parse("1>3 2>3", 4), 1.0)
    params = wrapped.init(jax.random.key(0), np.zeros((2, 8, 8, 1), np.float32))
    name, learned = _pixels(Model(config, wrapped, params, 0, 1))
    assert (name, learned) == ("learned_gaussian", {"tenth_log_sigma": 0.0})
    grey = np.full((2, 8, 8, 1), 128, np.uint8)
    assert np.std(_noisy((name, learned), grey, jax.random.key(0))) > 0.5  # sigma begins at 1
    assert _pixels(Model(config, own._replace(likelihood=None), params, 0, 1)) is None


def test_the_form_of_a_factor_that_is_read_better_is_kept():
    """By hand: a number and two classes of a factor each; what an error leaves of 1 is R^2."""
    errors = [0.5, 0.1, 0.2, 0.95, 0.5, 0.5, 0.3, 0.4, np.nan]
    found = _better_forms(np.float32(errors), [[1, 2], [1, 2], [1, 2]])
    kept, columns, factor_of, r2 = found
    assert kept == [0, 2]  # of the second factor 0.05 and 0
    np.testing.assert_array_equal(columns, [1, 2, 6])
    np.testing.assert_array_equal(factor_of, [0, 0, 1])
    assert r2 == pytest.approx([0.7, 0.05, 0.7], abs=1e-6)
    nothing = _better_forms(np.full(3, np.nan), [[1, 2]])
    assert [len(part) for part in nothing] == [0, 0, 0, 1]


def test_factor_effects_are_those_of_the_renderer(scores):
    """Squares of the mixing: all variances are 1, of the data and of x_hat."""
    found = scores(pair(COMPOSED))
    np.testing.assert_allclose(found["factor_effects"], COMPOSED**2, atol=0.12)
    assert found["factors"] == list(NAMES)


def test_a_whole_and_its_parts_score_near_one(scores):
    found = scores(pair(COMPOSED))
    hierarchy = found["hierarchy"]
    assert hierarchy["score"] > 0.75
    assert hierarchy["quantile"] < 0.2
    assert hierarchy["families"] == [{"whole": 4, "parts": [1, 2], "score": hierarchy["score"]}]
    entry = structure_entries(subject(pair(COMPOSED)), found)["hierarchy"]
    assert entry["value"] == hierarchy["score"]
    assert "a 0.9" in entry["definition"]
    assert json.loads(json.dumps(found)) == found


def test_an_edge_has_the_lesser_information_of_both_passes(scores):
    """z of images that the pair decodes; z_hat of x_hat is the same map of it once more."""
    again = np.concatenate([COMPOSED[:, :3], COMPOSED[:, :2].mean(axis=1, keepdims=True)], axis=1)
    noise = np.exp(-4) * np.eye(4)
    of_z = again.T @ again + noise

    def information(covariance):  # of 1>4, given 2; that of 2>4 is the same
        precision = np.linalg.inv(covariance[np.ix_([0, 1, 3], [0, 1, 3])])
        return -0.5 * np.log(1 - precision[0, 2] ** 2 / (precision[0, 0] * precision[2, 2]))

    expected = min(information(of_z), information(again.T @ of_z @ again + noise))
    found = scores(pair(COMPOSED), z=(Z @ again).astype(np.float32))
    for edge in found["edges"].values():
        assert edge["nats"] == pytest.approx(expected, abs=0.15)
        assert edge["low"] < edge["nats"] < edge["high"] < edge["low"] + 0.4
    independent = scores(pair(COMPOSED))
    assert all(edge["high"] < 0.1 for edge in independent["edges"].values())


def test_the_arrows_of_a_decomposition_score_the_same(scores):
    assert scores(pair(COMPOSED), "4>1 4>2")["hierarchy"]["score"] > 0.75


def test_a_factorised_pair_scores_its_chance(scores):
    found = scores(pair(FACTORISED))["hierarchy"]
    assert found["score"] < 0.01
    assert found["score"] <= found["quantile"] < 0.05


def test_an_entangled_pair_scores_low(scores):
    found = scores(pair(ENTANGLED))["hierarchy"]
    assert found["score"] < 0.05


def test_the_trained_reader_does_not_see_marks(scores):
    found = scores(pair(ONE_EACH, 5e-4))
    np.testing.assert_allclose(found["factor_effects"], ONE_EACH, atol=0.15)
    assert max(found["factor_effects"][3]) < 0.01
    assert found["hierarchy"]["score"] == 0


class Enlarger:
    """A network that reads the bars and, much enlarged, what is below them, as a and b alike."""

    def apply(self, mark, images):
        below = images[:, HALF:].mean(axis=(1, 2, 3)) / mark
        return None, [lengths(images).at[:, :2].add(below[:, None])]


ENLARGER = Enlarger()
MARKS = [  # z_4's part of each of 128 pixels, x_hat sampled, seen
    (5e-4, True, False),
    (5e-4, False, True),
    (0.5, True, True),
]


@pytest.mark.parametrize(("mark", "sampled", "seen"), MARKS)
def test_marks_below_the_noise_of_the_pixels_score_nothing(monkeypatch, mark, sampled, seen):
    """A mark of 0.0005 of a pixel, which a network may enlarge to any size.

    With the decoder's mean in place of samples the same pair scores as a whole and its parts do,
    as it does where the mark is visible.
    """
    spread = np.full(4, 0.08)  # of a share, sigmoid(1.5 z)
    which = np.arange(4)
    r2 = dict.fromkeys(NAMES, 1.0)
    hand_made = Reader(ENLARGER, np.float32(mark), NAMES, which, which, spread, r2)
    monkeypatch.setattr(structure, "factor_reader", lambda *_: hand_made)
    objective = OBJECTIVE if sampled else OBJECTIVE._replace(sample=None)
    hierarchy = structure_scores(subject(pair(ONE_EACH, mark), objective=objective))["hierarchy"]
    if seen:
        assert hierarchy["score"] > 0.6
        assert hierarchy["score"] > hierarchy["quantile"]
    else:
        assert hierarchy["score"] <= hierarchy["quantile"] < 0.1


def test_unused_latents_and_what_else_is_undefined_is_said_in_one_line(scores, caplog):
    caplog.set_level("INFO")

    def undefined(*args, **kwargs):
        caplog.clear()
        found = scores(*args, **kwargs)
        assert found["hierarchy"] is None
        assert "hierarchy" not in structure_entries(subject(*args, **kwargs), found)
        (line,) = [r.message for r in caplog.records if "hierarchy left out" in r.message]
        return line

    assert "not in use: z2" in undefined(pair(COMPOSED), logvar=(-4, 0, -4, -4))
    assert "no node" in undefined(pair(COMPOSED), "1>4")


def test_factors_that_cannot_be_read_are_left_out_and_named(monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr(structure, "factor_reader", lambda *args: factor_reader(*args, steps=1))
    found = structure_scores(subject(pair(COMPOSED)))  # of a reader that has learnt nothing
    assert found["factors"] == []
    assert set(found["factor_r2"]) == set(NAMES)
    assert found["hierarchy"] is None
    for line in ("can't be read from images: a (R^2", "hierarchy left out: no factor can be read"):
        assert line in caplog.text


def test_data_without_labels_have_no_factor_effects(caplog):
    caplog.set_level("INFO")
    whole = subject(pair(COMPOSED))
    unlabelled = data()._replace(factors=np.zeros((N, 0), np.int32), factor_names=())
    found = structure_scores(whole._replace(dataset=unlabelled))
    assert found["factor_effects"] == [[]] * 4
    assert found["factors"] == []
    assert found["hierarchy"] is None
    assert set(found["edges"]) == {"1>4", "2>4"}
    assert "the data have no labels" in caplog.text
    constant = data()._replace(factors=np.ones((N, 4), np.int32))
    with pytest.raises(ValueError, match="no labels that vary"):
        factor_reader(constant, whole.model)
    with pytest.raises(ValueError, match="999 images are too few"):
        factor_reader(data()._replace(pixels=data().pixels[:999]), whole.model)
