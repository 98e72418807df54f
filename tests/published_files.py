"""Small files in the forms in which data sets are published, which several test files write."""

import gzip
import io
import pickle
import struct
import tarfile
import zipfile

import h5py
import numpy as np
from PIL import Image

from cvae_jax.datasets import catalogue, celeba, chairs3d, pipeline, smallnorb

RNG = np.random.default_rng(0)


def manual(root, folder, name):
    path = root / "downloads" / "manual" / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def load(name, root, split="train", size=None):
    cls, _ = catalogue.builder(catalogue.ENTRIES[name])
    return pipeline.load(name, size or cls.STORED_SIZE, str(root), split)


def png(array, **kwargs):
    out = io.BytesIO()
    Image.fromarray(array).save(out, "png", **kwargs)
    return out.getvalue()


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


class Storage:
    """Pickled as torch.save does: a persistent id in place of the numbers."""

    def __init__(self, array):
        self.array = array


class Global:
    """Pickled as a global of the torch module, which is not installed."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class TorchPickler(pickle._Pickler):  # the one in Python, whose opcodes can be chosen
    def __init__(self, stream, legacy):
        super().__init__(stream, 2)
        self.legacy = legacy

    def persistent_id(self, thing):
        if not isinstance(thing, Storage):
            return None
        kind = Global("torch", "ByteStorage")
        pid = ("storage", kind, "0", "cpu", thing.array.size)
        return (*pid, None) if self.legacy else pid

    def save(self, thing, save_persistent_id=True):
        if isinstance(thing, Global):
            self.write(b"c" + f"{thing.module}\n{thing.name}\n".encode())
        else:
            super().save(thing, save_persistent_id)

    def tensor(self, array):
        """The call of _rebuild_tensor_v2 and the end of the pickle."""
        strides = tuple(s // array.itemsize for s in array.strides)
        self.write(pickle.PROTO + bytes([2]))
        self.save(Global("torch._utils", "_rebuild_tensor_v2"))
        self.save((Storage(array), 0, array.shape, strides, False, {}))
        self.write(pickle.REDUCE + pickle.STOP)


def torch_bytes(array, legacy):
    """A file such as torch.save writes, for one tensor of bytes."""
    out = io.BytesIO()
    if legacy:
        for thing in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            pickle.dump(thing, out, 2)
        TorchPickler(out, True).tensor(array)
        pickle.dump(["0"], out, 2)
        out.write(struct.pack("<q", array.size) + array.tobytes())
        return out.getvalue()
    TorchPickler(out, False).tensor(array)
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("archive/data.pkl", out.getvalue())
        archive.writestr("archive/data/0", array.tobytes())
    return whole.getvalue()
