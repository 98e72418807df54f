"""Data sets' files that are cut short, missing or of other sizes or labels: nothing is prepared."""

import numpy as np
import pytest
from fixtures.published_files import (
    MPI3D_GRID,
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

from cvae_jax.datasets import faces3d, mpi3d, smallnorb
from cvae_jax.errors import UserError


def broken(name, root):
    """A truncated file of each data set, as text of the path that must be named."""
    if name in ("mnist", "fashion_mnist"):
        write_idx(root, name)
        path = manual(root, name, "train-images-idx3-ubyte.gz")
    elif name == "celeba":
        path, _ = write_celeba(root)
    elif name == "chairs3d":
        path = write_chairs(root)
    elif name == "cars3d":
        path = write_cars(root)
    elif name == "mpi3d_toy":
        path = write_mpi3d(root)
    elif name == "shapes3d":
        path, _ = write_shapes(root)
    elif name == "smallnorb":
        write_norb(root)
        path = manual(root, "smallnorb", f"{smallnorb._STEMS['train']}-dat.mat.gz")
    else:
        path = manual(root, "faces3d", faces3d.FILE.name)
        path.write_bytes(torch_bytes(np.zeros((4, 64, 64), np.uint8), True))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


FROM_FILES = [
    "mnist",
    "fashion_mnist",
    "celeba",
    "chairs3d",
    "shapes3d",
    "smallnorb",
    "faces3d",
    "cars3d",
    "mpi3d_toy",
]


@pytest.fixture(autouse=True)
def a_small_grid(monkeypatch):
    monkeypatch.setattr(mpi3d, "GRID", MPI3D_GRID)


@pytest.mark.parametrize("name", FROM_FILES)
def test_truncated(tmp_path, name):
    path = broken(name, tmp_path)
    with pytest.raises(UserError) as caught:
        load(name, tmp_path)
    message = str(caught.value)
    assert str(path) in message
    assert "put a good one in its place and run the same command again" in message
    assert "\n" not in message
    assert not list(tmp_path.glob("*/*/*.*.*/"))
    assert not list(tmp_path.rglob("incomplete*"))


@pytest.mark.parametrize("name", FROM_FILES)
@pytest.mark.usefixtures("no_network")
def test_missing(tmp_path, name):
    with pytest.raises(UserError) as caught:
        load(name, tmp_path)
    message = str(caught.value)
    assert "is missing" in message
    assert f"{tmp_path}/downloads/manual/{name}/" in message
    assert "https://" in message or "http://" in message
    assert "run the same command again" in message
    assert "\n" not in message
    assert not list(tmp_path.glob("*/*/*.*.*/"))


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("mnist", lambda r: write_idx(r, "mnist", shape=(32, 32)), r"images are \(32, 32\)"),
        ("celeba", lambda r: write_celeba(r, size=(64, 64)), "is 64x64, not 178x218"),
        ("chairs3d", lambda r: write_chairs(r, side=500), "is 500x500, not 600x600"),
        ("mnist", lambda r: write_idx(r, "mnist", labels=np.arange(5, 40, dtype=np.uint8)), "10"),
        ("smallnorb", lambda r: write_norb(r, lighting=6), "'lighting': 6"),
        ("chairs3d", lambda r: write_chairs(r, elevations=(20, 45)), "elevation 45, none of"),
        (
            "shapes3d",
            lambda r: write_shapes(r, labels=np.tile(np.arange(8.0)[:, None], 6)),
            "'shape': 4",
        ),
        ("cars3d", lambda r: write_cars(r, listed=["car_c_mesh"]), "no car_c_mesh.mat"),
        ("cars3d", lambda r: write_cars(r, change=lambda x: x[:64, :64]), "array im of bytes"),
        ("cars3d", lambda r: write_cars(r, change=lambda x: x / 255), "array im of bytes"),
        ("mpi3d_toy", lambda r: write_mpi3d(r, count=47), "47 images, not 48"),
        ("mpi3d_toy", lambda r: write_mpi3d(r, count=49), "more than 48 images"),
        (
            "mpi3d_toy",
            lambda r: write_mpi3d(r, images=np.zeros((48, 32, 32, 3), np.uint8)),
            r"images is uint8 \(48, 32, 32, 3\)",
        ),
    ],
)
def test_wrong_size_or_label(tmp_path, name, write, message):
    write(tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        load(name, tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("*/*/*.*.*/"))
    assert not list(tmp_path.rglob("incomplete*"))
