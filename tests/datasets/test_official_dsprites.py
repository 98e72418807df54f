"""DeepMind's dSprites file: by hand or downloaded, checked, read without unpickling."""

import hashlib
import os
import pickle
import zipfile

import numpy as np
import pytest
from fixtures.tiny_dsprites import COUNT, SHAPE, TINY
from helpers import all_images

from cvae_jax import datasets
from cvae_jax.datasets import dsprites, sources
from cvae_jax.errors import UserError


class Trap:
    def __reduce__(self):
        return os._exit, (13,)  # unpickling ends the test run


def write_official(path, prepared, **changes):
    """A file in the official form with the tiny grid, written member by member."""
    labels = np.stack(np.unravel_index(range(COUNT), SHAPE), 1)
    grids = [
        [1, 2, 3],
        np.linspace(0.5, 1, 6)[::5],
        np.linspace(0, 2 * np.pi, 40)[::13],
        np.linspace(0, 1, 32)[::11],
        np.linspace(0, 1, 32)[::16],
    ]
    values = np.stack([np.asarray(grid)[labels[:, k]] for k, grid in enumerate(grids)], 1)
    members = {
        "imgs": all_images(prepared[1])[..., 0] // 255,
        "latents_classes": np.insert(labels, 0, 0, axis=1),
        "latents_values": np.insert(values, 0, 1.0, axis=1),
    } | changes
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **members)
    with zipfile.ZipFile(path, "a") as archive, archive.open("metadata.npy", "w") as member:
        header = {"descr": "|O", "fortran_order": False, "shape": ()}
        np.lib.format.write_array_header_1_0(member, header)
        member.write(pickle.dumps(Trap()))
    return hashlib.md5(path.read_bytes()).hexdigest()


def load_official(data_dir, md5=dsprites.MD5):
    config = dsprites.OfficialConfig(
        name="tiny", description="for tests", strides=TINY.strides, md5=md5
    )
    return datasets.load_builder("official", dsprites.OfficialDsprites, config, 64, str(data_dir))


def manual(data_dir):
    return data_dir / "downloads" / "manual" / dsprites.FILE


@pytest.mark.usefixtures("no_network")
def test_official_file_by_hand(tmp_path, prepared):
    md5 = write_official(manual(tmp_path), prepared)
    dataset = load_official(tmp_path, md5)
    np.testing.assert_array_equal(all_images(dataset), all_images(prepared[1]))
    np.testing.assert_array_equal(dataset.factors, prepared[1].factors)
    assert dataset.source == "dSprites, DeepMind's file (144 images)"


def test_official_form_with_other_bytes_says_so(tmp_path, prepared):
    write_official(manual(tmp_path), prepared)
    for _ in range(2):  # as prepared, and as reloaded
        assert "not DeepMind's" in load_official(tmp_path).source


def test_official_file_is_downloaded(tmp_path, prepared, monkeypatch):
    md5 = write_official(tmp_path / "elsewhere.npz", prepared)
    content = (tmp_path / "elsewhere.npz").read_bytes()
    monkeypatch.setattr(sources, "download", lambda url, part: part.write_bytes(content))
    with pytest.raises(UserError, match="another file"):
        load_official(tmp_path / "a")
    assert not list((tmp_path / "a").rglob(f"{dsprites.FILE}*"))
    np.testing.assert_array_equal(
        all_images(load_official(tmp_path / "b", md5)), all_images(prepared[1])
    )
    assert (tmp_path / "b" / "downloads" / dsprites.FILE).read_bytes() == content


@pytest.mark.usefixtures("no_network")
def test_official_file_missing(tmp_path):
    with pytest.raises(UserError) as caught:
        datasets.load("dsprites_official", data_dir=str(tmp_path))
    message = str(caught.value)
    assert "\n" not in message
    for part in ("no route to host", dsprites.URL, str(manual(tmp_path)), "same command again"):
        assert part in message
    assert not list(tmp_path.glob("official_dsprites/full/*1.0.0/"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"imgs": np.zeros((COUNT, 64, 64), np.float32)}, "imgs is float32"),
        ({"imgs": np.zeros((COUNT, 32, 32), np.uint8)}, "imgs is uint8"),
        ({"imgs": np.zeros((COUNT - 1, 64, 64), np.uint8)}, "143 images, not 144"),
        ({"imgs": np.full((COUNT, 64, 64), 255, np.uint8)}, "image values reach 255"),
        ({"latents_classes": np.zeros((COUNT, 6), np.int64)}, "order of the grid"),
        ({"latents_classes": np.zeros((COUNT, 5), np.int64)}, "latents_classes is int64"),
        ({"latents_values": np.zeros((COUNT, 6))}, "latents_values are not"),
        (None, "not a zip file"),
    ],
)
def test_wrong_official_file(tmp_path, prepared, changes, reason):
    write_official(manual(tmp_path), prepared, **(changes or {}))
    if changes is None:
        manual(tmp_path).write_bytes(b"<html>not found</html>" * 100)
    with pytest.raises(UserError, match=reason) as caught:
        load_official(tmp_path)
    assert str(manual(tmp_path)) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("official_dsprites/tiny/*1.0.0/"))


def test_truncated_official_file(tmp_path, prepared):
    write_official(manual(tmp_path), prepared)
    os.truncate(manual(tmp_path), manual(tmp_path).stat().st_size // 2)
    with pytest.raises(UserError, match="not the official dSprites file"):
        load_official(tmp_path)
