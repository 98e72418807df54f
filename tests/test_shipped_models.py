"""The models that ship: whole, small, and right on images that no grid holds."""

import re
from pathlib import Path

import jax
import numpy as np
import pytest

import cvae_jax
from cvae_jax import export, loading
from cvae_jax.datasets import heads, sprites
from cvae_jax.scores.images import intersection_over_union

DOCS = Path(__file__).parents[1] / "docs" / "models.md"
NAMES = sorted(path.name for path in loading.MODELS.iterdir())


@pytest.fixture(scope="module", params=NAMES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def model(name):
    return cvae_jax.load(name)


def fresh_images(name, size):
    """Images of places, turns and poses between those of the grid, float [60, size, size, 1]."""
    rng = np.random.default_rng(3)
    if name == "dsprites_cascade":
        drawn = [
            255 * sprites.render(i % 3, scale, angle, x, y)[0, 0, :, :, None]
            for i, scale, angle, x, y in zip(
                range(60),
                rng.uniform(0.5, 1, 60),
                rng.uniform(0, 2 * np.pi, 60),
                *rng.uniform(0, 1, (2, 60, 1)),
                strict=True,
            )
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


def test_the_card_tells_step_seed_scores_and_command(name, model):
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
        assert intersection_over_union(images, right) > 0.7  # it knows place and size, no shape
        assert intersection_over_union(images, wrong) < 0.3
    else:
        unexplained = ((images - right) ** 2).mean() / images.var(axis=0).mean()
        assert unexplained < 0.1
        assert ((images - wrong) ** 2).mean() / images.var(axis=0).mean() > 0.5


def test_its_programs_are_its_weights(name, model):
    images = fresh_images(name, model.config.data.size)
    encode, decode = (
        jax.export.deserialize(bytearray((loading.MODELS / name / file).read_bytes())).call
        for file in ("encoder.bin", "decoder.bin")
    )
    mean, logvar = encode(images)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5),
        (mean, logvar),
        model.encode(images),
    )
    np.testing.assert_allclose(decode(mean), model.decode(mean), atol=1e-5)
