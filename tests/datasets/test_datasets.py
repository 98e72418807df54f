"""A prepared data set: loaded as written, built again where it is damaged or half written."""

import concurrent.futures
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from fixtures.published_files import load, write_idx
from fixtures.tiny_dsprites import COUNT, SHAPE, TINY, load_tiny, records
from helpers import all_images

from cvae_jax import datasets
from cvae_jax.datasets import dsprites, sprites, working_copy
from cvae_jax.errors import UserError


def test_load_and_reload(prepared):
    data_dir, dataset = prepared
    assert (dataset.name, dataset.size, dataset.channels) == ("tiny", 64, 1)
    assert dataset.source == "dSprites rendered by cvae_jax (144 images)"
    assert dataset.factor_names == ("shape", "scale", "orientation", "x", "y")
    assert dataset.factors.dtype == np.int32
    np.testing.assert_array_equal(
        dataset.factors, np.stack(np.unravel_index(range(COUNT), SHAPE), 1)
    )
    images = all_images(dataset)
    assert images.shape == (COUNT, 64, 64, 1)
    assert images.dtype == np.uint8
    expected = sprites.render(2, 1.0, 0.0, np.linspace(0, 1, 32)[[22]], [0.0])[0, 0]
    index = np.ravel_multi_index((2, 1, 0, 2, 0), SHAPE)
    np.testing.assert_array_equal(images[index, ..., 0], np.where(expected, 255, 0))
    again = load_tiny(data_dir)
    np.testing.assert_array_equal(all_images(again), images)
    np.testing.assert_array_equal(again.factors, dataset.factors)
    assert again.source == dataset.source


@pytest.mark.parametrize("size", [32, 16])
def test_smaller_sizes_are_means(prepared, size):
    data_dir, dataset = prepared
    small = load_tiny(data_dir, size)
    block = 64 // size
    means = all_images(dataset).astype(float).reshape(COUNT, size, block, size, block)
    means = means.mean(axis=(2, 4))[..., None]
    assert small.size == size
    images = all_images(small)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, np.rint(means))
    assert len(np.unique(images)) == block**2 + 1


@pytest.mark.parametrize("size", [48, 128, 0])
def test_other_sizes_are_refused(tmp_path, size):
    with pytest.raises(UserError, match=f"data.size is {size}: it must be 64, 32 or 16"):
        load_tiny(tmp_path, size)
    assert not list(tmp_path.iterdir())


def test_working_copy_is_small(prepared):
    folder = records(prepared[0]).parent
    assert np.load(folder / "copy_train" / "images.npy").shape == (COUNT, 512)
    assert (
        json.loads((folder / "copy_train" / "copy.json").read_text())["source"]
        == prepared[1].source
    )


def test_large_data_stay_on_the_disk(tmp_path, monkeypatch):
    write_idx(tmp_path, "mnist")
    expected = all_images(load("mnist", tmp_path))
    monkeypatch.setattr(working_copy, "MEMORY_LIMIT", 100)
    dataset = load("mnist", tmp_path)
    assert isinstance(dataset.pixels, np.memmap)
    np.testing.assert_array_equal(all_images(dataset), expected)


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage", ["images.npy", "factors.npy", "copy.json", "header", "missing", "short"]
)
def test_damaged_working_copy(tmp_path, prepared, caplog, damage):
    load_tiny(tmp_path)
    folder = records(tmp_path).parent / "copy_train"
    before = records(tmp_path).stat().st_mtime_ns
    if damage == "missing":
        (folder / "images.npy").unlink()
    elif damage == "header":
        content = (folder / "images.npy").read_bytes()
        (folder / "images.npy").write_bytes(content.replace(b"}", b" ", 1))
    elif damage == "short":
        os.truncate(folder / "images.npy", 1000)
    else:
        flip_a_byte(folder / damage)
    caplog.clear()
    np.testing.assert_array_equal(all_images(load_tiny(tmp_path)), all_images(prepared[1]))
    assert [r.message for r in caplog.records if "working copy" in r.message]
    assert records(tmp_path).stat().st_mtime_ns == before  # the records were good
    caplog.clear()
    load_tiny(tmp_path)
    assert not caplog.records


@pytest.mark.parametrize("damage", ["half", "byte", "gone", "info"])
def test_damaged_records(tmp_path, prepared, caplog, damage):
    load_tiny(tmp_path)
    path = records(tmp_path)
    (path.parent / "copy_train" / "copy.json").unlink()
    if damage == "half":
        os.truncate(path, path.stat().st_size // 2)
    elif damage == "byte":
        content = bytearray(path.read_bytes())
        content[200] ^= 255
        path.write_bytes(content)
    elif damage == "gone":
        path.unlink()
    else:
        os.truncate(path.parent / "dataset_info.json", 50)
    caplog.clear()
    np.testing.assert_array_equal(all_images(load_tiny(tmp_path)), all_images(prepared[1]))
    notices = [r.message for r in caplog.records if "prepared again" in r.message]
    assert len(notices) == 1
    assert "\n" not in notices[0]
    assert len(records(tmp_path).read_bytes()) > 0


def test_records_of_another_grid_are_refused(tmp_path, caplog):
    other = dataclasses.replace(TINY, strides=(1, 5, 13, 16, 11))  # as many images, other labels
    load_tiny(tmp_path)
    (records(tmp_path).parent / "copy_train" / "copy.json").unlink()
    datasets.load_builder("tiny", dsprites.RenderedDsprites, other, 64, str(tmp_path))
    assert "prepared again" in caplog.text


def test_killed_prepare(tmp_path, prepared):
    program = """
import sys, time
from cvae_jax import datasets
from cvae_jax.datasets import dsprites
generate = dsprites.RenderedDsprites._generate_examples
def slowly(self, pairs):
    for i, example in enumerate(generate(self, pairs)):
        if i == 100:
            print("halfway", file=sys.__stdout__, flush=True)
            time.sleep(60)
        yield example
dsprites.RenderedDsprites._generate_examples = slowly
config = dsprites.GridConfig(name="tiny", description="", strides=(1, 5, 13, 11, 16))
datasets.load_builder("tiny", dsprites.RenderedDsprites, config, 64, sys.argv[1])
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        for line in process.stdout:
            if line.startswith("halfway"):
                break
        folder = tmp_path / "rendered_dsprites" / "tiny"
        assert len(list(folder.glob("incomplete.*"))) == 1
        process.send_signal(signal.SIGKILL)
    assert not (folder / "1.0.0").exists()
    np.testing.assert_array_equal(all_images(load_tiny(tmp_path)), all_images(prepared[1]))
    assert not list(folder.glob("incomplete.*"))


def test_two_loads_prepare_once(tmp_path, monkeypatch):
    calls = []
    generate = dsprites.RenderedDsprites._generate_examples

    def slowly(self, pairs):
        calls.append(time.sleep(0.5))
        return generate(self, pairs)

    monkeypatch.setattr(dsprites.RenderedDsprites, "_generate_examples", slowly)
    # flock holds between two open files even within one process.
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first, second = pool.map(load_tiny, [tmp_path, tmp_path])
    assert len(calls) == 1
    np.testing.assert_array_equal(all_images(first), all_images(second))


def test_unknown_name():
    with pytest.raises(UserError, match=r"did you mean 'dsprites_small'.*dsprites_official"):
        datasets.load("dsprite_smal")


@pytest.mark.parametrize("kind", ["folder", "npz"])
def test_a_path_without_its_kind_is_recognised(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "npz").touch()
    with pytest.raises(UserError, match=f"no data set '{kind}': did you mean {kind}:{kind}"):
        datasets.load(kind, 64)


def test_unusable_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/data .*Not a directory.*name another folder with"):
        load_tiny(tmp_path / "file" / "data")


def test_full_disk(tmp_path, monkeypatch):
    def no_space(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array_header_1_0", no_space)
    with pytest.raises(UserError, match=r"No space left on device.*name another folder with"):
        load_tiny(tmp_path)
    monkeypatch.undo()
    assert not list(tmp_path.rglob("*.part"))
    assert load_tiny(tmp_path).num_images == COUNT


def test_default_folder_is_tfds_own(tmp_path, prepared, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared[0]))
    before = sorted(prepared[0].rglob("*"))
    np.testing.assert_array_equal(all_images(load_tiny("")), all_images(prepared[1]))
    assert sorted(prepared[0].rglob("*")) == before
