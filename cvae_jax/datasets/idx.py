"""MNIST and Fashion-MNIST from their IDX files."""

import dataclasses
import pathlib
import struct

import numpy as np
import tensorflow_datasets as tfds

from cvae_jax.datasets import sources
from cvae_jax.datasets.image_builder import ImageBuilder

_SPLITS = {"train": "train", "test": "t10k"}
# Sizes and digests as tensorflow-datasets 4.9.10 lists them.
_MNIST = {
    "train-images-idx3-ubyte.gz": (
        9912422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    "train-labels-idx1-ubyte.gz": (
        28881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    "t10k-images-idx3-ubyte.gz": (
        1648877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    "t10k-labels-idx1-ubyte.gz": (
        4542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
}
_FASHION = {
    "train-images-idx3-ubyte.gz": (
        26421880,
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    ),
    "train-labels-idx1-ubyte.gz": (
        29515,
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    ),
    "t10k-images-idx3-ubyte.gz": (
        4422102,
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    ),
    "t10k-labels-idx1-ubyte.gz": (
        5148,
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
}


@dataclasses.dataclass(eq=False)
class IdxConfig(tfds.core.BuilderConfig):
    """A data set of four IDX files."""

    title: str = ""
    factor: str = ""
    urls: tuple[str, ...] = ()  # folders of the files
    files: dict = dataclasses.field(default_factory=dict)  # name: (bytes, sha256)


MNIST = IdxConfig(
    name="mnist",
    title="MNIST",
    factor="digit",
    urls=(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    files=_MNIST,
)
FASHION_MNIST = IdxConfig(
    name="fashion_mnist",
    title="Fashion-MNIST",
    factor="article",
    urls=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    files=_FASHION,
)


class IdxImages(ImageBuilder):
    """Grey 28x28 images of ten classes, 60,000 to train and 10,000 to test."""

    STORED_SIZE = 28
    SPLITS = tuple(_SPLITS)
    BUILDER_CONFIGS = (MNIST, FASHION_MNIST)

    @property
    def factors(self):
        return {self.builder_config.factor: 10}

    def read(self, root):
        config, splits = self.builder_config, {}
        for split, prefix in _SPLITS.items():
            images, labels = (
                sources.find(self._file(f"{prefix}-{kind}-ubyte.gz"), root, config.name)
                for kind in ("images-idx3", "labels-idx1")
            )
            (arrays,) = sources.refusing(
                images.path,
                f"a {config.title} image file with labels in {labels.path.name}",
                _both(images.path, labels.path),
            )
            note = sources.note(images, labels)
            source = f"{config.title}, {len(arrays[0]):,} {split} images{note}"
            splits[split] = source, zip(*arrays, strict=True)
        return splits

    def _file(self, name):
        size, sha256 = self.builder_config.files[name]
        urls = tuple(url + name for url in self.builder_config.urls)
        return sources.File(name, urls, f"sha256:{sha256}", size)


def _both(images_path, labels_path):
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.ndim != 3 or images.shape[1:] != (28, 28):
        raise ValueError(f"its images are {images.shape[1:]}, not 28x28")
    if labels.shape != images.shape[:1]:
        raise ValueError(f"{len(images)} images and labels {labels.shape}")
    yield images[..., None], labels


def read_idx(path: pathlib.Path) -> np.ndarray:
    """Reads an IDX file of unsigned bytes, gzipped or not (yann.lecun.com/exdb/mnist).

    Raises:
      ValueError: not an IDX file of bytes, or not as long as its header says.
    """
    with sources.unpacked(path) as stream:
        magic = stream.read(4)
        if len(magic) < 4 or magic[:3] != b"\0\0\x08":
            raise ValueError("no IDX file of bytes")
        sizes = stream.read(4 * magic[3])
        if len(sizes) < 4 * magic[3]:
            raise ValueError("its header is cut off")
        return sources.read_array(stream, np.uint8, struct.unpack(f">{magic[3]}I", sizes))
