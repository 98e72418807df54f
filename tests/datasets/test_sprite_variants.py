"""dSprites in colours, in noise and on patches: each variant from its formula, image by image."""

import itertools

import jax
import numpy as np
import pytest
from fixtures.tiny_dsprites import COUNT
from helpers import all_images

from cvae_jax import datasets
from cvae_jax.datasets import sprite_variants
from cvae_jax.errors import UserError


def both(prepared, kind):
    """(inside [N, 64, 64, 3], images of the variant)."""
    inside = np.repeat(all_images(prepared[1]) == 255, 3, axis=3)
    return inside, all_images(sprite_variants.make(prepared[1], kind)).astype(int)


def test_a_colour_for_each_image(prepared):
    inside, images = both(prepared, "color")
    assert not images[~inside].any()
    colours = images.max(axis=(1, 2))  # [N, 3]
    np.testing.assert_array_equal(images, inside * colours[:, None, None])
    assert colours.min() >= 128
    # uniform in [1/2, 1]: mean 191.5, and its standard error 37 / sqrt(3 N)
    assert abs(colours.mean() - 191.5) < 4 * 37 / np.sqrt(3 * COUNT)
    assert len(np.unique(colours, axis=0)) > COUNT / 2


def test_noise_behind_the_sprite(prepared):
    inside, images = both(prepared, "noisy")
    assert (images[inside] == 255).all()
    behind = images[~inside]
    counts = np.bincount(behind, minlength=256)
    expected = len(behind) / 256
    # chi-square with 255 degrees of freedom: mean 255, standard deviation 22.6
    assert np.sum((counts - expected) ** 2 / expected) < 255 + 5 * 22.6
    flat = images.reshape(COUNT, -1).astype(float)
    flat[inside.reshape(COUNT, -1)] = 127.5
    correlations = np.corrcoef(flat)[~np.eye(COUNT, dtype=bool)]
    assert np.abs(correlations).max() < 5.5 / np.sqrt(flat.shape[1])  # of independent noise


@pytest.mark.slow
def test_a_patch_behind_the_sprite_which_inverts_it(prepared):
    inside, images = both(prepared, "patches")
    behind = np.where(inside, 255 - images, images)
    texture = sprite_variants.texture().astype(int)
    places = set()
    for patch in behind[:20]:
        # 2 b = patch + colour, up to the bit that halving drops: found by its sharpest match
        found = [
            (row, column)
            for row in range(256)
            for column in range(256)
            if abs(
                2 * (patch[0, 0, 0] - patch[0, 9, 0])
                - (texture[row, column, 0] - texture[row, column + 9, 0])
            )
            < 2
            and np.ptp(2 * patch - texture[row : row + 64, column : column + 64], axis=(0, 1)).max()
            < 2
        ]
        assert len(found) == 1
        places.update(found)
    assert len(places) > 15


def test_the_textures_spectrum_is_that_of_natural_images():
    """Power falls as f^-2 (Field 1987): the slope of its logarithm by rings of frequencies."""
    grey = sprite_variants.texture().mean(axis=2)
    window = np.hanning(len(grey))
    power = np.abs(np.fft.fft2((grey - grey.mean()) * window[:, None] * window)) ** 2
    f = np.fft.fftfreq(len(grey))
    radius = np.hypot(f[:, None], f)
    edges = np.geomspace(1 / 64, 1 / 2, 9)
    rings = [(radius >= a) & (radius < b) for a, b in itertools.pairwise(edges)]
    logs = [(np.log(radius[ring]).mean(), np.log(power[ring].mean())) for ring in rings]
    assert -2.3 < np.polyfit(*np.transpose(logs), 1)[0] < -1.7


@pytest.mark.parametrize("kind", sprite_variants.KINDS)
def test_a_device_makes_the_same_images(prepared, kind):
    """As training on a GPU does, from rows in any order; and a part of a set has its own images."""
    dataset = sprite_variants.make(prepared[1], kind)
    rows = np.array([7, 3, 140, 3])
    expected = dataset.images(rows)
    assert expected.dtype == np.uint8
    on_device = jax.jit(dataset.decode)(dataset.pixels[rows])
    np.testing.assert_array_equal(on_device, expected)
    part = dataset._replace(pixels=dataset.pixels[rows], factors=dataset.factors[rows])
    np.testing.assert_array_equal(part.images(np.arange(4)), expected)


def test_an_image_number_beyond_three_bytes_has_its_own_noise():
    numbers = np.array([0, 1, 1 << 24, (1 << 24) + 1], np.uint32)
    drawn = sprite_variants.uniform(numbers, 64)
    assert len(np.unique(drawn, axis=0)) == 4


def test_names_load_them(tmp_path, prepared, monkeypatch):
    """By name, at another size: means of blocks of the variant, labels as before."""
    monkeypatch.setattr(
        "cvae_jax.datasets.dataset.load_builder",
        lambda name, cls, config, size, *rest: prepared[1]._replace(name=name, size=size),
    )
    for kind in sprite_variants.KINDS:
        small = datasets.load(f"dsprites_{kind}", 32, str(tmp_path))
        assert (small.name, small.channels, small.binary) == (f"dsprites_{kind}", 3, False)
        whole = all_images(datasets.load(f"dsprites_small_{kind}", 64, str(tmp_path)))
        means = whole.reshape(COUNT, 32, 2, 32, 2, 3).mean(axis=(2, 4))
        np.testing.assert_allclose(all_images(small), means, atol=0.51)
        np.testing.assert_array_equal(small.factors, prepared[1].factors)
        assert small.source != prepared[1].source
    with pytest.raises(UserError, match="did you mean 'dsprites_noisy'"):
        datasets.load("dsprites_noise")
