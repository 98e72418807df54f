"""The official dSprites file, damaged: refused in one line, or read as the sound one is."""

import pickle
import shutil
import zipfile

import numpy as np
import pytest
from fixtures.damage import FILES, HUGE, cases, flip, npy, packed, refused, refused_or

from cvae_jax.datasets import dsprites

pytestmark = pytest.mark.usefixtures("limits")


def members(path, change):
    """Rewrite a zip's members: change(name, content) -> content."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    packed(path, *((name, change(name, data)) for name, data in content.items()))


def in_member(member, content):
    """Put content in place of a member of the official dSprites file."""
    return lambda path: members(path, lambda name, data: content if name == member else data)


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    """The official form of a grid of two black images."""
    config = dsprites.OfficialConfig(name="two", strides=(3, 6, 40, 32, 16))
    path = tmp_path_factory.mktemp("official") / dsprites.FILE
    np.savez_compressed(
        path,
        imgs=np.zeros((2, 64, 64), np.uint8),
        latents_classes=np.insert(config.labels(), 0, 0, axis=1),
        latents_values=np.insert(config.values(), 0, 1.0, axis=1),
    )
    dsprites.check_file(path, config)
    return path, config


@cases(
    "damage",
    {
        **{name: FILES[name] for name in ("empty", "half", "zeros", "noise")},
        "classes_of_a_trillion": in_member("latents_classes.npy", npy((HUGE, 6))),
        "classes_of_a_billion": in_member("latents_classes.npy", npy((10**9, 6))),
        "classes_of_minus_one": in_member("latents_classes.npy", npy((-1, 6))),
        "classes_without_numbers": in_member("latents_classes.npy", npy((2, 6))),
        "values_pickled": in_member("latents_values.npy", npy((2, 6), "|O") + pickle.dumps([0])),
        "values_nan": in_member(
            "latents_values.npy", npy((2, 6), "<f8") + np.full(12, np.nan).tobytes()
        ),
        "images_of_a_trillion": in_member("imgs.npy", npy((HUGE, 64, 64), "|u1")),
        "images_cut_off": in_member("imgs.npy", npy((2, 64, 64), "|u1") + bytes(5000)),
        "images_in_another_order": in_member("imgs.npy", npy((2, 64, 64), "|u1", True)),
        "images_without_magic": in_member("imgs.npy", b"NUMPY" * 50),
        "header_with_code": in_member(
            "imgs.npy", b"\x93NUMPY\x01\x00\x18\x00__import__('os').abort()"
        ),
        "header_deep": in_member("imgs.npy", b"\x93NUMPY\x01\x00\x40\x1f" + b"(" * 8000),
    },
)
def test_a_damaged_official_dsprites(official, tmp_path, damage):
    path = shutil.copy(official[0], tmp_path / dsprites.FILE)
    damage(path)
    refused(
        lambda: dsprites.check_file(path, official[1]),
        f"{path} is not the official dSprites file",
        "run the same command again",
    )


@cases("seed", {f"bit_{seed}": seed for seed in range(8)})
def test_a_bit_of_the_official_dsprites(official, tmp_path, seed):
    path = shutil.copy(official[0], tmp_path / dsprites.FILE)
    path.write_bytes(flip(path.read_bytes(), seed))
    refused_or(None, lambda: dsprites.check_file(path, official[1]), path)
