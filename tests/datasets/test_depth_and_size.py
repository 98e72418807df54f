"""Pictures of users: how deep their pixels are, and how many they may be."""

import struct
import subprocess
import sys
import zlib

import helpers
import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def pictures(tmp_path):
    return helpers.write_three_pictures(tmp_path / "pictures")


def deep(largest, order="<"):
    ramp = np.linspace(0, largest, 256).astype(f"{order}u2").reshape(16, 16)
    return Image.frombytes("I;16" if order == "<" else "I;16B", (16, 16), ramp.tobytes()), ramp


@pytest.mark.parametrize(("largest", "bits"), [(255, 8), (1023, 10), (4095, 12), (65535, 16)])
def test_depth_is_that_of_the_largest_value(tmp_path, caplog, largest, bits):
    (tmp_path / "pictures").mkdir()
    values = []
    for index, (share, order) in enumerate(((1.0, "<"), (0.5, ">"))):
        picture, ramp = deep(int(share * largest), order)
        picture.save(tmp_path / "pictures" / f"{index}.tif")
        with Image.open(tmp_path / "pictures" / f"{index}.tif") as stored:
            assert stored.mode == picture.mode
        values.append(ramp.astype(int) >> (bits - 8))
    with caplog.at_level("INFO"):
        dataset = helpers.load_folder(tmp_path / "pictures", tmp_path / "data")
    assert dataset.channels == 1
    np.testing.assert_array_equal(dataset.images(np.arange(2))[..., 0], values)
    assert f"reach {largest}: read as {bits} bits" in caplog.text
    assert "of one shade" not in caplog.text


def test_pictures_of_one_shade_are_warned_of(pictures, tmp_path, caplog):
    helpers.load_folder(pictures, tmp_path / "data")
    assert "all 3 pictures are nearly of one shade each" in caplog.text


def png(head, held):
    """A PNG of a header and compressed rows."""
    chunks = ((b"IHDR", head), (b"IDAT", held), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(held)) + kind + held + struct.pack(">I", zlib.crc32(kind + held))
        for kind, held in chunks
    )


def png_of_16_bits_in_colour(value):
    rows = (b"\0" + struct.pack(">3H", *[value] * 3) * 16) * 16
    return png(struct.pack(">2I5B", 16, 16, 16, 2, 0, 0, 0), zlib.compress(rows))


def test_colour_of_16_bits_is_said_to_be_cut(pictures, tmp_path, caplog):
    (pictures / "d.png").write_bytes(png_of_16_bits_in_colour(0x1234))
    assert (helpers.load_folder(pictures, tmp_path / "data").images(np.array([2])) == 0x12).all()
    assert "of 1 pictures of 16 bits in colour the upper 8 are read" in caplog.text


# VmHWM, the most that this process has held: ru_maxrss is at first that of the process that
# started it, which may have held more than a picture takes.
HELD = """
import sys
from cvae_jax import datasets
from cvae_jax.errors import UserError

def most():
    with open("/proc/self/status") as file:
        (line,) = [line for line in file if line.startswith("VmHWM")]
    return int(line.split()[1]) << 10

sound, large, root = sys.argv[1:]
datasets.load(f"folder:{sound}", 16, root)
before = most()
try:
    datasets.load(f"folder:{large}", 16, root)
except UserError as error:
    print(error)
print(most() - before)
"""


def write_white(path, side):
    """A PNG of white, side by side pixels in colour."""
    pack = zlib.compressobj(9)
    row = b"\0" + b"\xff" * (3 * side)
    held = b"".join(pack.compress(row) for _ in range(side)) + pack.flush()
    path.write_bytes(png(struct.pack(">2I5B", side, side, 8, 2, 0, 0, 0), held))


def loaded_alone(sound, large, root):
    """What a program of its own says of a folder of pictures, and the memory in bytes it took."""
    done = subprocess.run(
        [sys.executable, "-c", HELD, str(sound), str(large), str(root)],
        capture_output=True,
        text=True,
        check=True,
    )
    *said, held = done.stdout.splitlines()
    return said, int(held)


def test_pictures_of_too_many_pixels_are_refused_before_they_are_decoded(pictures, tmp_path):
    (tmp_path / "large").mkdir()
    write_white(tmp_path / "large" / "b.png", 13_000)
    (said,), held = loaded_alone(pictures, tmp_path / "large", tmp_path / "data")
    assert "b.png is no picture" in said
    assert "13000x13000 pixels, and at most 40,000,000" in said
    assert held < 20 << 20  # decoded, it is 507 MB
    write_white(tmp_path / "large" / "b.png", 6_000)
    said, held = loaded_alone(pictures, tmp_path / "large", tmp_path / "data")
    assert said == []
    assert held > 6_000**2 * 3  # it is memory of Pillow, too, that is measured


def test_a_larger_jpeg_is_decoded_at_a_smaller_scale(tmp_path):
    (tmp_path / "pictures").mkdir()
    picture = Image.new("L", (7_000, 6_000), 50)
    picture.paste(200, (3_500, 0, 7_000, 6_000))
    picture.save(tmp_path / "pictures" / "a.jpg")
    found = helpers.load_folder(tmp_path / "pictures", tmp_path / "data").images(np.array([0]))[
        0, ..., 0
    ]
    np.testing.assert_allclose(found[:, :7], 50, atol=2)
    np.testing.assert_allclose(found[:, 9:], 200, atol=2)


def test_a_cameras_jpeg_with_more_pictures_behind_it(tmp_path):
    """MPO, as phones write it; and one of them is larger than what is decoded whole."""
    (tmp_path / "pictures").mkdir()
    for name, size in (("a.jpg", (7_000, 6_000)), ("b.jpg", (20, 16))):
        first, second = Image.new("L", size, 90), Image.new("L", (8, 8), 200)
        first.save(tmp_path / "pictures" / name, "MPO", save_all=True, append_images=[second])
    found = helpers.load_folder(tmp_path / "pictures", tmp_path / "data").images(np.arange(2))
    np.testing.assert_allclose(found, 90, atol=2)


MEASURED = """
import pathlib, sys
from cvae_jax.datasets import folder
found = folder.load(sys.argv[1], 16, pathlib.Path(sys.argv[2]))
(peak,) = [x for x in open("/proc/self/status") if x.startswith("VmHWM")]  # of this program alone
print(int(peak.split()[1]) >> 10, found.pixels[0, 0, 0])
"""


@pytest.mark.parametrize(("name", "side"), [("a.png", 6_320), ("a.webp", 4_470)])
def test_the_largest_picture_with_transparency_takes_under_600_mb(tmp_path, name, side):
    (tmp_path / "pictures").mkdir()
    picture = Image.new("RGBA", (side, side), (250, 0, 0, 102))
    picture.save(tmp_path / "pictures" / name, compress_level=1, lossless=True, method=0)
    line = [sys.executable, "-c", MEASURED, tmp_path / "pictures", tmp_path / "data"]
    memory, shown = subprocess.check_output(line, text=True).split(maxsplit=1)
    assert shown.strip() == "[253 153 153]"  # 0.4 of it and 0.6 of white
    assert int(memory) < 600  # MiB of the whole process
