"""Arrays of one's own: .npz and .npy files, and arrays in memory."""

import zipfile

import numpy as np
import pytest

from cvae_jax import datasets
from cvae_jax.datasets import arrays
from cvae_jax.errors import UserError
from cvae_jax.runs import data_record
from cvae_jax.runs.workdir import read_json

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (40, 12, 12, 3), np.uint8)


def load(path, size=12):
    return datasets.load(f"npz:{path}", size)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_npz_has_images_and_labels(tmp_path, save):
    shapes = np.array(["square", "disc"])[np.arange(40) % 2]
    scales = np.array([0.5, 10.0, 9.0, 0.5])[np.arange(40) % 4]  # numbers, in their order
    save(tmp_path / "a.npz", images=COLOUR, factors=scales, factor_names=["scale"])
    dataset = load(tmp_path / "a.npz")
    np.testing.assert_array_equal(dataset.images(np.array([3, 0])), COLOUR[[3, 0]])
    assert isinstance(dataset.pixels, np.memmap) == (save is np.savez)
    assert (dataset.size, dataset.channels, dataset.binary) == (12, 3, False)
    assert (dataset.factor_names, dataset.factor_sizes) == (("scale",), (3,))
    np.testing.assert_array_equal(dataset.factors[:4, 0], [0, 2, 1, 0])
    assert dataset.source == "40 images of a.npz"
    save(tmp_path / "a.npz", images=COLOUR, factors=np.stack([shapes, shapes], axis=1))
    dataset = load(tmp_path / "a.npz")
    assert dataset.factor_names == ("factor_1", "factor_2")
    np.testing.assert_array_equal(dataset.factors[:2], [[1, 1], [0, 0]])  # disc before square


def test_an_npy_is_mapped_and_its_images_are_averaged_to_a_divisor(tmp_path):
    np.save(tmp_path / "a.npy", COLOUR[..., 0])
    dataset = load(tmp_path / "a.npy", 6)
    assert isinstance(dataset.pixels, np.memmap)
    blocks = COLOUR[:2, :, :, 0].reshape(2, 6, 2, 6, 2).mean(axis=(2, 4))
    np.testing.assert_array_equal(dataset.images(np.arange(2))[..., 0], np.rint(blocks))
    with pytest.raises(UserError, match=r"12x12 pixels .* set config.data.size to 12"):
        load(tmp_path / "a.npy", 8)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_are_the_same_images_as_bytes(dtype):
    dataset = arrays.from_arrays((COLOUR / 255.0).astype(dtype))
    np.testing.assert_array_equal(dataset.images(np.arange(40)), COLOUR)


def test_text_is_stripped_and_bytes_are_text():
    images = np.random.default_rng(0).integers(0, 256, (6, 4, 4), np.uint8)
    for kind in ("U", "S"):
        values = np.array([" x", "x", "y"] * 2).astype(kind)
        found = arrays.from_arrays(images, values, np.array([" shape"]).astype(kind))
        assert found.factor_names == ("shape",)
        assert found.factors.ravel().tolist() == [0, 0, 1] * 2


@pytest.mark.parametrize(("scale", "dtype"), [(1, np.uint8), (1 / 255, np.float32)])
def test_images_that_are_nearly_black_are_warned_of(caplog, scale, dtype):
    """Of 0 and 1 in bytes, or of floats that were divided by 255 twice."""
    ones = np.random.default_rng(0).integers(0, 2, (6, 4, 4))
    arrays.from_arrays((ones * scale).astype(dtype))
    assert "nearly of one shade each, their values differ by at most 1 of 255" in caplog.text
    caplog.clear()
    arrays.from_arrays((ones * 255 * scale).astype(dtype))
    assert not caplog.messages


def test_black_and_white_is_seen():
    black = (COLOUR[..., :1] > 99) * np.uint8(255)
    for images in (black, black > 0, black / 255.0):
        dataset = arrays.from_arrays(images)
        assert dataset.binary
        np.testing.assert_array_equal(dataset.images(np.arange(40)), black)
    assert not arrays.from_arrays(black // 2).binary


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"pictures": COLOUR}, "has no array images"),
        ({"images": COLOUR.astype(np.int64)}, "are int64: make them uint8, or floats"),
        ({"images": COLOUR.astype(np.float32)}, "are from 0 to 255: make them uint8, or fl"),
        ({"images": np.full((4, 12, 12), np.nan)}, "are from nan to nan"),
        ({"images": COLOUR[:, :6]}, r"shape \(40, 6, 12, 3\): make them square"),
        ({"images": COLOUR[..., :2]}, r"with C 1 or 3"),
        ({"images": COLOUR[:0]}, r"shape \(0, 12, 12, 3\)"),
        ({"images": COLOUR[0, 0]}, r"shape \(12, 3\): make them square"),
        ({"images": COLOUR, "factors": np.zeros((39, 2))}, r"must be \[40, k\]"),
        ({"images": COLOUR, "factors": np.full(40, np.nan)}, "not finite"),
        ({"images": COLOUR, "factors": np.arange(40), "factor_names": ["a", "b"]}, "for 1 fac"),
        (
            {"images": COLOUR, "factors": np.zeros((40, 2)), "factor_names": ["a", "a"]},
            "needs a name of its own",
        ),
        ({"images": COLOUR, "factor_names": ["a"]}, "factor_names and no factors"),
        ({"images": COLOUR, "factors": np.array([None] * 40)}, "holds Python objects"),
    ],
)
def test_wrong_arrays(tmp_path, content, message):
    np.savez(tmp_path / "a.npz", **content)
    with pytest.raises(UserError, match=message) as caught:
        load(tmp_path / "a.npz")
    assert "\n" not in str(caught.value)


def _claiming(shape):
    """An .npy whose header says more than there is."""
    header = np.lib.format.header_data_from_array_1_0(COLOUR) | {"shape": shape}

    def write(path):
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            file.write(COLOUR.tobytes())

    return write


def _compressed(shape):
    def write(path):
        _claiming(shape)(path.with_suffix(".npy"))
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(path.with_suffix(".npy"), "images.npy")

    return write


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b"no array"),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\x93NUMPY\x01\x00"),
        _claiming((2**40, 12, 12, 3)),
        _claiming((2**62, 4, 4, 1)),  # 2^66 bytes wrap around to 0
        _compressed((2**40, 12, 12, 3)),
        _compressed((2**62, 4, 4, 1)),
    ],
)
def test_damaged_files_are_refused_before_memory_is_taken(tmp_path, write):
    write(tmp_path / "a.npz")
    with pytest.raises(UserError, match="write it again") as caught:
        load(tmp_path / "a.npz")
    assert "\n" not in str(caught.value)


def test_random_damage_ends_in_an_array_or_in_one_line(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, images=COLOUR[:2], factors=np.arange(2))
    whole = path.read_bytes()
    refusals = []
    for _ in range(300):
        content = bytearray(whole)
        for place in RNG.integers(0, len(content), 3):
            content[place] = RNG.integers(0, 256)
        path.write_bytes(content)
        try:
            dataset = load(path)
            assert dataset.images(np.arange(dataset.num_images)).dtype == np.uint8
        except UserError as error:
            refusals.append(str(error))
    assert refusals
    assert not any("\n" in text for text in refusals)


def test_many_values_of_a_factor_are_warned_of(caplog):
    arrays.from_arrays(COLOUR, factors=np.arange(40) / 7)
    assert "factor_1 has 40 values in 40 images" in caplog.text


def test_a_data_set_of_ones_own_must_give_bytes():
    dataset = arrays.from_arrays(COLOUR)
    assert arrays.own(dataset).name == "array:array"
    wrong = dataset._replace(decode=lambda rows: rows / 255.0)
    with pytest.raises(UserError, match="dataset= gives images float64"):
        arrays.own(wrong)
    with pytest.raises(UserError, match="dataset= has no images: its keys are x"):
        arrays.own({"x": COLOUR})


def test_contents_identify_arrays_wherever_they_lie(tmp_path):
    """Passed, or in a file of any name; one other pixel makes other data."""
    passed = arrays.from_arrays(COLOUR)
    data_record.keep(tmp_path, passed)
    np.savez(tmp_path / "moved.npz", images=COLOUR)
    moved = load(tmp_path / "moved.npz")
    assert data_record.differences(tmp_path, moved) == ""
    same = data_record.as_recorded(tmp_path, "array", moved)
    assert (same.name, same.source) == ("array", "40 images of an array")
    other = COLOUR.copy()
    other[37, 5, 5, 1] ^= 1
    np.savez(tmp_path / "other.npz", images=other)
    other = load(tmp_path / "other.npz")
    assert data_record.differences(tmp_path, other) == "other content"
    assert data_record.as_recorded(tmp_path, "array", other) is other
    assert read_json(tmp_path / "data.json")["num_examples"] == 40
