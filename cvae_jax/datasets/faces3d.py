"""3D Faces: renders of the Basel face model in the file of beta-TCVAE's authors."""

import numpy as np

from cvae_jax.datasets import sources, torch_file
from cvae_jax.datasets.image_builder import ImageBuilder

# Basel's licence forbids passing renders on; neither a size nor a digest was ever published.
FILE = sources.File(
    "basel_face_renders.pth", (), page="https://faces.dmi.unibas.ch/bfm (licence, then render)"
)
GRID = (50, 21, 11, 11)  # identity, azimuth, elevation, lighting


class BaselFaces(ImageBuilder):
    """Grey 64x64 faces, 127,050, a whole grid of four factors (Paysan et al. 2009)."""

    @property
    def factors(self):
        return dict(zip(("identity", "azimuth", "elevation", "lighting"), GRID, strict=True))

    def read(self, root):
        path = sources.find(FILE, root, "faces3d").path
        rows = sources.refusing(path, "the tensor of Basel renders", _read(path))
        return {"train": ("3D Faces, Basel renders", rows)}


def _read(path):
    images = torch_file.read(path)
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
        raise ValueError("it holds no tensor of bytes")
    if images.shape not in ((*GRID, 64, 64), (int(np.prod(GRID)), 64, 64)):
        raise ValueError(f"the tensor is {images.shape}, not {(*GRID, 64, 64)}")
    for index, image in enumerate(images.reshape(-1, 64, 64, 1)):
        yield image, np.unravel_index(index, GRID)
