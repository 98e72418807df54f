"""What plots and report say of the latents, also of labels that say nothing."""

from types import SimpleNamespace

import helpers
import jax
import numpy as np
import pytest

from cvae_jax import plots
from cvae_jax.evaluation import pictures
from cvae_jax.evaluation.latent_labels import LatentLabels
from cvae_jax.evaluation.structure import structure_scores
from cvae_jax.evaluation.subject import Subject
from cvae_jax.objectives.base import Objective
from cvae_jax.plots import animation, page
from cvae_jax.runs.model import Model

RNG = np.random.default_rng(0)
FACTORS = RNG.integers(0, 4, (200, 3)).astype(np.int32)
NAMES = ("a", "b", "c")


def posterior(factors):
    """Two latents that know the last two factors well, and one that knows nothing."""
    mean = np.stack([factors[:, 1] - 1.5, factors[:, 2] - 1.5, np.zeros(len(factors))], axis=1)
    return mean.astype(np.float32), np.tile(np.float32([-4, -4, 0]), (len(factors), 1))


def constant(column):
    """The labels with one column of a single value."""
    return np.where(np.arange(3) == column, 7, FACTORS).astype(np.int32)


IDENTITY = Objective(
    init=None,
    model_loss=None,
    critic_loss=None,
    prior=lambda rng, n: jax.random.normal(rng, (n, 3)),
    encode=lambda params, z: (z, 0 * z - 4),
    decode=lambda params, z, rng: z,
)


@pytest.mark.parametrize(
    ("factors", "known"),
    [(constant(0), True), (FACTORS[:19], False), (np.full((200, 3), 2), False)],
    ids=["one_constant", "few", "all_constant"],
)
def test_structure_scores_leave_out_labels_of_one_value(factors, known):
    scores = scored("1>3 2>3", *posterior(factors), factors)
    assert scores["composition"] == [None, None, 0.0 if known else None]


def scored(structure, mean, logvar, factors, objective=IDENTITY, critic_input="z_hat"):
    """The structure's scores of a second pass by `objective` for posteriors of some images."""
    fields = {"objective.latents": 3, "cascade.structure": structure or "independent"}
    config = helpers.small_config(**fields, **{"cascade.critic_input": critic_input})
    names = ("a", "b", "c")[: factors.shape[1]]
    images = np.zeros((len(mean), 8, 8, 1), np.uint8)
    data = helpers.in_memory(images, factors, names)
    return structure_scores(Subject(Model(config, objective, {}, 0, 1), data, mean, logvar))


def test_few_images_forbid_nothing_that_is_not_there():
    mean = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    arguments = mean, np.full_like(mean, -4), np.zeros((200, 0), int)
    np.testing.assert_allclose(scored("", *arguments)["forbidden_of_data"], 0, atol=0.02)
    few = (x[:7] for x in arguments)  # to be fitted by as many numbers
    assert scored("", *few)["forbidden_of_data"] is None


def test_what_a_decoder_draws_is_the_same_before_and_after():
    """As InfoGAN's category and noise: large beside the latents, and no effect of any z."""

    def decode(params, z, keys):
        del params
        return z + 100 * jax.vmap(lambda key: jax.random.normal(key, z.shape[1:]))(keys)

    drawing = IDENTITY._replace(decode=decode)
    arguments = np.zeros((30, 3)), np.zeros((30, 3)), np.zeros((30, 0), int)
    effects = np.array(scored("", *arguments, drawing)["effects"])
    assert (effects[~np.eye(3, dtype=bool)] == 0).all()
    assert 0 < effects.max() < 0.01  # 1 of 1 + 100^2, had it not been drawn


def test_what_the_data_forbid_and_the_prior_does_not():
    """Latents of data with correlation 0.8: 1/2 log 1 / (1 - r^2) nats, and z_hat has less."""
    rng = np.random.default_rng(1)
    covariance = np.array([[1, 0.8, 0], [0.8, 1, 0], [0, 0, 1]])
    mean = rng.multivariate_normal(np.zeros(3), covariance, 10_000).astype(np.float32)
    scores = scored("", mean, np.full_like(mean, -4), np.zeros((10_000, 0), int))
    r = 0.8 / (1 + np.exp(-4))  # the posteriors add noise, and those of x_hat as much again
    known = [0, -0.5 * np.log(1 - r**2), 0]
    np.testing.assert_allclose(scores["forbidden_of_data"], known, atol=0.015)
    np.testing.assert_allclose(scores["forbidden"], 0, atol=0.01)


def test_a_joint_critic_sees_dependence_among_posterior_latents():
    """Of the same latents z_hat is z and noise: all that is forbidden is z's own correlation."""
    rng = np.random.default_rng(1)
    covariance = np.array([[1, 0.8, 0], [0.8, 1, 0], [0, 0, 1]])
    mean = rng.multivariate_normal(np.zeros(3), covariance, 10_000).astype(np.float32)
    arguments = mean, np.full_like(mean, -4), np.zeros((10_000, 0), int)
    scores = scored("", *arguments, critic_input="joint")
    r = 0.8 / (1 + np.exp(-4))  # the posteriors add noise
    known = [0, -0.5 * np.log(1 - r**2), 0]
    np.testing.assert_allclose(scores["forbidden_of_data"], known, atol=0.03)
    np.testing.assert_allclose(scores["forbidden"], 0, atol=0.01)


def known(name):
    """One latent that knows half of a factor of this name."""
    return LatentLabels(np.ones(1), (name,), np.full((1, 1), 0.5), np.ones((1, 1), bool))


def test_dollars_of_names_are_no_formula(tmp_path):
    label = pictures._labels(known("price_$_to_$^{"), "normal")[0]
    head = {"title": "t", "subtitle": page.plain("pictures of $x_$^{")}
    plots.traversals(tmp_path / "a.png", np.zeros((1, 2, 4, 4, 1)), [0.0, 1.0], [label], **head)
    plots.animated_traversals(tmp_path / "a.gif", np.zeros((1, 2, 4, 4, 1)), [label])
    assert animation._lines(label) == ["z\u2081  KL 1.00", "price_$_to_$^{ 50 %"]


def test_names_of_any_bytes_are_drawn(tmp_path):
    """What is no character, or none that a font has, would end a drawing or be warned of."""
    name = "a\udcff\x1b[31m\n\u202eb"
    label = pictures._labels(known(name), "normal")[0]
    head = {"title": "t", "subtitle": page.plain(name)}
    assert head["subtitle"] == "a\\udcff\\x1b[31m \\u202eb"
    plots.traversals(tmp_path / "a.png", np.zeros((1, 2, 4, 4, 1)), [0.0, 1.0], [label], **head)
    plots.animated_traversals(tmp_path / "a.gif", np.zeros((1, 2, 4, 4, 1)), [label])


def test_the_film_has_as_many_latents_as_fit_and_no_more_are_decoded(tmp_path, monkeypatch):
    """Of 25 latents the plot has all in 11 images each, the film the first 20 in 21 frames."""
    drawn, decoded = {}, []

    def keep(name):
        return lambda path, images, *rest, **head: drawn.update({name: images})

    def decode(z):
        decoded.append(len(z))
        return np.asarray(z)[:, :, None, None]  # its images are [25, 1, 1]

    monkeypatch.setattr(pictures.plots, "traversals", keep("plot"))
    monkeypatch.setattr(pictures.plots, "animated_traversals", keep("film"))
    config = helpers.small_config(**{"eval.traversal_range": 2.0})
    model = SimpleNamespace(config=config, channels=1, decode=decode)
    order, mean = RNG.permutation(25), RNG.normal(size=(30, 25)).astype(np.float32)
    of = SimpleNamespace(config=config, model=model)
    pictures._traversals(tmp_path, of, "", mean, order, 25 * [""])
    assert sum(decoded) == 25 * 11 + 20 * 21
    start = mean[np.argmin(np.linalg.norm(mean, axis=1))]
    film = drawn["film"][..., 0, 0]
    assert film.shape == (20, 21 + 19, 25)
    for j, frames in zip(order, film, strict=False):
        own = np.arange(25) == j
        np.testing.assert_allclose(frames[[0, 10, 20], j], [-2, 0, 2], atol=1e-6)
        np.testing.assert_array_equal(frames[:, ~own], np.tile(start[~own], (40, 1)))
    there = np.linspace(-2, 2, 11)
    for j, images in zip(order, drawn["plot"][..., 0, 0], strict=True):
        np.testing.assert_allclose(images[:, j], there, atol=1e-6)
