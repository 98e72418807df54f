"""The data sets of this package by name: what they hold, whose they are, how they come here."""

import importlib
from typing import NamedTuple


class Entry(NamedTuple):
    """A data set that a tfds builder of this package prepares."""

    module: str  # of this folder
    builder: str  # the class in it
    config: str  # of the builder
    images: str
    factors: str
    licence: str
    source: str
    variant: str = ""  # of `sprite_variants.KINDS`, made of the prepared images as they are read


_RENDERED = "the package's own"
_DSPRITES = "shape, scale, orientation, x, y"
_HEADS = "identity, azimuth, elevation, lighting"

ENTRIES = {
    "dsprites": Entry(
        "dsprites",
        "RenderedDsprites",
        "full",
        "737,280 binary 64x64",
        _DSPRITES,
        _RENDERED,
        "rendered here",
    ),
    "dsprites_small": Entry(
        "dsprites",
        "RenderedDsprites",
        "small",
        "46,080 binary 64x64",
        _DSPRITES,
        _RENDERED,
        "rendered here",
    ),
    "dsprites_official": Entry(
        "dsprites",
        "OfficialDsprites",
        "full",
        "737,280 binary 64x64",
        _DSPRITES,
        "Apache 2.0",
        "downloaded: DeepMind's npz",
    ),
    "heads3d": Entry(
        "heads3d",
        "Heads3d",
        "full",
        "127,050 grey 64x64",
        _HEADS,
        _RENDERED,
        "rendered here; a stand-in for faces3d",
    ),
    "heads3d_small": Entry(
        "heads3d", "Heads3d", "small", "3,960 grey 64x64", _HEADS, _RENDERED, "rendered here"
    ),
    "mnist": Entry(
        "idx",
        "IdxImages",
        "mnist",
        "60,000 + 10,000 grey 28x28",
        "digit",
        "CC BY-SA 3.0",
        "downloaded: four IDX files",
    ),
    "fashion_mnist": Entry(
        "idx",
        "IdxImages",
        "fashion_mnist",
        "60,000 + 10,000 grey 28x28",
        "article",
        "MIT",
        "downloaded: four IDX files",
    ),
    "faces3d": Entry(
        "faces3d",
        "BaselFaces",
        "",
        "127,050 grey 64x64",
        _HEADS,
        "Basel's, personal",
        "basel_face_renders.pth by hand",
    ),
    "chairs3d": Entry(
        "chairs3d",
        "Chairs3d",
        "",
        "86,366 colour 64x64",
        "identity, elevation, azimuth",
        "research",
        "downloaded: rendered_chairs.tar",
    ),
    "celeba": Entry(
        "celeba",
        "CelebaFaces",
        "",
        "202,599 colour 64x64",
        "none",
        "non-commercial research",
        "img_align_celeba.zip by hand",
    ),
    "shapes3d": Entry(
        "shapes3d",
        "Shapes3d",
        "",
        "480,000 colour 64x64",
        "floor, wall and object hue, scale, shape, orientation",
        "Apache 2.0",
        "downloaded: 3dshapes.h5, needs h5py",
    ),
    "smallnorb": Entry(
        "smallnorb",
        "SmallNorb",
        "",
        "24,300 + 24,300 grey 64x64",
        "category, elevation, azimuth, lighting",
        "research",
        "downloaded: six matrix files",
    ),
    "cars3d": Entry(
        "cars3d",
        "Cars3d",
        "",
        "17,568 colour 64x64",
        "elevation, azimuth, object",
        "none stated",
        "downloaded: nips2015-analogy-data.tar.gz",
    ),
}
for _kind in ("toy", "realistic", "real"):
    ENTRIES[f"mpi3d_{_kind}"] = Entry(
        "mpi3d",
        "Mpi3d",
        _kind,
        "1,036,800 colour 64x64",
        "object colour, shape, size, camera, background, two axes",
        "CC BY 4.0",
        f"downloaded: mpi3d_{_kind}.npz, 12.7 GB",
    )


for _kind, _what in (
    ("color", "in a colour each"),
    ("noisy", "in noise"),
    ("patches", "on patches of a texture made here"),
):
    for _base in ("dsprites", "dsprites_small"):
        _entry = ENTRIES[_base]
        _count = _entry.images.split()[0]
        ENTRIES[f"{_base}_{_kind}"] = _entry._replace(
            images=f"{_count} colour 64x64",
            source=f"rendered here, {_what}",
            variant=_kind,
        )


_WORDS = {  # by module: a factor's classes in words, where they are published
    "dsprites": {"shape": ("square", "ellipse", "heart")},
    "mpi3d": {
        "object_color": ("white", "green", "red", "blue", "brown", "olive"),
        "object_shape": ("cone", "cube", "cylinder", "hexagonal", "pyramid", "sphere"),
        "object_size": ("small", "large"),
        "camera_height": ("top", "center", "bottom"),
        "background_color": ("purple", "sea green", "salmon"),
    },
}


def words(name: str) -> dict[str, tuple[str, ...]]:
    """Returns {factor: its classes in words} of a data set, as far as there are words."""
    return _WORDS.get(ENTRIES[name].module, {}) if name in ENTRIES else {}


def builder(entry: Entry):
    """Returns (builder class, its config) of an entry."""
    cls = getattr(importlib.import_module(f"cvae_jax.datasets.{entry.module}"), entry.builder)
    if entry.config:
        return cls, cls.builder_configs[entry.config]
    import tensorflow_datasets as tfds

    return cls, tfds.core.BuilderConfig(name="full")
