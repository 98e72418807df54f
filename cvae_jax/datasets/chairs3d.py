"""3D Chairs from the tar of renderings: 1,393 chairs, each seen from 62 sides, 64x64."""

import re
import tarfile

from cvae_jax.datasets import sources
from cvae_jax.datasets.image_builder import ImageBuilder
from cvae_jax.datasets.resizing import opened, square

FILE = sources.File(
    "rendered_chairs.tar",
    ("https://www.di.ens.fr/willow/research/seeing3Dchairs/data/rendered_chairs.tar",),
)  # nobody gives a size or a digest
CROP = 400  # of 600x600 pixels: what is outside is white on nearly every picture
# rendered_chairs/<32 hex digits>/renders/image_001_p020_t011_r096.png: elevation, azimuth, roll
_NAME = re.compile(r"([^/]+)/renders/image_\d+_p(\d+)_t(\d+)_r\d+\.png$")
_ELEVATIONS = (20, 30)  # degrees
_AZIMUTHS = 31


class Chairs3d(ImageBuilder):
    """Colour 64x64 chairs, 86,366, with identity, elevation and azimuth (Aubry et al. 2014)."""

    CHANNELS = 3

    @property
    def factors(self):
        return {"identity": 1393, "elevation": len(_ELEVATIONS), "azimuth": _AZIMUTHS}

    def read(self, root):
        path = sources.find(FILE, root, "chairs3d").path
        rows = sources.refusing(path, "the tar of rendered chairs", _read(path))
        return {"train": ("3D Chairs", rows)}


def _read(path):
    chairs, degrees, seen = {}, {}, 0
    with tarfile.open(path) as archive:
        for member in archive:
            match = _NAME.search(member.name)
            if not match:
                continue
            chair, elevation, azimuth = match[1], int(match[2]), int(match[3])
            if elevation not in _ELEVATIONS:
                raise ValueError(f"{member.name} has elevation {elevation}, none of {_ELEVATIONS}")
            seen += 1
            picture = opened(archive.extractfile(member))
            if picture.size != (600, 600):
                width, height = picture.size
                raise ValueError(f"{member.name} is {width}x{height}, not 600x600")
            labels = (
                chairs.setdefault(chair, len(chairs)),
                _ELEVATIONS.index(elevation),
                degrees.setdefault(azimuth, len(degrees)),  # each chair's files are in one order
            )
            yield square(picture, 64, 3, CROP), labels
        sources.require_tar_end(archive)
    if not seen:
        raise ValueError("it holds no image_..._p..._t..._r....png")
