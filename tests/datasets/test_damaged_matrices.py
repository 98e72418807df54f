"""Matrices behind a header, MNIST's and small NORB's: damaged, or of other sizes than claimed."""

import gzip
import struct

import numpy as np
import pytest
from fixtures import published_files
from fixtures.damage import BYTES, cases, flip, refused, refused_or

from cvae_jax.datasets import idx, smallnorb

pytestmark = pytest.mark.usefixtures("limits")

IDX = published_files.idx(np.arange(2 * 28 * 28, dtype=np.uint8).reshape(2, 28, 28))
NORB = published_files.matrix(np.arange(24, dtype=np.int32).reshape(6, 4), 0x1E3D4C54)
READERS = {"idx": (idx.read_idx, IDX), "norb": (smallnorb.read_matrix, NORB)}


def reading(tmp_path, kind, content, suffix):
    path = tmp_path / f"file{suffix}"
    path.write_bytes(content)
    return lambda: READERS[kind][0](path)


@cases(
    ("kind", "damage"),
    {
        f"{kind}-{name}": (kind, damage)
        for kind in READERS
        for name, damage in {
            **BYTES,
            **{f"bit_{seed}": lambda c, seed=seed: flip(c, seed) for seed in range(1, 8)},
        }.items()
    },
)
def test_a_damaged_gzip(tmp_path, kind, damage):
    content = READERS[kind][1]
    whole = reading(tmp_path, kind, gzip.compress(content), ".gz")()
    read = reading(tmp_path, kind, damage(gzip.compress(content)), ".gz")
    refused_or(whole, read, error=ValueError)


@cases(
    ("kind", "content"),
    {
        "idx-empty": ("idx", b""),
        "idx-cut_in_the_header": ("idx", IDX[:10]),
        "idx-a_byte_short": ("idx", IDX[:-1]),
        "idx-a_byte_more": ("idx", IDX + b"\0"),
        "idx-of_floats": ("idx", b"\0\0\x0d" + IDX[3:]),
        "idx-255_dimensions": ("idx", b"\0\0\x08\xff" + IDX[4:]),
        "idx-no_dimension": ("idx", b"\0\0\x08\0" + IDX[4:]),
        "idx-trillions": ("idx", struct.pack(">4B3I", 0, 0, 8, 3, *[2**32 - 1] * 3)),
        "idx-2_to_the_64": ("idx", struct.pack(">4B4I", 0, 0, 8, 4, *[2**16] * 4)),
        "idx-a_billion": ("idx", struct.pack(">4B1I", 0, 0, 8, 1, 10**9) + bytes(9)),
        "norb-empty": ("norb", b""),
        "norb-cut_in_the_header": ("norb", NORB[:10]),
        "norb-a_byte_short": ("norb", NORB[:-1]),
        "norb-a_byte_more": ("norb", NORB + b"\0"),
        "norb-of_floats": ("norb", struct.pack("<I", 0x1E3D4C51) + NORB[4:]),
        "norb-9_dimensions": ("norb", NORB[:4] + struct.pack("<I", 9) + NORB[8:]),
        "norb-cut_in_8_dimensions": ("norb", NORB[:4] + struct.pack("<I", 8) + NORB[8:22]),
        "norb-trillions": ("norb", NORB[:4] + struct.pack("<4I", 3, *[2**32 - 1] * 3)),
        "norb-2_to_the_64": ("norb", NORB[:4] + struct.pack("<5I", 4, *[2**16] * 4)),
        "norb-a_billion": ("norb", NORB[:4] + struct.pack("<4I", 1, 10**9 // 4, 1, 1) + bytes(9)),
    },
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_headers_that_claim_other_sizes(tmp_path, kind, content, suffix):
    content = gzip.compress(content) if suffix else content
    refused(reading(tmp_path, kind, content, suffix), error=ValueError)
