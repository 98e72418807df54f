"""Any data set of tensorflow-datasets' catalogue, or of one's own builders, as square images."""

import pathlib
import shlex

import numpy as np
from PIL import Image

from cvae_jax import errors
from cvae_jax.datasets import arrays, progress, working_copy
from cvae_jax.datasets.resizing import square
from cvae_jax.errors import UserError, first_line

_CHUNK = 256


def load(name: str, size: int, root: pathlib.Path, split: str = "train"):
    """Loads a prepared data set's working copy: its feature `image`, integer scalars as factors.

    Their values are numbered from 0 in their order; a `ClassLabel` has its own numbers.

    Args:
      name: as tfds knows it, such as "cifar10" or "coil100/1.0.0".
      size: pixels a side; the central square is resized.
      root: tfds's root folder.
      split: one of its splits.

    Raises:
      UserError: tfds has none of that name, it is not prepared in a form that needs no
        TensorFlow, or it has no images.
    """
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name, data_dir=root)
    except Exception as error:  # DatasetNotFoundError, or the builder's own
        reason = first_line(error)
        raise UserError(f"{errors.option('data')} tfds:{name}: {reason}") from error
    try:
        records = builder.as_data_source(split=split)
    except Exception as error:  # not prepared, prepared as tfrecord, no such split
        reason = first_line(error)
        flags = [f"--data_dir={root}", "--file_format=array_record"]
        raise UserError(
            f"tfds:{name} can't be read from {root} ({reason}); prepare it once, where TensorFlow "
            f"is installed: {shlex.join(['tfds', 'build', name, *flags])}"
        ) from error
    features = builder.info.features
    if "image" not in features:
        raise UserError(f"tfds:{name} has no feature 'image', only {', '.join(features)}")
    image = features["image"]
    if image.np_dtype != np.uint8:
        raise UserError(
            f"tfds:{name} has images of {np.dtype(image.np_dtype)}: build it with images of uint8"
        )
    names = tuple(
        key
        for key, feature in features.items()
        if feature.shape == () and np.issubdtype(feature.np_dtype, np.integer)
    )
    channels = 1 if image.shape[-1] == 1 else 3
    copy = root / "catalogue" / f"{builder.info.full_name.replace('/', '_')}_{split}_{size}"

    def make():
        source = f"{builder.info.full_name}, {len(records):,} {split} images"
        chunks = _chunks(f"tfds:{name}", records, names, size, channels)
        content = working_copy.Content(
            (size, size, channels),
            False,
            names,
            source,
            len(records),
            arrays.warning_if_flat(f"images of tfds:{name}", chunks),
        )
        working_copy.store(copy, made_from, content)

    prepared = pathlib.Path(builder.data_path)
    made_from = working_copy.listing(prepared, sorted(prepared.iterdir()))
    found = working_copy.cached(f"tfds:{name}", copy, made_from, make, copy.with_suffix(".lock"))
    labels = [isinstance(features[key], tfds.features.ClassLabel) for key in names]
    return found._replace(factors=_classes(found.factors, labels))


def _classes(factors, labels) -> np.ndarray:
    """Factors [N, k] as classes from 0, in the order of their values; `labels` are classes as is.

    A year or an identity number is none: as it is, 1990 would be far from 0 and not from 1999.
    """
    ranked = factors.copy()
    for column in np.flatnonzero(np.logical_not(labels)):
        ranked[:, column] = np.unique(factors[:, column], return_inverse=True)[1]
    return ranked


def _chunks(name, records, factors_of, size, channels):
    starts = range(0, len(records), _CHUNK)
    for start in progress.watched(starts, "reading", len(records), _CHUNK):
        rows = records.__getitems__(list(range(start, min(start + _CHUNK, len(records)))))
        images = [
            square(Image.fromarray(np.asarray(row["image"]).squeeze()), size, channels)
            for row in rows
        ]
        factors = np.zeros((len(rows), len(factors_of)), np.int32)
        for column, key in enumerate(factors_of):
            values = np.array([row[key] for row in rows])
            factors[:, column] = values.astype(np.int32)
            if (factors[:, column] != values).any():
                raise UserError(
                    f"{name} has values of {key!r} beyond 32 bits, which are no classes: build it "
                    "without that feature"
                )
        yield np.stack(images), factors
