"""CelebA from img_align_celeba.zip: faces, cropped to 178x178 and resized to 64x64."""

import io
import zipfile
from pathlib import PurePosixPath

from cvae_jax.datasets import sources
from cvae_jax.datasets.folder import is_hidden
from cvae_jax.datasets.image_builder import ImageBuilder
from cvae_jax.datasets.resizing import opened, square

# Size and digest as tensorflow-datasets 4.9.10 lists them. No url: the drive that has it answers
# with a page about its quota.
FILE = sources.File(
    "img_align_celeba.zip",
    (),
    "sha256:46fb89443c578308acf364d7d379fe1b9efb793042c0af734b6112e4fd3a8c74",
    1443490838,
    "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
)
CROP = 178  # of 178x218 pixels
_LARGEST = 1 << 20  # bytes of a picture; without any compression it has a tenth of that


class CelebaFaces(ImageBuilder):
    """Colour 64x64 faces, 202,599, without labels (Liu et al. 2015); for research only."""

    CHANNELS = 3

    @property
    def factors(self):
        return {}

    def read(self, root):
        found = sources.find(FILE, root, "celeba")
        rows = sources.refusing(found.path, "CelebA's zip of aligned faces", _read(found.path))
        return {"train": (f"CelebA, aligned and cropped{sources.note(found)}", rows)}


def _read(path):
    with zipfile.ZipFile(path) as archive:
        paths = map(PurePosixPath, archive.namelist())
        names = sorted(str(p) for p in paths if p.suffix == ".jpg" and not is_hidden(p))
        if not names:
            raise ValueError("it holds no .jpg")
        for name in names:
            if archive.getinfo(name).file_size > _LARGEST:
                raise ValueError(f"{name} would be larger than {_LARGEST:,} bytes")
            # Read whole: only at its end is a member's checksum looked at.
            picture = opened(io.BytesIO(archive.read(name)))
            if picture.size != (178, 218):
                raise ValueError(f"{name} is {picture.size[0]}x{picture.size[1]}, not 178x218")
            yield square(picture, 64, 3, CROP), ()
