"""3D Shapes from 3dshapes.h5: a room with one object, six factors, 480,000 images of 64x64."""

import numpy as np

from cvae_jax.datasets import sources
from cvae_jax.datasets.image_builder import ImageBuilder
from cvae_jax.errors import UserError

# Size and digest as tensorflow-datasets 4.9.10 lists them.
FILE = sources.File(
    "3dshapes.h5",
    ("https://storage.googleapis.com/3d-shapes/3dshapes.h5",),
    "sha256:0a0f6ed98baff276a50f3a081a7434d788da63cb135a98189b2a5b5769be1785",
    267573662,
)
_CHUNK = 1000
_COUNT = 480_000


class Shapes3d(ImageBuilder):
    """Colour 64x64 scenes, 480,000, a whole grid of six factors (Burgess and Kim 2018)."""

    CHANNELS = 3

    @property
    def factors(self):
        return {
            "floor_hue": 10,
            "wall_hue": 10,
            "object_hue": 10,
            "scale": 8,
            "shape": 4,
            "orientation": 15,
        }

    def read(self, root):
        found = sources.find(FILE, root, "shapes3d")
        rows = sources.refusing(found.path, "the 3D Shapes file", _read(found.path))
        return {"train": (f"3D Shapes{sources.note(found)}", rows)}


def _read(path):
    try:
        import h5py
    except ImportError:
        raise UserError("shapes3d is an HDF5 file: pip install h5py") from None
    with h5py.File(path) as file:
        values, images = file["labels"], file["images"]
        count = len(values)
        if values.shape != (count, 6) or images.shape != (count, 64, 64, 3) or count > _COUNT:
            raise ValueError(f"images {images.shape} and labels {values.shape}")
        values = values[:]
        if not np.isfinite(values).all():
            raise ValueError("a label is not finite")
        # Labels are values; a factor's classes are its values in order.
        labels = np.stack([np.unique(v, return_inverse=True)[1] for v in values.T], axis=1)
        for start in range(0, len(values), _CHUNK):
            stop = start + _CHUNK
            yield from zip(images[start:stop], labels[start:stop], strict=True)
