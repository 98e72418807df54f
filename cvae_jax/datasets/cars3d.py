"""Cars3D from the archive of visual analogies: 183 cars, each seen from 96 sides, 64x64."""

import io
import re
import tarfile

import numpy as np
import scipy.io
from PIL import Image

from cvae_jax.datasets import sources
from cvae_jax.datasets.image_builder import ImageBuilder

# The md5 as disent lists it; nobody gives a size or a sha256. It has not been compared with a
# download.
FILE = sources.File(
    "nips2015-analogy-data.tar.gz",
    ("http://www.scottreed.info/files/nips2015-analogy-data.tar.gz",),
    "md5:4e866a7919c1beedf53964e6f7a23686",
)
SHAPE = (128, 128, 3, 24, 4)  # of each car's `im`: rows, columns, channels, azimuth, elevation
_NAME = re.compile(r"(?:^|/)cars/(\w+)\.mat$")  # data/cars/car_001_mesh.mat
_LIST = re.compile(r"(?:^|/)cars/list\.txt$")  # the cars' names in their order, one a line
_LIST_BYTES = 1 << 20


class Cars3d(ImageBuilder):
    """Colour 64x64 cars, 17,568, a whole grid of three factors (Reed et al. 2015)."""

    CHANNELS = 3

    @property
    def factors(self):
        return {"elevation": 4, "azimuth": 24, "object": 183}

    def read(self, root):
        found = sources.find(FILE, root, "cars3d")
        rows = sources.refusing(found.path, "the archive of cars", _read(found.path))
        return {"train": (f"Cars3D{sources.note(found)}", rows)}


def _read(path):
    """In the grid's order, the car fastest, which the archive has slowest: 216 MB are held."""
    cars, listed = {}, []
    with tarfile.open(path) as archive:
        for member in archive:
            if not member.isfile():
                continue
            if match := _NAME.search(member.name):
                cars[match[1]] = _views(archive.extractfile(member), member.name)
            elif _LIST.search(member.name):
                listed = archive.extractfile(member).read(_LIST_BYTES).decode().split()
        sources.require_tar_end(archive)
    if not cars:
        raise ValueError("it holds no cars/....mat")
    # A folder's own order, by which disentanglement_lib numbers the cars, differs between disks.
    names = listed or sorted(cars)
    if missing := [name for name in names if name not in cars]:
        raise ValueError(f"it has no {missing[0][:40]}.mat, which its list.txt names")
    _, _, _, azimuths, elevations = SHAPE
    for elevation in range(elevations):
        for azimuth in range(azimuths):
            for car, name in enumerate(names):
                yield cars[name][azimuth, elevation], (elevation, azimuth, car)


def _views(stream, name) -> np.ndarray:
    """A car's images, uint8 [24, 4, 64, 64, 3], resized by the filter of disentanglement_lib."""
    content = io.BytesIO(stream.read())
    kinds = {variable: (shape, kind) for variable, shape, kind in scipy.io.whosmat(content)}
    if kinds.get("im") != (SHAPE, "uint8"):
        raise ValueError(f"{name} has no array im of bytes {SHAPE}")
    content.seek(0)
    images = scipy.io.loadmat(content, variable_names=["im"])["im"].transpose(3, 4, 0, 1, 2)
    views = np.empty((*images.shape[:2], 64, 64, 3), np.uint8)
    for place in np.ndindex(images.shape[:2]):
        picture = Image.fromarray(np.ascontiguousarray(images[place]))
        views[place] = np.asarray(picture.resize((64, 64), Image.Resampling.LANCZOS))
    return views
