"""Distances between sets of features, inception score, Inception-v3, the data's classifier."""

import pickle

import helpers
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from fixtures.inception_weights import torch_state

from cvae_jax import metrics
from cvae_jax.datasets import torch_file
from cvae_jax.devices import batches
from cvae_jax.errors import UserError
from cvae_jax.evaluation import classifier_features, sample_quality
from cvae_jax.networks import inception


def moments(rng, p, rows):
    x = rng.normal(size=(rows, p)) @ rng.normal(size=(p, p)) + rng.normal(size=p)
    return x.mean(axis=0), np.cov(x, rowvar=False)


@pytest.mark.parametrize("p", [1, 2, 40])
def test_frechet_distance_is_that_of_the_matrix_square_root(p):
    rng = np.random.default_rng(p)
    (m1, c1), (m2, c2) = moments(rng, p, 200), moments(rng, p, 200)
    c1, c2 = np.atleast_2d(c1), np.atleast_2d(c2)
    root = scipy.linalg.sqrtm(c1 @ c2).real
    expected = np.sum((m1 - m2) ** 2) + np.trace(c1 + c2 - 2 * root)
    assert metrics.frechet_distance(m1, c1, m2, c2) == pytest.approx(expected, rel=1e-6)
    assert metrics.frechet_distance(m1, c1, m1, c1) == pytest.approx(0, abs=1e-9 * np.trace(c1))


def test_frechet_distance_of_singular_covariances_by_hand():
    # Of diagonal matrices it is |m|^2 + sum (sqrt a - sqrt b)^2.
    a, b = np.diag([4.0, 0, 1]), np.diag([1.0, 0, 0])
    found = metrics.frechet_distance(np.zeros(3), a, np.array([0, 3.0, 0]), b)
    assert found == pytest.approx(9 + 1 + 1)


def test_frechet_distance_refuses_what_it_cannot_measure():
    good = np.zeros(2), np.eye(2)
    with pytest.raises(ValueError, match="disagree"):
        metrics.frechet_distance(*good, np.zeros(3), np.eye(3))
    with pytest.raises(ValueError, match="finite"):
        metrics.frechet_distance(*good, np.zeros(2), np.full((2, 2), np.nan))


def test_streamed_moments_are_those_of_all_rows():
    x = np.random.default_rng(0).normal(size=(1000, 7)).astype(np.float32) + 1000
    state = None
    for part in np.split(x, [1, 10, 500]):
        state = metrics.add_moments(state, part)
    np.testing.assert_allclose(state.mean, x.astype(float).mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(state.covariance, np.cov(x.astype(float), rowvar=False), rtol=1e-9)


def test_kernel_distance_is_the_unbiased_estimate_by_loops():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 3)) + 1

    def kernel(a, b):
        return (a @ b / 3 + 1) ** 3

    within = sum(kernel(s[i], s[j]) for s in (x, y) for i in range(6) for j in range(6) if i != j)
    across = sum(kernel(a, b) for a in x for b in y)
    found = metrics.kernel_distance(x, y, seed=0, subsets=3)
    assert found.mean == pytest.approx(within / 30 - 2 * across / 36)
    assert np.isnan(found.std)  # every subset is everything
    assert metrics.kernel_distance(x, y, seed=0, subsets=3, subset_size=5).std > 0
    same = metrics.kernel_distance(rng.normal(size=(500, 3)), rng.normal(size=(500, 3)), seed=0)
    assert abs(same.mean) < 0.1 < found.mean


def test_inception_score_by_hand_and_by_numpy():
    sure = np.tile(np.eye(4), (10, 1))
    assert metrics.inception_score(sure, 10).mean == pytest.approx(4)  # each part has all classes
    assert metrics.inception_score(np.full((20, 4), 0.25), 2).mean == pytest.approx(1)
    p = np.random.default_rng(2).dirichlet(np.ones(5), 100)
    parts = []
    for i in range(4):
        part = p[25 * i : 25 * (i + 1)]
        kl = part * (np.log(part) - np.log(part.mean(axis=0, keepdims=True)))
        parts.append(np.exp(np.mean(np.sum(kl, axis=1))))
    found = metrics.inception_score(p, 4)
    assert found == pytest.approx((np.mean(parts), np.std(parts)))
    with pytest.raises(ValueError, match="at least 10 splits"):
        metrics.inception_score(p[:9])
    with pytest.raises(ValueError, match="sum to 1"):
        metrics.inception_score(2 * p)


def test_inceptions_weights_have_the_names_and_number_of_pytorch_fids():
    state = torch_state()
    assert len(state) == 94 * 5 + 1  # 94 convolutions with their normalisation, fc's matrix
    assert state["Conv2d_1a_3x3.conv.weight"].shape == (32, 3, 3, 3)
    assert state["Mixed_6b.branch7x7dbl_2.conv.weight"].shape == (128, 128, 7, 1)
    inception.params_from_torch(state)
    del state["Mixed_7c.branch3x3_2b.bn.bias"]
    with pytest.raises(ValueError, match=r"no Mixed_7c\.branch3x3_2b\.bn\.bias"):
        inception.params_from_torch(state)


def test_another_file_of_weights_is_refused(tmp_path):
    file = tmp_path / sample_quality.WEIGHTS.name
    with pytest.raises(UserError, match="there is no file"):
        sample_quality.inception_params(str(file), tmp_path)
    file.write_bytes(b"other bytes")
    with pytest.raises(UserError, match=r"has not the bytes of https://github\.com"):
        sample_quality.inception_params(str(file), tmp_path)


def test_a_pickle_that_runs_a_command_is_refused_and_runs_nothing(tmp_path):
    trace = tmp_path / "trace"

    class Evil:
        def __reduce__(self):
            import os

            return os.system, (f"touch {trace}",)

    file = tmp_path / "evil.pth"
    file.write_bytes(pickle.dumps({"fc.weight": Evil()}))
    with pytest.raises(ValueError, match=r"asks for (posix|os)\.system, which is no tensor"):
        torch_file.read(file)
    assert not trace.exists()


def test_samples_do_not_depend_on_batches_or_devices():
    objective = helpers.small_cascade(size=16)
    params = jax.jit(objective.init)(jax.random.key(0), jnp.zeros((16, 16, 16, 1)))
    drawn = []
    for devices, b in ((1, 8), (4, 4)):
        rng = jax.random.key(1)
        images = batches.draw_images(objective, params, rng, 8, jax.devices()[:devices])
        drawn.append(np.concatenate([images(np.arange(i, i + b)) for i in range(0, 8, b)]))
    assert drawn[0].shape == (8, 16, 16, 1)
    assert drawn[0].dtype == np.uint8
    np.testing.assert_allclose(drawn[0].astype(int), drawn[1], atol=1)


@pytest.fixture(scope="module")
def striped():
    """Images whose two factors, of 2 and 3 values, are seen: bright or dark, and which third."""
    dataset = helpers.noise_dataset(600, 16)
    factors = np.stack([np.arange(600) % 2, np.arange(600) // 2 % 3], axis=1).astype(np.int32)
    images = np.zeros((600, 16, 16, 1), np.uint8)
    for image, (bright, third) in zip(images, factors, strict=True):
        image[:, 5 * third : 5 * third + 5] = 250 if bright else 100
    return dataset._replace(factors=factors, pixels=images)


@pytest.fixture(scope="module")
def trained(striped, tmp_path_factory):
    """(its classifier, the folder that keeps it)."""
    folder = tmp_path_factory.mktemp("classifiers") / "new"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier_features, "STEPS", 140)
        return classifier_features.classifier(striped, folder), folder


def test_the_classifier_learns_is_kept_and_trained_again_if_damaged(striped, trained, monkeypatch):
    first, folder = trained
    assert first.accuracy == {"a": 1.0, "b": 1.0}
    (kept,) = folder.glob("*.msgpack")
    content = kept.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(classifier_features, "_fit", None)  # would raise
        again = classifier_features.classifier(striped, folder)
    helpers.assert_trees_equal(again.params, jax.device_get(first.params))
    assert again.accuracy == first.accuracy
    monkeypatch.setattr(classifier_features, "STEPS", 140)
    kept.write_bytes(content[: len(content) // 2])
    classifier_features.classifier(striped, folder)
    assert len(kept.read_bytes()) == len(content)
    nothing = striped._replace(factor_names=(), factors=striped.factors[:, :0])
    with pytest.raises(UserError, match="no labels"):
        classifier_features.classifier(nothing, folder)


@pytest.mark.slow
def test_images_of_28_pixels_are_classified_with_a_black_rim():
    module = classifier_features.Classifier((2, 3))
    images = jnp.asarray(np.random.default_rng(0).random((4, 28, 28, 1)), jnp.float32)
    params = jax.jit(module.init)(jax.random.key(0), images)
    padded = jnp.pad(images, [(0, 0), (0, 4), (0, 4), (0, 0)])
    found, expected = module.apply(params, images)[0], module.apply(params, padded)[0]
    np.testing.assert_array_equal(found, expected)
    gradient = jax.grad(lambda params: module.apply(params, images)[0].sum())(params)
    assert all(np.abs(x).max() > 0 for x in jax.tree.leaves(gradient["params"]["StridedConv_0"]))


@pytest.mark.slow
def test_a_factor_of_one_value_is_left_out_of_the_inception_score():
    rng = np.random.default_rng(0)
    sure = np.eye(4, dtype=np.float32)[rng.integers(0, 4, 1_100)]
    images = rng.random((1_100, 1, 1, 1)).astype(np.float32)  # a number each, which is its feature

    def quality(probabilities):
        network = lambda x: (x[:, 0, 0], [p[: len(x)] for p in probabilities])
        draw = lambda index: images[index]
        devices = jax.devices()[:1]
        return sample_quality.distances(
            network, draw, draw, 1_000, devices, kind="classifier", seed=0
        )["is"]

    constant = np.ones((1_100, 1), np.float32)
    assert quality([sure, constant]).mean == quality([sure]).mean == pytest.approx(4, rel=0.02)
    assert quality([constant]).mean == 1


def test_better_samples_have_better_scores(striped, trained):
    devices = jax.devices()[:2]
    network = sample_quality.classifier_network(trained[0], devices)
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (300, 16, 16, 1), dtype=np.uint8)

    def quality(fake):
        return sample_quality.distances(
            network, striped.images, fake, 300, devices, kind="classifier", seed=0
        )

    same, bad = quality(lambda i: striped.images(i + 300)), quality(lambda i: noise[i])
    assert same["fid"] < 1e-3 * bad["fid"]
    assert same["kid"].mean < bad["kid"].mean
    assert same["is"] == same["is_of_data"]
    # two values and three: sqrt(2 x 3) where the classifier is sure
    assert same["is"].mean == pytest.approx(6**0.5, rel=0.02)
    assert bad["is"].mean < 1.5
