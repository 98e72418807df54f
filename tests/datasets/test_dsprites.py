"""Rendered dSprites: the geometry of the shapes, the grids of factors, the records."""

import numpy as np
import pytest
from fixtures.tiny_dsprites import COUNT, SHAPE, TINY

from cvae_jax.datasets import dsprites, sprites

# Geometry


@pytest.mark.parametrize(("shape", "area"), [(0, 370), (1, 289), (2, 227)])
@pytest.mark.parametrize("scale", [0.5, 0.8, 1.0])
def test_area_centre_and_frame(shape, area, scale):
    positions = np.linspace(0, 1, 32)[::5]
    areas = []
    for orientation in np.linspace(0, 2 * np.pi, 40)[:-1:3]:
        images = sprites.render(shape, scale, orientation, positions, positions)
        assert images.shape == (7, 7, 64, 64)
        assert images.dtype == bool
        assert not images[..., [0, 63], :].any()
        assert not images[..., [0, 63]].any()
        for i, x in enumerate(positions):
            for j, y in enumerate(positions):
                rows, columns = np.nonzero(images[i, j])
                areas.append(len(rows))
                error = np.hypot(columns.mean() - (15.5 + 32 * x), rows.mean() - (15.5 + 32 * y))
                assert error < 0.8
    assert np.mean(areas) == pytest.approx(area * scale**2, rel=0.02)


def test_square_pixel_by_pixel():
    # Side 19.24 about 31.5: pixels 22..41 are nearer than 9.62.
    expected = np.zeros((64, 64), bool)
    expected[22:42, 22:42] = True
    (image,) = sprites.render(0, 1.0, 0.0, [0.5], [0.5])[0]
    np.testing.assert_array_equal(image, expected)
    moved = sprites.render(0, 1.0, 0.0, [0.75], [0.25])[0, 0]  # 8 columns right, 8 rows up
    np.testing.assert_array_equal(moved, np.roll(expected, (-8, 8), (0, 1)))


def test_ellipse_axes_turn():
    for orientation, (height, width) in [(0.0, (14, 26)), (np.pi / 2, (26, 14))]:
        image = sprites.render(1, 1.0, orientation, [0.5], [0.5])[0, 0]
        assert (image.any(1).sum(), image.any(0).sum()) == (height, width)


def test_heart_has_two_lobes_and_a_tip():
    image = sprites.render(2, 1.0, 0.0, [0.5], [0.5])[0, 0]
    np.testing.assert_array_equal(image, image[:, ::-1])
    rows = image[image.any(1)]
    steps = np.diff(rows.astype(int), axis=1, prepend=0, append=0)
    assert [(row == 1).sum() for row in steps[[0, -1]]] == [2, 1]  # lobes above, one tip below
    assert rows[-1].sum() <= 4
    assert rows.sum(1).argmax() < len(rows) / 2


def test_positions_differ_and_the_last_orientation_is_the_first():
    grid = np.linspace(0, 1, 32)
    for shape in range(3):
        images = sprites.render(shape, 0.5, 0.0, grid, grid)
        assert len(np.unique(np.packbits(images.reshape(1024, -1), axis=1), axis=0)) == 1024
        first, last = (
            sprites.render(shape, 0.9, sprites.FACTOR_VALUES[2][k], grid[:3], grid[:3])
            for k in (0, -1)
        )
        np.testing.assert_array_equal(first, last)


# Builders


def test_grids():
    configs = dsprites.RenderedDsprites.builder_configs
    assert configs["full"].shape == (3, 6, 40, 32, 32)
    assert configs["full"].num_images == 737_280
    assert configs["small"].shape == (3, 6, 10, 16, 16)
    assert configs["small"].num_images == 46_080
    values = configs["full"].values()
    np.testing.assert_array_equal(values[0], [1, 0.5, 0, 0, 0])
    np.testing.assert_allclose(values[1], [1, 0.5, 0, 0, 1 / 31])  # y fastest
    np.testing.assert_allclose(values[1024], [1, 0.5, 2 * np.pi / 39, 0, 0])
    np.testing.assert_allclose(values[-1], [3, 1, 2 * np.pi, 1, 1])
    labels = configs["full"].labels()
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels[737_280 // 3 + 32], [1, 0, 0, 1, 0])


def test_record_features(prepared):
    data_dir, dataset = prepared
    builder = dsprites.RenderedDsprites(config=TINY, data_dir=data_dir)
    features = builder.info.features
    names = ("shape", "scale", "orientation", "x_position", "y_position")
    assert set(features) == {f"label_{name}" for name in names} | {"image"}
    assert features["image"].shape == (64, 64, 1)
    assert features["image"].np_dtype == np.uint8
    source = builder.as_data_source(split="train")
    assert len(source) == COUNT
    for i, example in enumerate(source):
        labels = np.unravel_index(i, SHAPE)
        assert tuple(example[f"label_{name}"] for name in names) == labels
        assert example["image"].dtype == np.uint8
        np.testing.assert_array_equal(example["image"] * 255, dataset.images([i])[0])
