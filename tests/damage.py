"""Input is never trusted: what tests of damaged input share.

Each damaged input is refused in one line, or read as the sound one is. Every case has its time and
its memory: what hangs, or takes memory for what a header claims, fails.
"""

import io
import random
import resource
import signal
import zipfile

import conftest
import numpy as np
import pytest

from cvae_jax.datasets import sources
from cvae_jax.errors import UserError

SECONDS = 20
MEMORY = 4 << 30  # of address space beside what the process has; no case needs it
HUGE = 10**12
DEEP = b"[" * 100_000
COUNTED = []


def cases(names, table):
    """Parametrise by a table of {id: value}, and count it."""
    COUNTED.extend(table)
    return pytest.mark.parametrize(names, table.values(), ids=table.keys())


class TooLate(BaseException):
    """No Exception: nothing may turn it into a refusal."""


@pytest.fixture
def limits(monkeypatch):
    """No network, little time, little memory."""

    def no_network(url, part):
        raise OSError("no route to host")

    def too_late(*args):
        raise TooLate(f"not done within {SECONDS} seconds")

    monkeypatch.setattr(sources, "download", no_network)
    before = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, too_late)
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, before[1]))
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, handler)
    resource.setrlimit(resource.RLIMIT_AS, before)


def refused(read, *words, error=UserError):
    """That read() raises the documented exception, its one line with the words in it."""
    with pytest.raises(error) as caught:
        read()
    message = str(caught.value)
    assert type(caught.value) is error
    assert message
    assert "\n" not in message
    for word in words:
        assert str(word) in message, message


def refused_or(expected, read, *words, error=UserError):
    """That read() is refused as above, or gives what the sound input gives."""
    try:
        found = read()
    except error:
        refused(read, *words, error=error)
    else:
        conftest.assert_trees_equal(found, expected)


# Damage to the bytes of any file


def flip(content, seed=0):
    rng, content = random.Random(seed), bytearray(content)
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)


BYTES = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "a_byte_short": lambda content: content[:-1],
    "a_bit": flip,
    "zeros": lambda content: bytes(len(content)),
    "noise": lambda content: random.Random(0).randbytes(len(content)),
    "twice": lambda content: content + content,
}


def to_folder(path):
    path.unlink()
    path.mkdir()


def rewriting(change):
    return lambda path: path.write_bytes(change(path.read_bytes()))


FILES = {name: rewriting(change) for name, change in BYTES.items()} | {"folder": to_folder}

JSON = {
    "empty": b"",
    "noise": random.Random(0).randbytes(500),
    "list": b"[]",
    "null": b"null",
    "number": b"3",
    "text": b'"x"',
    "deep": DEEP,
    "many_digits": b"1" * 5000,
    "deep_object": b'{"a":' * 500 + b"1" + b"}" * 500,
}


def packed(path, *members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)


def npy(shape, dtype="<i8", order=False):
    out = io.BytesIO()
    header = {"descr": dtype, "fortran_order": order, "shape": shape}
    np.lib.format.write_array_header_1_0(out, header)
    return out.getvalue()


@pytest.fixture(scope="session")
def noise():
    return conftest.noise_dataset(64, 8)
