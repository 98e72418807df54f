"""MPI3D from its three .npz files: a robot's arm with one object, seven factors, 64x64."""

import math

import numpy as np
import tensorflow_datasets as tfds

from cvae_jax.datasets import npz_rows, sources
from cvae_jax.datasets.image_builder import ImageBuilder

# In the order of the file, the last factor fastest; names as its authors' README has them.
GRID = {
    "object_color": 6,
    "object_shape": 6,
    "object_size": 2,
    "camera_height": 3,
    "background_color": 3,
    "horizontal_axis": 40,
    "vertical_axis": 40,
}
_URLS = (  # the authors' present one, and the one that their README had before
    "https://huggingface.co/datasets/waleedgondal/mpi3d/resolve/main/",
    "https://storage.googleapis.com/disentanglement_dataset/Final_Dataset/",
)
# As disent lists them of the second url's files; nobody gives a sha256, nor a size of all three.
# They have not been compared with a download.
MD5 = {
    "toy": "55889cb7c7dfc655d6e0277beee88868",
    "realistic": "59a6225b88b635365f70c91b3e52f70f",
    "real": "0f33f609918fb5c97996692f91129802",
}
_KINDS = {"toy": "simply rendered", "realistic": "realistically rendered", "real": "photographed"}


class Mpi3d(ImageBuilder):
    """Colour 64x64 scenes, 1,036,800, a whole grid of seven factors (Gondal et al. 2019)."""

    CHANNELS = 3
    BUILDER_CONFIGS = tuple(
        tfds.core.BuilderConfig(name=name, description=f"A robot's arm, {kind}.")
        for name, kind in _KINDS.items()
    )

    @property
    def factors(self):
        return dict(GRID)

    def read(self, root):
        kind = self.builder_config.name
        name = f"mpi3d_{kind}"
        found = sources.find(file(kind), root, name)
        rows = sources.refusing(found.path, f"the file {name}.npz", _read(found.path))
        return {"train": (f"MPI3D, {_KINDS[kind]}{sources.note(found)}", rows)}


def file(kind: str) -> sources.File:
    """Returns the file of "toy", "realistic" or "real"."""
    name = f"mpi3d_{kind}.npz"
    return sources.File(name, tuple(url + name for url in _URLS), f"md5:{MD5[kind]}")


def _read(path):
    sizes = tuple(GRID.values())
    seen, count = 0, math.prod(sizes)
    for images in npz_rows.chunks(path, "images", (64, 64, 3)):
        if seen + len(images) > count:
            raise ValueError(f"more than {count:,} images")
        numbers = np.arange(seen, seen + len(images))
        yield from zip(images, np.stack(np.unravel_index(numbers, sizes), axis=1), strict=True)
        seen += len(images)
    if seen != count:
        raise ValueError(f"{seen:,} images, not {count:,}")
