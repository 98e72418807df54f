"""The models that ship: whole, small, and right on images that no grid holds."""

import re
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import cvae_jax
from cvae_jax import export
from cvae_jax.datasets import heads, sprites
from cvae_jax.evaluation.images import intersection_over_union
from cvae_jax.runs import loading

DOCS = Path(__file__).parents[2] / "docs" / "models.md"
NAMES = sorted(path.name for path in loading.MODELS.iterdir())


@pytest.fixture(scope="module", params=NAMES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def model(name):
    return cvae_jax.load(name)


def sprite_factors():
    """Scale [60], orientation [60], x [60, 1] and y [60, 1] between those of the grid."""
    rng = np.random.default_rng(3)
    scale, orientation = rng.uniform(0.5, 1, 60), rng.uniform(0, 2 * np.pi, 60)
    return scale, orientation, *rng.uniform(0, 1, (2, 60, 1))


def fresh_images(name, size):
    """Images of places, turns and poses between those of the grid, float [60, size, size, 1]."""
    rng = np.random.default_rng(3)
    if name == "dsprites_cascade":
        drawn = [
            255 * sprites.render(i % 3, *factors)[0, 0, :, :, None]
            for i, factors in enumerate(zip(*sprite_factors(), strict=True))
        ]
    else:
        people = [heads.identity(i) for i in range(0, 50, 5)]
        drawn = [
            heads.render(people[i % 10], azimuth, elevation, [light])[0]
            for i, (azimuth, elevation, light) in enumerate(
                rng.uniform([-45, -15, -60], [45, 15, 60], (60, 3))
            )
        ]
    blocks = np.stack(drawn).reshape(60, size, 64 // size, size, 64 // size, 1)
    return blocks.mean(axis=(2, 4)).astype(np.float32) / 255


def test_the_docs_name_those_that_ship():
    assert NAMES == re.findall(r"^\| `(\w+_cascade)` \|", DOCS.read_text(), re.MULTILINE)


def test_it_is_a_whole_export_under_5_mb(name):
    folder = loading.MODELS / name
    assert {path.name for path in folder.iterdir()} == set(export.FILES)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 5e6


def test_the_card_has_step_seed_scores_and_command(name, model):
    card = (loading.MODELS / name / "card.md").read_text()
    config = model.config
    assert model.step == config.num_steps
    assert f"{model.step:,} of {model.step:,} steps, batch 64, seed {config.seed}" in card
    for words in ("| mig |", "| factor_score |", "python -m cvae_jax.main", "## Limits"):
        assert words in card


def test_it_reconstructs_images_that_it_has_not_seen(name, model):
    images = fresh_images(name, model.config.data.size)
    mean, _ = model.encode(images)
    right = np.asarray(model.decode(mean))
    wrong = np.roll(right, 1, axis=0)
    if name == "dsprites_cascade":
        assert intersection_over_union(images, right) > 0.8
        assert intersection_over_union(images, wrong) < 0.3
    else:
        unexplained = ((images - right) ** 2).mean() / images.var(axis=0).mean()
        assert unexplained < 0.1
        assert ((images - wrong) ** 2).mean() / images.var(axis=0).mean() > 0.5


def test_x_y_and_scale_of_sprites_have_a_latent_each():
    model = cvae_jax.load("dsprites_cascade")
    mean = np.asarray(model.encode(fresh_images("dsprites_cascade", 32))[0])
    in_use = mean[:, mean.std(axis=0) > 0.5]
    scale, _, x, y = sprite_factors()
    ranks = [[abs(stats.spearmanr(code, f.ravel())[0]) for code in in_use.T] for f in (x, y, scale)]
    assert len(set(np.argmax(ranks, axis=1))) == 3
    np.testing.assert_array_less([0.98, 0.98, 0.85], np.max(ranks, axis=1))
    assert np.sort(ranks, axis=1)[:, :-1].max() < 0.4  # the other latents say little about it


def test_its_programs_are_its_weights(name, model):
    images = fresh_images(name, model.config.data.size)
    encode, decode = (
        jax.export.deserialize(bytearray((loading.MODELS / name / file).read_bytes())).call
        for file in ("encoder.bin", "decoder.bin")
    )
    mean, logvar = encode(images)
    chex.assert_trees_all_close([mean, logvar], [*model.encode(images)], atol=1e-5)
    np.testing.assert_allclose(decode(mean), model.decode(mean), atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.encode(np.zeros((3, 64, 64, 1))), r"\(3, 64, 64, 1\); .* \[n, 32, 32, 1\]"),
        (lambda m: m.encode(np.zeros((32, 32, 1))), r"images have shape \(32, 32, 1\)"),
        (lambda m: m.decode(np.zeros((3, 9))), r"latents have shape \(3, 9\); .* \[n, 10\]"),
        (lambda m: m.encode(np.full((3, 32, 32, 1), 255.0)), r"from 255 to 255: make them uint8"),
        (lambda m: m.encode(np.full((3, 32, 32, 1), np.nan)), r"images are from nan"),
        (lambda m: m.encode(np.zeros((3, 32, 32, 1), int)), r"images are int32: make them uint8"),
        (lambda m: m.encode("x"), r"images are no array of numbers \(str\): .* \[n, 32, 32, 1\]"),
        (lambda m: m.encode(None), r"images are no array of numbers \(NoneType\)"),
        (lambda m: m.decode([[0.0] * 10, [0.0]]), r"latents are no array of numbers \(list\)"),
        (lambda m: m.decode(np.full((3, 10), np.nan)), r"NaN or infinity, 30 of 30"),
        (lambda m: m.decode([[0.0] * 9 + [np.inf]]), r"NaN or infinity, 1 of 10"),
        (lambda m: m.decode(np.zeros((3, 10), complex)), r"latents are complex"),
        (lambda m: m.decode(np.zeros((3, 10)), 0), r"rng is no key \(int\)"),
    ],
    ids=[
        *("size", "one_image", "codes", "range", "nan", "int"),
        *("text", "none", "ragged", "nan_codes", "infinity", "complex", "no_key"),
    ],
)
def test_what_is_no_batch_of_its_images_or_latents_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(cvae_jax.load("dsprites_cascade"))


@pytest.mark.parametrize("name", [None, 3, b"dsprites_cascade"], ids=str)
def test_what_names_no_model_is_refused(name):
    with pytest.raises(ValueError, match=r"is no path: name the folder of a run or an exported"):
        cvae_jax.load(name)


def test_of_no_images_there_are_no_latents_and_the_other_way():
    """As of one, its rows left out."""
    model = cvae_jax.load("dsprites_cascade")
    for make in (np.zeros, jnp.zeros):
        empty, one = (make((n, 32, 32, 1), np.uint8) for n in (0, 1))
        for found, like in zip(model.encode(empty), model.encode(one), strict=True):
            assert (found.shape, found.dtype) == ((0, 10), like.dtype)
        empty, one = (make((n, 10), np.float32) for n in (0, 1))
        found, like = model.decode(empty), model.decode(one)
        assert (found.shape, found.dtype) == ((0, 32, 32, 1), like.dtype)
    assert jax.jit(model.decode)(empty).shape == (0, 32, 32, 1)


def test_a_model_encodes_within_a_program():
    model = cvae_jax.load("dsprites_cascade")
    z = [[0.5] * 10, [-0.5] * 10]
    mean = jax.jit(lambda z: model.encode(model.decode(z))[0])(np.array(z, np.float32))
    np.testing.assert_allclose(mean, model.encode(model.decode(z))[0], rtol=1e-4, atol=1e-5)
