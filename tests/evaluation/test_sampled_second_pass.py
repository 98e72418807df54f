"""Structure scores of a decoder that hides a mark for the encoder, and of one that shows it."""

import helpers
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax.evaluation import structure
from cvae_jax.evaluation.structure import structure_scores
from cvae_jax.evaluation.subject import Subject
from cvae_jax.objectives.base import Objective
from cvae_jax.objectives.likelihoods import LIKELIHOODS
from cvae_jax.runs.model import Model

SIDE, LATENTS = 16, 4
RNG = np.random.default_rng(0)
FACTORS = RNG.integers(0, 8, (2_000, 3)).astype(np.int32)
TRUTH = ((FACTORS - 3.5) / 2).astype(np.float32)  # a latent of each factor, in [-1.75, 1.75]


def renderer(mark):
    """Three rows of the image grow with z_1 to z_3; the lower half is `mark` times z_1's share.

    The encoder reads a row's sum as its latent and the lower half's, much enlarged, as z_4, so
    that with the decoder's mean z_hat_4 = z_1 whatever the mark is worth.
    """

    def logits(z):
        share = jnp.clip((z + 2) / 4, 0.01, 0.99)  # [n, 4]
        columns = (jnp.arange(SIDE) + 0.5) / SIDE
        # A bar's end has a soft pixel, so that its sum tells z to a hundredth.
        bars = jnp.clip(SIDE * (share[:, :3, None] - columns) + 0.5, 1e-6, 1 - 1e-6)
        rest = jnp.full((len(z), SIDE // 2 - 3, SIDE), 1e-6)
        lower = jnp.broadcast_to(mark * share[:, :1, None], (len(z), SIDE // 2, SIDE))
        p = jnp.concatenate([bars, rest, lower], axis=1)[..., None]
        return jnp.log(p) - jnp.log1p(-p)

    p_x = LIKELIHOODS["bernoulli"]

    def encode(params, images):
        sums = images.sum(axis=(2, 3))  # [n, SIDE]
        bars = sums[:, :3] / SIDE * 4 - 2
        lower = sums[:, SIDE // 2 :].sum(axis=1) / (SIDE**2 // 2) / mark * 4 - 2
        mean = jnp.concatenate([bars, lower[:, None]], axis=1)
        return mean, jnp.full_like(mean, -6.0)

    def sample(params, z, keys):
        return p_x.sample(keys, logits(z))

    return Objective(
        init=None,
        model_loss=None,
        critic_loss=None,
        prior=lambda rng, n: jnp.asarray(RNG.permutation(np.tile(TRUTH, (5, 2))[:n, :4])),
        encode=encode,
        decode=lambda params, z, rng=None: p_x.mean(logits(z)),
        sample=sample,
    )


@pytest.fixture(autouse=True)
def no_reader(monkeypatch):
    """The images of the data are black: nothing to read factors from."""

    def refused(dataset, model):
        raise ValueError("black images")

    monkeypatch.setattr(structure, "factor_reader", refused)


def scores(objective, known=True):
    """Scores; known: of the data z_4 is z_1, as its lower halves show, or else not in use."""
    config = helpers.small_config(
        **{
            "objective.latents": LATENTS,
            "cascade.structure": "1>4",
            "cascade.critic_input": "z_hat",
        }
    )
    mean = np.concatenate([TRUTH, TRUTH[:, :1] * known], axis=1, dtype=np.float32)
    images = np.zeros((len(mean), SIDE, SIDE, 1), np.uint8)
    data = helpers.in_memory(images, FACTORS, ("a", "b", "c"))
    logvar = np.float32([-6, -6, -6, -6 * known]) * np.ones_like(mean)
    return structure_scores(Subject(Model(config, objective, {}, 0, 1), data, mean, logvar))


def test_a_mark_below_the_noise_of_the_pixels_scores_nothing():
    """128 pixels of 0.0005 z_1's share: a white one in every 31st image."""
    hidden = scores(renderer(5e-4))
    effects = np.array(hidden["effects"])
    np.testing.assert_allclose(np.diag(effects)[:3], 1, atol=0.15)
    assert effects[0, 3] < 0.03
    assert hidden["composition"][3] < 0.05
    edge = hidden["edges"]["1>4"]
    assert edge["low"] < 0.02 < edge["high"] < 0.1  # a white pixel in every 31st image says it
    # With the decoder's mean the same pair scores as if the edge were in the image.
    honest_looking = scores(renderer(5e-4)._replace(sample=None))
    assert np.array(honest_looking["effects"])[0, 3] == pytest.approx(1, abs=0.15)
    assert honest_looking["composition"][3] > 0.9
    assert honest_looking["edges"]["1>4"]["low"] > 1


def test_what_the_image_shows_is_scored():
    """128 pixels of 0.9 z_1's share: anybody can count them."""
    shown = scores(renderer(0.9))
    assert np.array(shown["effects"])[0, 3] == pytest.approx(1, abs=0.15)
    assert shown["composition"][3] > 0.6
    assert shown["edges"]["1>4"]["low"] > 1


def test_an_edge_that_samples_alone_have_scores_nothing():
    """The encoder answers samples as the edge asks, and says nothing of the kind of images."""
    assert scores(renderer(0.9), known=False)["edges"]["1>4"]["high"] < 0.1


def test_an_encoder_that_answers_samples_otherwise_is_named(caplog):
    shown = renderer(0.9)

    def encode(params, images):
        mean, logvar = shown.encode(params, images)
        return mean.at[:, 1].set(0.0), logvar

    assert scores(shown)["read_back"][1] > 0.9
    assert not caplog.records
    assert scores(shown._replace(encode=encode))["read_back"][1] < 0.01
    assert "z_2 otherwise" in caplog.text


def test_a_variance_beyond_float32_is_drawn_as_the_cascade_draws_it():
    """After 800 steps of dSprites an encoder was as unsure of an odd x_hat: the scoring ended."""
    shown = renderer(0.9)

    def of(logvar):
        def encode(params, images):
            mean, _ = shown.encode(params, images)
            return mean, jnp.full_like(mean, logvar)

        return scores(shown._replace(encode=encode))["forbidden_of_data"]

    assert of(300.0) == of(10.0)
