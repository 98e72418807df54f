"""SmallNORB from its binary matrices: toys, four factors, the left camera's images at 64x64."""

import struct

import numpy as np
from PIL import Image

from cvae_jax.datasets import sources
from cvae_jax.datasets.image_builder import ImageBuilder
from cvae_jax.datasets.resizing import square

_URL = "https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/"
_STEMS = {
    "train": "smallnorb-5x46789x9x18x6x2x96x96-training",
    "test": "smallnorb-5x01235x9x18x6x2x96x96-testing",
}
# Size and digest as tensorflow-datasets 4.9.10 lists them.
_PUBLISHED = {
    ("train", "dat"): (
        131896188,
        "5ffd6272a07d32695ee1082a26a41a93a37aab8c28da047f8c34ed348d214873",
    ),
    ("train", "cat"): (348, "2784e542c1922060691090952b6cd6278879a216c90f81476f0f00256d42cdaa"),
    ("train", "info"): (71052, "de7eb932ebe7a4ee16217fead60660d0eb3d23632c2f4d1c51f88c501c17bf32"),
    ("test", "dat"): (
        130799817,
        "cf7104eed3e51174d2f65b66d1e5878b9da233b886f161b0d88f4510ba2c7474",
    ),
    ("test", "cat"): (347, "ecaf6d5bb8c3bc5eab9cf0258f6d2198dd474e016e374836fc097f2e5ff509ff"),
    ("test", "info"): (10428, "16adf314226327ee006d1a44db8cfef52773c06c829951d5653a9f6f310248a2"),
}
_TYPES = {0x1E3D4C55: np.uint8, 0x1E3D4C54: np.int32}


class SmallNorb(ImageBuilder):
    """Grey 64x64 toys, 24,300 to train and as many other ones to test (LeCun et al. 2004)."""

    SPLITS = tuple(_STEMS)

    @property
    def factors(self):
        return {"category": 5, "elevation": 9, "azimuth": 18, "lighting": 6}

    def read(self, root):
        splits = {}
        for split, stem in _STEMS.items():
            found = [
                sources.find(_file(split, stem, kind), root, "smallnorb")
                for kind in ("dat", "cat", "info")
            ]
            paths = [one.path for one in found]
            rows = sources.refusing(
                paths[0], "SmallNORB's images, with labels beside it", _read(*paths)
            )
            splits[split] = (
                f"SmallNORB, {split} images of the left camera{sources.note(*found)}",
                rows,
            )
        return splits


def _file(split, stem, kind):
    name = f"{stem}-{kind}.mat.gz"
    size, sha256 = _PUBLISHED[split, kind]
    return sources.File(name, (_URL + name,), f"sha256:{sha256}", size)


def _read(images_path, categories_path, info_path):
    images, categories, info = map(read_matrix, (images_path, categories_path, info_path))
    if images.ndim != 4 or images.shape[1:] != (2, 96, 96):
        raise ValueError(f"its images are {images.shape[1:]}, not two of 96x96")
    count = len(images)
    if categories.size != count or info.shape != (count, 4):
        raise ValueError(f"{count} images, {categories.size} categories, info {info.shape}")
    _, elevation, azimuth, lighting = info.T  # azimuth 0, 2, ..., 34: times 10 degrees
    if np.any(azimuth % 2):
        raise ValueError("an azimuth is odd")
    labels = np.stack([categories.reshape(-1), elevation, azimuth // 2, lighting], axis=1)
    for image, row in zip(images[:, 0], labels, strict=True):
        yield square(Image.fromarray(image), 64, 1), row


def read_matrix(path) -> np.ndarray:
    """Reads a file in NORB's binary matrix format, gzipped or not.

    Raises:
      ValueError: an unknown type, or not as long as its header says.
    """
    with sources.unpacked(path) as stream:
        header = stream.read(20)  # at least three sizes are stored
        if len(header) < 20:
            raise ValueError("its header is cut off")
        magic, ndim, *shape = struct.unpack("<5I", header)
        if magic not in _TYPES or ndim > 8:
            raise ValueError("no binary matrix of bytes or integers")
        more = stream.read(4 * max(ndim - 3, 0))
        if len(more) < 4 * (ndim - 3):
            raise ValueError("its header is cut off")
        shape = (*shape, *struct.unpack(f"<{len(more) // 4}I", more))[:ndim]
        return sources.read_array(stream, _TYPES[magic], shape)
