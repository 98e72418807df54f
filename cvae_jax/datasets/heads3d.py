"""Heads with known identity, pose and light, rendered here: a stand-in for 3D Faces, not it."""

import dataclasses
import math

import numpy as np
import tensorflow_datasets as tfds

from cvae_jax.datasets import heads
from cvae_jax.datasets.image_builder import ImageBuilder

GRID = {"identity": 50, "azimuth": 21, "elevation": 11, "lighting": 11}  # that of 3D Faces
AZIMUTHS = np.linspace(-75, 75, GRID["azimuth"])  # degrees to the image's right
ELEVATIONS = np.linspace(-30, 30, GRID["elevation"])  # degrees up
LIGHTS = np.linspace(-80, 80, GRID["lighting"])  # degrees of the lamp to the right


@dataclasses.dataclass(eq=False)
class HeadsConfig(tfds.core.BuilderConfig):
    """Which of the grid's values to keep: every strides[k]-th of factor k."""

    strides: tuple[int, ...] = (1, 1, 1, 1)

    @property
    def kept(self) -> tuple[np.ndarray, ...]:
        """Indices into the whole grid's values, of each factor."""
        pairs = zip(GRID.values(), self.strides, strict=True)
        return tuple(np.arange(0, count, stride) for count, stride in pairs)

    @property
    def num_images(self) -> int:
        """Returns the number of images: one for each combination."""
        return math.prod(len(kept) for kept in self.kept)


class Heads3d(ImageBuilder):
    """Grey 64x64 heads, a whole grid of identity, azimuth, elevation and lighting."""

    EXAMPLES_PER_SECOND = 450
    BUILDER_CONFIGS = (
        HeadsConfig(name="full", description="The whole grid: 127,050 images."),
        HeadsConfig(
            name="small", description="A regular sub-grid: 3,960 images.", strides=(5, 2, 2, 2)
        ),
    )

    @property
    def factors(self):
        return {n: len(k) for n, k in zip(GRID, self.builder_config.kept, strict=True)}

    def read(self, root):
        del root  # nothing is read: all is rendered
        count = self.builder_config.num_images
        return {"train": (f"heads rendered by cvae_jax ({count:,} images)", self._render())}

    def _render(self):
        identities, azimuths, elevations, lights = self.builder_config.kept
        for i, number in enumerate(identities):
            head = heads.identity(int(number))
            for a, azimuth in enumerate(AZIMUTHS[azimuths]):
                for e, elevation in enumerate(ELEVATIONS[elevations]):
                    images = heads.render(head, azimuth, elevation, LIGHTS[lights])
                    for light, image in enumerate(images):
                        yield image, (i, a, e, light)
