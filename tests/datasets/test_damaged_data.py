"""Data sets' archives, HDF5 and PyTorch files, damaged: refused, or read as the sound ones are."""

import io
import shutil
import tarfile

import h5py
import numpy as np
import pytest
from fixtures import published_files
from fixtures.damage import (
    FILES,
    HUGE,
    cases,
    flip,
    packed,
    refused,
    refused_or,
    rewriting,
    to_folder,
)
from PIL import Image

from cvae_jax.datasets import catalogue, faces3d, mpi3d

pytestmark = pytest.mark.usefixtures("limits")


def rows_of(name, root):
    """Images and labels of the training images, read from the files without being prepared."""
    cls, config = catalogue.builder(catalogue.ENTRIES[name])
    rows = cls(config=config, data_dir=root).read(root)["train"][1]
    images, labels = zip(*rows, strict=True)
    return np.stack(images), np.array(labels)


WRITERS = {
    "celeba": lambda root: published_files.write_celeba(root, count=2)[0],
    "chairs3d": published_files.write_chairs,
    "shapes3d": lambda root: published_files.write_shapes(root)[0],
    "faces3d": lambda root: write_faces(root),
    "cars3d": published_files.write_cars,
    "mpi3d_real": lambda root: published_files.write_mpi3d(root, "real"),
}


def write_faces(root):
    path = published_files.manual(root, "faces3d", faces3d.FILE.name)
    renders = np.arange(24, dtype=np.uint8)[:, None, None] + np.zeros((64, 64), np.uint8)
    path.write_bytes(published_files.torch_bytes(renders, False))
    return path


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Of each data set its file and what is read from it."""
    found, root = {}, tmp_path_factory.mktemp("sound")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faces3d, "GRID", (3, 2, 2, 2))
        patch.setattr(mpi3d, "GRID", published_files.MPI3D_GRID)
        for name, write in WRITERS.items():
            found[name] = write(root), rows_of(name, root)
    return found


def copied(sound, name, root, monkeypatch):
    monkeypatch.setattr(faces3d, "GRID", (3, 2, 2, 2))
    monkeypatch.setattr(mpi3d, "GRID", published_files.MPI3D_GRID)
    path = published_files.manual(root, name, sound[name][0].name)
    shutil.copy(sound[name][0], path)
    return path


@cases(
    ("name", "damage"),
    {
        f"{name}-{how}": (name, damage)
        for name in WRITERS
        for how, damage in FILES.items()
        if how not in ("a_bit", "folder")
    },
)
def test_a_damaged_file_of_a_data_set(sound, tmp_path, monkeypatch, name, damage):
    path = copied(sound, name, tmp_path, monkeypatch)
    damage(path)
    refused_or(sound[name][1], lambda: rows_of(name, tmp_path), path, "same command again")


@cases(
    ("name", "seed"),
    {
        f"{name}-bit_{seed}": (name, seed)
        for name in WRITERS
        if name != "shapes3d"  # HDF5 files need have no checksum
        for seed in range(6)
    },
)
def test_a_bit_of_a_data_set(sound, tmp_path, monkeypatch, name, seed):
    path = copied(sound, name, tmp_path, monkeypatch)
    path.write_bytes(flip(path.read_bytes(), seed))
    refused_or(sound[name][1], lambda: rows_of(name, tmp_path), path, "same command again")


@cases("name", {name: name for name in WRITERS})
def test_a_folder_in_place_of_a_data_file_is_no_file(sound, tmp_path, monkeypatch, name):
    to_folder(copied(sound, name, tmp_path, monkeypatch))
    refused(lambda: rows_of(name, tmp_path), "is missing", "same command again")


def jpeg(side=(178, 218)):
    out = io.BytesIO()
    Image.new("RGB", side).save(out, "jpeg")
    return out.getvalue()


@cases(
    "content",
    {
        "bomb": [("a.jpg", jpeg() + bytes(50_000_000))],
        "no_picture": [("a.jpg", b"JPEG")],
        "text": [("readme.txt", b"")],
        "postscript": [("a.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 178 218\n")],
        "folder": [("a.jpg/", b"")],
        "cut_picture": [("a.jpg", jpeg()[:400])],
        "huge_picture": [("a.jpg", jpeg().replace(b"\0\xda\0\xb2", b"\xff\xff\xff\xff"))],
    },
)
def test_a_zip_of_other_things_than_faces(tmp_path, content):
    path = published_files.manual(tmp_path, "celeba", "img_align_celeba.zip")
    packed(path, *content)
    refused(lambda: rows_of("celeba", tmp_path), path, "same command again")


NAMES_OUTSIDE = ("../../escaped.jpg", "/tmp/../escaped.jpg", "a\\..\\escaped.jpg")


@cases("name", dict(zip(("parent", "root", "backslash"), NAMES_OUTSIDE, strict=True)))
def test_members_never_leave_their_archive(tmp_path, name):
    path = published_files.manual(tmp_path, "celeba", "img_align_celeba.zip")
    packed(path, (name, jpeg()))
    before = sorted(tmp_path.rglob("*"))
    images, _ = rows_of("celeba", tmp_path)
    np.testing.assert_array_equal(images, np.zeros((1, 64, 64, 3)))
    assert sorted(tmp_path.rglob("*")) == before


def chair(name="x/renders/image_001_p020_t011_r096.png", content=b"", **facts):
    """A tar of one member."""
    out, info = io.BytesIO(), tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in facts.items():
        setattr(info, key, value)
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


@cases(
    "content",
    {
        "no_picture": chair(content=b"PNG"),
        "other_name": chair("x/renders/image_001.png"),
        "elevation_of_many_digits": chair(f"x/renders/image_001_p{'9' * 5000}_t011_r096.png"),
        "link_to_itself": chair(type=tarfile.SYMTYPE, linkname="image_001_p020_t011_r096.png"),
        "link_outside": chair(type=tarfile.SYMTYPE, linkname="../../../../../etc/hostname"),
        "hard_link_outside": chair(type=tarfile.LNKTYPE, linkname="/etc/hostname"),
        "device": chair(type=tarfile.CHRTYPE),
        "pipe": chair(type=tarfile.FIFOTYPE),
        "empty": chair()[:0],
    },
)
def test_a_tar_of_other_things_than_chairs(tmp_path, content):
    path = published_files.manual(tmp_path, "chairs3d", "rendered_chairs.tar")
    path.write_bytes(content)
    refused(lambda: rows_of("chairs3d", tmp_path), path, "same command again")


def damaged_header(content, position):
    """A bit of the third member's header; tarfile itself ends there and says nothing."""
    headers = [i for i in range(0, len(content), 512) if content[i:].startswith(b"rendered")]
    place = headers[2] + position
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@cases(
    "damage",
    {
        "bit_of_a_name": lambda content: damaged_header(content, 30),
        "bit_of_a_size": lambda content: damaged_header(content, 130),
        "bit_of_a_checksum": lambda content: damaged_header(content, 150),
        "no_end": lambda content: content.rstrip(b"\0") + bytes(-len(content.rstrip(b"\0")) % 512),
    },
)
def test_a_tar_that_seems_to_end_early(sound, tmp_path, monkeypatch, damage):
    path = copied(sound, "chairs3d", tmp_path, monkeypatch)
    rewriting(damage)(path)
    refused(lambda: rows_of("chairs3d", tmp_path), path, "cut off or damaged")


def in_hdf5(change):
    def damage(path):
        with h5py.File(path, "a") as file:
            change(file)

    return damage


def labels_of(file, **dataset):
    del file["labels"]
    file.create_dataset("labels", **dataset)


@cases(
    "damage",
    {
        "no_labels": in_hdf5(lambda file: file.pop("labels")),
        "no_images": in_hdf5(lambda file: file.pop("images")),
        "labels_nan": in_hdf5(lambda file: labels_of(file, data=np.full((8, 6), np.nan))),
        "labels_of_a_trillion": in_hdf5(
            lambda file: labels_of(file, shape=(HUGE, 6), chunks=(8, 6), dtype="f8")
        ),
        "labels_in_words": in_hdf5(
            lambda file: labels_of(file, data=np.full((8, 6), b"red", dtype="S3"))
        ),
        "labels_of_one": in_hdf5(lambda file: labels_of(file, data=1.0)),
        "labels_a_group": in_hdf5(lambda file: (file.pop("labels"), file.create_group("labels"))),
        "images_of_bits": in_hdf5(
            lambda file: (file.pop("images"), file.create_dataset("images", data=np.zeros((8, 64))))
        ),
    },
)
def test_an_hdf5_of_other_things_than_shapes(sound, tmp_path, monkeypatch, damage):
    path = copied(sound, "shapes3d", tmp_path, monkeypatch)
    damage(path)
    refused(lambda: rows_of("shapes3d", tmp_path), path, "same command again")
