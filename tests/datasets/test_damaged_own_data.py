"""One's own pictures and the working copies, damaged."""

import os
import pickle
import random
import shutil
import struct
import zlib

import helpers
import numpy as np
import pytest
from fixtures import published_files
from fixtures.damage import FILES, HUGE, JSON, cases, npy, refused, refused_or, rewriting, to_folder

from cvae_jax import datasets

pytestmark = pytest.mark.usefixtures("limits")

TABLE = "file,shape\nb.png,1\na.jpg,2\nsub/c.PNG,1\n"


def png_claiming(width, height):
    """A picture of no pixels that claims to have many."""
    content = bytearray(published_files.png(np.zeros((8, 8), np.uint8)))
    content[16:24] = struct.pack(">II", width, height)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    return bytes(content)


def picture(content):
    return lambda folder: (folder / "a.jpg").write_bytes(content)


def table(content):
    return lambda folder: (folder / "factors.csv").write_bytes(content)


def to_pipe(path):
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def to_dangling(path):
    path.unlink()
    path.symlink_to("nowhere")


@cases(
    ("file", "damage"),
    {
        "picture-empty": ("a.jpg", picture(b"")),
        "picture-noise": ("a.jpg", picture(random.Random(0).randbytes(300))),
        "picture-huge": ("a.jpg", picture(png_claiming(2**30, 2**30))),
        "picture-long": ("a.jpg", picture(png_claiming(2**31 - 1, 1))),
        "picture-of_nothing": ("a.jpg", picture(png_claiming(0, 0))),
        "picture-postscript": ("a.jpg", picture(b"%!PS-Adobe-3.0\n%%BoundingBox: 0 0 9 9\n")),
        "picture-pipe": ("a.jpg", lambda folder: to_pipe(folder / "a.jpg")),
        "picture-dangling": ("a.jpg", lambda folder: to_dangling(folder / "a.jpg")),
        "table-pipe": ("factors.csv", lambda folder: to_pipe(folder / "factors.csv")),
        "table-folder": ("factors.csv", lambda folder: to_folder(folder / "factors.csv")),
        "table-noise": ("factors.csv", table(random.Random(0).randbytes(300))),
        "table-nul": ("factors.csv", table(TABLE.replace("2", "\0").encode("utf-16"))),
        "table-one_long_value": ("factors.csv", table(TABLE.replace("2", "2" * 200_000).encode())),
        "table-open_quote": ("factors.csv", table(TABLE.replace("b.png", '"b.png').encode())),
        "table-half": ("factors.csv", table(TABLE[:30].encode())),
        "table-twice": ("factors.csv", table((TABLE + "a.jpg,1\n").encode())),
        "table-latin_1": ("factors.csv", table(TABLE.replace("2", "ü").encode("latin-1"))),
    },
)
def test_damaged_pictures_of_ones_own(tmp_path, file, damage):
    folder = helpers.write_three_pictures(tmp_path / "pictures")
    (folder / "factors.csv").write_text(TABLE)
    damage(folder)
    refused(lambda: datasets.load(f"folder:{folder}", 16, str(tmp_path / "data")), folder / file)


@cases("place", {f"byte_{place}": place for place in range(41, 2300, 180)})
def test_a_byte_of_a_picture(tmp_path, place):
    """Of one colour: its decoder tells no wrong pixel, only its checksum does."""
    path, root = tmp_path / "pictures/a.png", tmp_path / "data"
    path.parent.mkdir()
    content = published_files.png(np.full((600, 600, 3), 200, np.uint8))
    path.write_bytes(content)
    read = lambda: datasets.load(f"folder:{path.parent}", 64, str(root)).pixels
    whole = read()
    shutil.rmtree(root)  # a copy that knows the picture by its size and time
    path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
    refused_or(whole, read, path)


@cases("size", {"huge": 10**9, "zero": 0, "negative": -16})
def test_pictures_of_a_senseless_size(tmp_path, size):
    folder = helpers.write_three_pictures(tmp_path / "pictures")
    read = lambda: datasets.load(f"folder:{folder}", size, str(tmp_path / "data"))
    refused(read, f"data.size is {size}: it must be from 1 to 1024")
    assert not (tmp_path / "data").exists()


@cases(
    ("file", "damage"),
    {
        **{
            f"{file}-{name}": (file, damage)
            for file in ("images.npy", "factors.npy", "copy.json")
            for name, damage in FILES.items()
            if name != "folder"
        },
        "images.npy-of_a_trillion": (
            "images.npy",
            rewriting(lambda content: npy((HUGE, 8, 8, 1), "|u1") + content[128:]),
        ),
        "factors.npy-pickled": ("factors.npy", rewriting(lambda content: pickle.dumps([1]))),
        **{
            f"copy.json-{name}": ("copy.json", rewriting(lambda c, x=x: x))
            for name, x in JSON.items()
        },
    },
)
def test_a_damaged_working_copy_is_rebuilt(tmp_path, caplog, file, damage):
    folder = helpers.write_three_pictures(tmp_path / "pictures")
    (folder / "factors.csv").write_text(TABLE)
    load = lambda: datasets.load(f"folder:{folder}", 16, str(tmp_path / "data"))
    whole = load()
    (path,) = (tmp_path / "data").rglob(file)
    damage(path)
    caplog.clear()
    found = load()
    assert "is damaged: made again" in caplog.text
    np.testing.assert_array_equal(found.pixels, whole.pixels)
    np.testing.assert_array_equal(found.factors, whole.factors)
    assert found[:5] == whole[:5]


@cases("file", {file: file for file in ("images.npy", "factors.npy", "copy.json")})
def test_a_folder_in_a_working_copy_is_named(tmp_path, file):
    folder = helpers.write_three_pictures(tmp_path / "pictures")
    load = lambda: datasets.load(f"folder:{folder}", 16, str(tmp_path / "data"))
    load()
    (path,) = (tmp_path / "data").rglob(file)
    to_folder(path)
    refused(load, "Is a directory", "name another folder")
