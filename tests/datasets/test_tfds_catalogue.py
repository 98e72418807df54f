"""A data set of tensorflow-datasets' catalogue, prepared as array_record."""

import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds

from cvae_jax import datasets
from cvae_jax.errors import UserError


class OwnCatalogueEntry(tfds.core.GeneratorBasedBuilder):
    """As one's own tfds builder would be: an image, a label, other features."""

    VERSION = tfds.core.Version("1.2.0")

    def _info(self):
        features = {
            "image": tfds.features.Tensor(shape=(40, 20, 3), dtype=np.uint8, encoding="zlib"),
            "label": tfds.features.Scalar(dtype=np.int64),
            "weight": tfds.features.Scalar(dtype=np.float32),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(features),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        del dl_manager
        return {"train": self._generate_examples(5)}

    def _generate_examples(self, count):
        for i in range(count):
            image = np.full((40, 20, 3), 10 * i, np.uint8)
            yield i, {"image": image, "label": i % 2, "weight": 0.5}


def test_tfds_catalogue(tmp_path):
    with pytest.raises(UserError, match=r"tfds build own_catalogue_entry .*array_record"):
        datasets.load("tfds:own_catalogue_entry", 16, str(tmp_path))
    OwnCatalogueEntry(data_dir=tmp_path).download_and_prepare(file_format="array_record")
    dataset = datasets.load("tfds:own_catalogue_entry", 16, str(tmp_path))
    assert dataset.source == "own_catalogue_entry/1.2.0, 5 train images"
    assert dataset.factor_names == ("label",)
    np.testing.assert_array_equal(dataset.factors[:, 0], [0, 1, 0, 1, 0])
    images = dataset.images(np.array([4, 1]))
    assert images.shape == (2, 16, 16, 3)
    assert (images[0] == 40).all()
    assert (images[1] == 10).all()
    with pytest.raises(UserError, match="tfds:no_such_thing"):
        datasets.load("tfds:no_such_thing", 16, str(tmp_path))


class Changing(OwnCatalogueEntry):
    """As above, with images and labels of the test's."""

    shade, label, dtype = 10, 1, np.uint8

    def _info(self):
        features = {
            "image": tfds.features.Tensor(shape=(16, 16, 1), dtype=self.dtype, encoding="zlib"),
            "label": tfds.features.Scalar(dtype=np.int64),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _generate_examples(self, count):
        for i in range(count):
            image = np.zeros((16, 16, 1), self.dtype)
            image[:8] = self.shade
            yield i, {"image": image, "label": self.label}


def _built(folder, **values):
    """The data set as it is after it was built, or built again, with these values."""
    shutil.rmtree(folder / "changing", ignore_errors=True)
    for name, value in values.items():
        setattr(Changing, name, value)
    Changing(data_dir=folder).download_and_prepare(file_format="array_record")
    return datasets.load("tfds:changing", 16, str(folder))


class Years(Changing):
    """Whole numbers that are no classes, and classes of which one is missing."""

    def _info(self):
        features = {
            "image": tfds.features.Tensor(shape=(16, 16, 1), dtype=np.uint8, encoding="zlib"),
            "year": tfds.features.Scalar(dtype=np.int64),
            "kind": tfds.features.ClassLabel(names=["a", "b", "c"]),
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True
        )

    def _generate_examples(self, count):
        for i, row in super()._generate_examples(count):
            yield i, {"image": row["image"], "year": (1990, 1999, -5)[i % 3], "kind": 2 * (i % 2)}


def test_numbers_are_classes_from_0_in_their_order(tmp_path):
    """A year far from 0 would be no class that config.data names, and be taken for one value."""
    Years(data_dir=tmp_path).download_and_prepare(file_format="array_record")
    dataset = datasets.load("tfds:years", 16, str(tmp_path))
    year, kind = (dataset.factors[:, dataset.factor_names.index(x)] for x in ("year", "kind"))
    np.testing.assert_array_equal(year, [1, 2, 0, 1, 2])
    np.testing.assert_array_equal(kind, [0, 2, 0, 2, 0])


def test_a_data_set_that_is_built_again_is_read_again(tmp_path):
    for shade in (10, 200):
        assert _built(tmp_path, shade=shade).images(np.arange(1)).max() == shade


def test_images_of_0_and_1_are_named(tmp_path, caplog):
    _built(tmp_path, shade=1)
    assert "whether 1 should be 255" in caplog.text
    caplog.clear()
    _built(tmp_path, shade=255)
    assert not caplog.text


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"label": 2**40}, "values of 'label' beyond 32 bits"),
        ({"dtype": np.uint16}, "images of uint16"),
        ({"dtype": np.float32}, "images of float32"),
    ],
)
def test_what_can_be_no_image_or_class_is_refused(tmp_path, values, message):
    usual = {"shade": 10, "label": 1, "dtype": np.uint8}
    with pytest.raises(UserError, match=message) as caught:
        _built(tmp_path, **usual | values)
    assert "\n" not in str(caught.value)
    _built(tmp_path, **usual)
