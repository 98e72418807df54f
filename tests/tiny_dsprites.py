"""Rendered dSprites of 144 images, which several test files load."""

import pytest

from cvae_jax.datasets import dsprites, pipeline

# 3 shapes, 2 scales, 4 orientations, 3 x, 2 y
TINY = dsprites.GridConfig(name="tiny", description="for tests", strides=(1, 5, 13, 11, 16))
SHAPE = (3, 2, 4, 3, 2)
COUNT = 144


def load_tiny(data_dir, size=64):
    return pipeline.load_builder("tiny", dsprites.RenderedDsprites, TINY, size, str(data_dir))


def records(data_dir):
    (path,) = data_dir.glob("rendered_dsprites/tiny/1.0.0/*array_record*")
    return path


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """A prepared folder, not to be written to, and its data set."""
    data_dir = tmp_path_factory.mktemp("data")
    return data_dir, load_tiny(data_dir)
