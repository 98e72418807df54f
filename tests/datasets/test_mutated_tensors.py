"""Files of tensors at random: an array as a plain second reader gives it, or one line."""

import io
import pickle
import random
import resource
import struct
import zipfile

import numpy as np
import pytest
from fixtures import published_files
from fixtures.damage import cases, refused
from fixtures.second_torch_reader import second

from cvae_jax.datasets import torch_file

pytestmark = pytest.mark.usefixtures("limits")

VALUES = np.arange(48, dtype=np.uint8)
MEMORY = 600 << 20  # bytes of the whole process beyond what it had


def lists(thing):
    """Arrays as nested lists."""
    if isinstance(thing, dict):
        return {key: lists(value) for key, value in thing.items()}
    if isinstance(thing, (list, tuple)):
        return type(thing)(lists(value) for value in thing)
    return thing.tolist() if isinstance(thing, np.ndarray) else thing


def state(legacy):
    """A state dict of two tensors, one a part of its storage, as torch.save writes it."""
    out, whole, parts = io.BytesIO(), io.BytesIO(), [VALUES, VALUES[::-1].copy()]
    for thing in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}) if legacy else ():
        pickle.dump(thing, out, 2)
    pickler = published_files.TorchPickler(out, legacy)
    out.write(b"\x80\x02ccollections\nOrderedDict\n)R(")
    for index, (offset, size, stride) in enumerate(((0, (3, 16), (16, 1)), (4, (2, 5), (20, 2)))):
        pickler.save(f"layer{index}.weight")
        pickler.save(published_files.Global("torch._utils", "_rebuild_tensor_v2"))
        storage = published_files.Storage(parts[index], str(index))
        pickler.save((storage, offset, size, stride, False, None))
        out.write(b"R")
    out.write(b"u.")
    if legacy:
        pickle.dump(["0", "1"], out, 2)
        for part in parts:
            out.write(struct.pack("<q", part.size) + part.tobytes())
        return out.getvalue()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("archive/data.pkl", out.getvalue())
        for index, part in enumerate(parts):
            archive.writestr(f"archive/data/{index}", part.tobytes())
    return whole.getvalue()


def repacked(content, pickled):
    """The zip with another pickle, its checksums right."""
    old, whole = zipfile.ZipFile(io.BytesIO(content)), io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name in old.namelist():
            new = pickled if name.endswith("data.pkl") else old.read(name)
            archive.writestr(name, new)
    return whole.getvalue()


def mutated(content, seed):
    """One to four bytes replaced, left out, doubled, or a piece put elsewhere."""
    rng, content = random.Random(seed), bytearray(content)
    for _ in range(rng.randint(1, 4)):
        place, other = rng.randrange(len(content)), rng.randrange(len(content))
        length = rng.randint(1, 8)
        match rng.randrange(4):
            case 0:
                content[place] = rng.randrange(256)
            case 1:
                del content[place : place + length]
            case 2:
                content[place:place] = content[other : other + length]
            case 3:
                content[place] = rng.choice(b"\x00\x01\x7f\x80\xff(.RQ}]uarKJM")
    return bytes(content)


def of_zip_or_pickle(seed):
    """Half of the mutations of a zip are of the pickle in it, under a right checksum."""
    whole = state(legacy=False)
    if seed % 2:
        return mutated(whole, seed)
    pickled = zipfile.ZipFile(io.BytesIO(whole)).read("archive/data.pkl")
    return repacked(whole, mutated(pickled, seed))


def read_or_refused(path):
    """The file's content; None: it was refused in one line."""
    try:
        return torch_file.read(path)
    except ValueError:
        refused(lambda: torch_file.read(path), "no file of tensors", error=ValueError)
        return None


@pytest.mark.parametrize("legacy", [True, False], ids=["legacy", "zip"])
def test_a_thousand_mutations(tmp_path, legacy):
    path, taken = tmp_path / "tensors.pth", 0
    path.write_bytes(state(legacy))
    assert lists(torch_file.read(path)) == second(path.read_bytes())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for seed in range(1000):
        content = mutated(state(True), seed) if legacy else of_zip_or_pickle(seed)
        path.write_bytes(content)
        found = read_or_refused(path)
        if found is not None:
            taken += 1
            assert repr(lists(found)) == repr(plain(second(content))), seed
    assert 10 < taken < 900
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # KiB
    assert used << 10 < MEMORY


def plain(thing):
    """Ordered dicts as dicts, for their text."""
    if isinstance(thing, dict):
        return {key: plain(value) for key, value in thing.items()}
    return type(thing)(map(plain, thing)) if isinstance(thing, (list, tuple)) else thing


def tensor(size, stride=b"K\x01\x85", offset=b"K\x00", before=b""):
    """A zip of a tensor over 48 bytes; its size, stride and offset by their instructions."""
    pid = (
        b"(X\x07\x00\x00\x00storagectorch\nByteStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK0tQ"
    )
    call = b"ctorch._utils\n_rebuild_tensor_v2\n(" + pid + offset + size + stride + b"\x89NtR."
    return repacked(state(legacy=False), b"\x80\x02" + before + call)


def numpy_scalar(kind, number):
    """The instructions that make a numpy scalar of a number."""
    return f"ctorch\n{kind}Storage\n".encode() + pickle.dumps(number, 2)[2:-1] + b"\x85R"


def test_the_tensor_of_the_next_test_is_read_with_plain_numbers(tmp_path):
    (tmp_path / "a.pth").write_bytes(tensor(b"K\x05\x85", b"K\x02\x85", b"K\x03"))
    found = torch_file.read(tmp_path / "a.pth")
    np.testing.assert_array_equal(found, [3, 5, 7, 9, 11])


SHARED = b")" + b"q\x00h\x00\x86" * 60  # a pair of one pair twice, 60 deep: 2^60 at its ends


@cases(
    "content",
    {
        # (2^32 - 1) 2^32 + 2^32 - 1 wraps to -1, and 2^32 2^32 to 0
        "sizes_and_strides_wrap": tensor(
            2 * numpy_scalar("Long", 2**32) + b"\x86", numpy_scalar("Long", 2**32) + b"K\x01\x86"
        ),
        "size_of_8_bits": tensor(numpy_scalar("Char", 100) + b"\x85"),
        "stride_wraps": tensor(b"K\x05\x85", numpy_scalar("Long", 2**62) + b"\x85"),
        "offset_wraps": tensor(b"K\x05\x85", offset=numpy_scalar("Char", 120)),
        "count_wraps": tensor(b"K\x05\x85").replace(b"K0tQ", b"K\xfftQ"),
        "size_is_true": tensor(b"\x88\x85"),
        "size_of_a_float": tensor(b"G\x40\x00\x00\x00\x00\x00\x00\x00\x85"),
        "huge_size": tensor(b"\x8a\x09" + (2**64).to_bytes(9, "little") + b"\x85"),
        "huge_and_empty": tensor(
            b"K\x00\x8a\x09" + (2**64).to_bytes(9, "little") + b"\x86", b"K\x01K\x01\x86"
        ),
        "a_stride_that_comes_back": tensor(b"K\x05K\x05\x86", b"K\x01J\xff\xff\xff\xff\x86"),
        "a_key_of_nested_tuples": repacked(
            state(False), b"\x80\x02}" + b")" + b"\x85" * 100_000 + b"K\x01s."
        ),
        "a_key_of_shared_tuples": repacked(state(False), b"\x80\x02}" + SHARED + b"K\x01s."),
        "a_name_of_shared_tuples": repacked(state(False), b"\x80\x02" + SHARED + b"Q."),
        "a_memo_of_two_billion": repacked(state(False), b"\x80\x02Nr\xff\xff\xff\x7f" + b"0."),
        "bytes_of_an_exabyte": repacked(state(False), b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60)),
        "a_call": repacked(state(False), b"\x80\x02cos\nsystem\nX\x01\x00\x00\x00x\x85R."),
        "an_instance": repacked(state(False), b"\x80\x02ccollections\nOrderedDict\n)\x81."),
    },
)
def test_only_whole_numbers_of_python_are_sizes(tmp_path, content):
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    refused(lambda: torch_file.read(path), "no file of tensors", error=ValueError)


def test_numbers_that_begin_with_their_highest_byte_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        for name, held in (("data.pkl", b"\x80\x02}."), ("byteorder", b"big")):
            archive.writestr(f"archive/{name}", held)
    refused(lambda: torch_file.read(tmp_path / "a.pth"), "highest byte", error=ValueError)
