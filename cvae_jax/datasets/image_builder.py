"""What the tfds data sets of this package share: uint8 images, one label for each factor."""

import abc
import pathlib
from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds

from cvae_jax.datasets import progress
from cvae_jax.errors import UserError


class ImageBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A data set of images [H, W, C] and class labels, whose records need no TensorFlow.

    A data set says how many classes each factor has and how to read its images; the rest is here.
    """

    VERSION = tfds.core.Version("1.0.0")
    BINARY = False  # images of 0 and 1; else 0 to 255
    STORED_SIZE = 64  # pixels a side
    SPLITS = ("train",)
    CHANNELS = 1
    EXAMPLES_PER_SECOND = 3500  # drawn, written by tfds and read back, on one core

    @property
    def shape(self) -> tuple[int, int, int]:
        """Returns each image's height, width and channels."""
        return (self.STORED_SIZE, self.STORED_SIZE, self.CHANNELS)

    @property
    @abc.abstractmethod
    def factors(self) -> dict[str, int]:
        """Returns the number of classes of each factor; empty where the data have no labels."""

    @property
    def label_features(self) -> dict[str, str]:
        """Returns the feature of the records that holds each factor."""
        return {name: f"label_{name}" for name in self.factors}

    def expected_labels(self) -> np.ndarray | None:
        """Returns the labels of all records [N, k], where they are known beforehand."""
        return None

    @abc.abstractmethod
    def read(self, root: pathlib.Path) -> dict[str, tuple[str, Iterator]]:
        """Returns for each split its source line and its pairs (image uint8, labels [k]).

        Args:
          root: the folder of all data sets.
        """

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "image": tfds.features.Tensor(shape=self.shape, dtype=np.uint8, encoding="zlib")
        }
        for feature in self.label_features.values():
            features[feature] = tfds.features.Scalar(dtype=np.int64)
        return tfds.core.DatasetInfo(
            builder=self,
            description=(type(self).__doc__ or "").splitlines()[0],
            features=tfds.features.FeaturesDict(features),
            disable_shuffling=True,  # the published order, which batch_indices permutes
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # its downloads are neither checked before they are named nor explained
        splits = self.read(pathlib.Path(self.data_dir_root))
        for split, (source, _) in splits.items():
            self.info.metadata[f"source_{split}"] = source
        return {split: self._generate_examples(pairs) for split, (_, pairs) in splits.items()}

    def _generate_examples(self, pairs) -> Iterator[tuple[int, dict]]:
        counts = np.array(list(self.factors.values()), int)
        total = getattr(self.builder_config, "num_images", None)
        for key, (image, labels) in enumerate(progress.watched(pairs, "preparing", total)):
            labels = np.asarray(labels, int).reshape(-1)
            if image.shape != self.shape or image.dtype != np.uint8:
                raise UserError(
                    f"{self.name}: image {key} is {image.dtype} {image.shape}, not uint8 "
                    f"{self.shape}"
                )
            if np.any(labels < 0) or np.any(labels >= counts):
                names = dict(zip(self.factors, labels.tolist(), strict=True))
                raise UserError(
                    f"{self.name}: image {key} has labels {names}, and there are {self.factors} "
                    "classes"
                )
            example = {"image": image}
            example.update(zip(self.label_features.values(), labels, strict=True))
            yield key, example
