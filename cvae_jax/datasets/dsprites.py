"""dSprites as tfds data sets that need no TensorFlow: rendered here, or DeepMind's own file.

Both give the same features, under the names of tfds's catalogue entry, in the official order. The
class names differ from the catalogue's, since a class called Dsprites would replace its "dsprites".
"""

import dataclasses
import math
import pathlib
import zipfile
from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds

from cvae_jax.datasets import npz_rows, sources, sprites
from cvae_jax.datasets.image_builder import ImageBuilder
from cvae_jax.errors import UserError, first_line, of_the_disk

FILE = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
URL = f"https://github.com/google-deepmind/dsprites-dataset/raw/master/{FILE}"
# As many public projects quote it, latte and vaetc among them; nobody gives a size or a sha256.
MD5 = "7da33b31b13a06f4b04a70402ce90c2e"

LABELS = {  # factor: feature of the records
    "shape": "label_shape",
    "scale": "label_scale",
    "orientation": "label_orientation",
    "x": "label_x_position",
    "y": "label_y_position",
}


@dataclasses.dataclass(eq=False)
class GridConfig(tfds.core.BuilderConfig):
    """Which of the 3 x 6 x 40 x 32 x 32 grid's values to keep: every strides[k]-th of factor k."""

    strides: tuple[int, ...] = (1, 1, 1, 1, 1)

    @property
    def axes(self) -> tuple[np.ndarray, ...]:
        """Returns the five factors' values, float64 arrays."""
        pairs = zip(sprites.FACTOR_VALUES, self.strides, strict=True)
        return tuple(values[::stride] for values, stride in pairs)

    @property
    def shape(self) -> tuple[int, ...]:
        """Returns the number of values of each factor."""
        return tuple(len(values) for values in self.axes)

    @property
    def num_images(self) -> int:
        """Returns the number of images: one for each combination."""
        return math.prod(self.shape)

    def labels(self) -> np.ndarray:
        """Indices into `axes` of all images in order, int64 [N, 5], y fastest."""
        return _combinations(range(count) for count in self.shape)

    def values(self) -> np.ndarray:
        """Returns factor values of all images in order, float64 [N, 5]."""
        return _combinations(self.axes)


def _combinations(axes) -> np.ndarray:
    return np.stack([grid.ravel() for grid in np.meshgrid(*axes, indexing="ij")], axis=1)


@dataclasses.dataclass(eq=False)
class OfficialConfig(GridConfig):
    """The grid that the npz file must hold, and the md5 of the published file."""

    md5: str = MD5


class _Dsprites(ImageBuilder, skip_registration=True):
    """The labels under the names of tfds's catalogue entry."""

    BINARY = True

    @property
    def factors(self):
        return dict(zip(LABELS, self.builder_config.shape, strict=True))

    @property
    def label_features(self):
        return LABELS

    def expected_labels(self):
        return self.builder_config.labels()


class RenderedDsprites(_Dsprites):
    """dSprites drawn by `sprites.render`: same grid, geometry measured on the official images."""

    BUILDER_CONFIGS = (
        GridConfig(name="full", description="The whole grid: 737,280 images."),
        GridConfig(
            name="small",
            description="A regular sub-grid: 46,080 images.",
            strides=(1, 1, 4, 2, 2),
        ),
    )

    def read(self, root):
        del root  # nothing is read: all is rendered
        shapes, scales, orientations, xs, ys = self.builder_config.axes
        # FACTOR_VALUES counts the shapes from 1, as the official file does; render from 0.
        images = (
            image
            for shape in shapes
            for scale in scales
            for orientation in orientations
            for image in sprites.render(int(shape) - 1, scale, orientation, xs, ys).reshape(
                -1, sprites.SIZE, sprites.SIZE
            )
        )
        count = self.builder_config.num_images
        source = f"dSprites rendered by cvae_jax ({count:,} images)"
        return {"train": (source, _with_labels(images, self.builder_config.labels()))}


class OfficialDsprites(_Dsprites):
    """DeepMind's npz file, placed by hand in <data_dir>/downloads/manual/ or downloaded."""

    BUILDER_CONFIGS = (OfficialConfig(name="full", description="The whole file: 737,280 images."),)

    def read(self, root):
        file = sources.File(FILE, (URL,), f"md5:{self.builder_config.md5}")
        path, published = sources.find(file, root)
        check_file(path, self.builder_config)
        # Right in form but not the published bytes: usable, and its results must say so.
        whose = "DeepMind's file" if published else "from a file that is not DeepMind's"
        count = self.builder_config.num_images
        images = (image for chunk in read_images(path) for image in chunk)
        pairs = _with_labels(images, self.builder_config.labels())
        return {"train": (f"dSprites, {whose} ({count:,} images)", pairs)}


def _with_labels(images, labels) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of image uint8 [64, 64, 1] and labels [5] from images [N] x [64, 64]."""
    for image, row in zip(images, labels, strict=True):
        yield image.astype(np.uint8)[..., None], row


def check_file(path: pathlib.Path, config: GridConfig) -> None:
    """Raises UserError unless `path` holds the binary images and labels of the config's grid."""
    try:
        _check_file(path, config)
    except Exception as error:  # zipfile, zlib and npy headers raise a dozen kinds
        if of_the_disk(error):
            raise
        reason = first_line(error)
        raise UserError(
            f"{path} is not the official dSprites file ({reason}): delete it, fetch {URL} in its"
            " place, and run the same command again"
        ) from error


def _check_file(path: pathlib.Path, config: GridConfig) -> None:
    # The member 'metadata' is a pickle, which could run anything: it is never read.
    with zipfile.ZipFile(path) as archive:
        # Column 0 is the colour: class 0, value 1.
        shape = (config.num_images, 6)
        classes = _read_latents(archive, "latents_classes", shape, np.integer)
        values = _read_latents(archive, "latents_values", shape, np.floating)
    if not np.array_equal(classes, np.insert(config.labels(), 0, 0, axis=1)):
        raise ValueError("latents_classes are not in the order of the grid")
    if not np.allclose(values, np.insert(config.values(), 0, 1.0, axis=1), atol=1e-5):
        raise ValueError("latents_values are not those of the grid")
    seen, count = 0, config.num_images
    for chunk in read_images(path):
        if chunk.max() > 1:
            raise ValueError(f"image values reach {chunk.max()}, not 1")
        seen += len(chunk)
        if seen > count:
            break
    if seen != count:
        raise ValueError(f"{seen} images, not {count}")


def _read_latents(archive, name, shape, kind):
    """The member `name`, an array of this shape and kind of numbers."""
    with archive.open(f"{name}.npy") as member:
        found, fortran_order, dtype = npz_rows.header(member, name)
        if found != shape or fortran_order or not np.issubdtype(dtype, kind):
            raise ValueError(f"{name} is {dtype} {found}")
        return sources.read_array(member, dtype, shape)


def read_images(path: pathlib.Path) -> Iterator[np.ndarray]:
    """Yields the member 'imgs' in order, uint8 [n, 64, 64]; whole it would take 3 GB."""
    return npz_rows.chunks(path, "imgs", (sprites.SIZE, sprites.SIZE))
