"""Input is never trusted: each damaged one is refused in one line, or read as the sound one is.

Every case has its time and its memory: what hangs, or takes memory for what a header claims, fails.
"""

import gzip
import io
import json
import os
import pickle
import random
import resource
import shutil
import signal
import struct
import sys
import tarfile
import zipfile
import zlib

import conftest
import h5py
import jax
import numpy as np
import pytest
import test_sources
from absl import flags
from ml_collections import config_flags
from PIL import Image
from test_own_data import write_pictures

from cvae_jax import (
    checks,
    command_line,
    encode,
    evaluate,
    features,
    loading,
    rank,
    sample_quality,
    torch_file,
    train,
)
from cvae_jax.datasets import catalogue, dsprites, faces3d, idx, pipeline, smallnorb, sources
from cvae_jax.errors import UserError
from cvae_jax.metrics import inception
from cvae_jax.workdir import read_json
from cvae_jax.writers import MetricsWriter, read_metrics

SECONDS = 20
MEMORY = 4 << 30  # of address space beside what the process has; no case needs it
HUGE = 10**12
DEEP = b"[" * 100_000
COUNTED = []


def cases(names, table):
    """Parametrise by a table of {id: value}, and count it."""
    COUNTED.extend(table)
    return pytest.mark.parametrize(names, table.values(), ids=table.keys())


def test_there_are_at_least_200():
    assert len(COUNTED) >= 200


class TooLate(BaseException):
    """No Exception: nothing may turn it into a refusal."""


@pytest.fixture(autouse=True)
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


# A run's folder

SMALL = {
    "num_steps": 4,
    "log_every": 2,
    "checkpoint_every": 2,
    "objective.latents": 2,
    "cascade.weight": 0.0,
    "eval.metrics": "terms",
}
ZERO = np.zeros((2, 16, 16, 1), np.uint8)


@pytest.fixture(scope="module")
def noise():
    return conftest.noise_dataset(64, 16)


@pytest.fixture(scope="module")
def whole(noise, tmp_path_factory):
    """A run of four steps, not to be written to."""
    workdir = tmp_path_factory.mktemp("run") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "load", lambda *args: noise)
        patch.setattr(evaluate, "evaluate_run", lambda *args: {})
        train.train_and_evaluate(conftest.small_config(**SMALL), workdir)
        patch.undo()
        patch.setattr(pipeline, "load", lambda *args: noise)
        evaluate.main(["evaluate", f"--workdir={workdir}", "--metrics=mig"])
    return workdir


@pytest.fixture
def run(whole, noise, tmp_path, monkeypatch):
    """A copy of it to be damaged."""
    monkeypatch.setattr(pipeline, "load", lambda *args: noise)
    return shutil.copytree(whole, tmp_path / "run")


def resume(run):
    return train.train_and_evaluate(conftest.small_config(**SMALL), run)


def program(main, *arguments):
    return lambda: main([main.__module__, *map(str, arguments)])


def in_checkpoint(run, what):
    """A file of the last checkpoint by its part in it."""
    folder = run / "checkpoints/4"
    if what == "array":
        files = [path for path in folder.rglob("*") if path.is_file()]
        return max(files, key=lambda path: path.stat().st_size)
    return next(folder.rglob(what))


@cases(
    ("what", "damage"),
    {
        f"{what}-{name}": (what, damage)
        for what in ("array", "manifest.ocdbt", "_METADATA", "_CHECKPOINT_METADATA", "sha256.json")
        for name, damage in FILES.items()
    },
)
def test_a_damaged_checkpoint_is_refused(run, what, damage):
    damage(in_checkpoint(run, what))
    remedy = f"to go on from the one before it, step 2, rm -r {run}/checkpoints/4"
    refused(lambda: loading.load(run), "the checkpoint of step 4 is damaged", remedy)


def keep_but(run, content):
    """The list of the last checkpoint says so."""
    in_checkpoint(run, "sha256.json").write_bytes(content)


@cases(
    "content",
    {
        "list": b"[]",
        "null": b"null",
        "number": b"3",
        "nothing_listed": b"{}",
        "deep": DEEP,
        "other_types": b'{"default/manifest.ocdbt": 3}',
        "a_way_out": b'{"../../../config.json": "0"}',
    },
)
def test_a_senseless_list_is_refused(run, content):
    keep_but(run, content)
    refused(lambda: loading.load(run), "the checkpoint of step 4 is damaged", "rm -r")


def test_a_checkpoint_of_other_shapes_is_refused(run):
    content = read_json(run / "data.json") | {"channels": 3}
    (run / "data.json").write_text(json.dumps(content))
    refused(lambda: loading.load(run), "step 4", "another model", "put back the config.json")


def test_a_run_without_its_last_list_is_that_of_the_one_before(run, whole, tmp_path):
    in_checkpoint(run, "sha256.json").unlink()
    before = shutil.copytree(whole, tmp_path / "before")
    shutil.rmtree(before / "checkpoints/4")
    found = loading.load(run)
    assert found.step == 2
    conftest.assert_trees_equal(found.params, loading.load(before).params)


@cases("name", {name: name for name in ("_METADATA", "array", "sha256.json")})
def test_a_run_does_not_go_on_from_a_damaged_checkpoint(run, name):
    FILES["a_bit"](in_checkpoint(run, name))
    refused(lambda: resume(run), "the checkpoint of step 4 is damaged", "rm -r")


@cases("content", {"file": b"", "zip": b"PK\3\4"})
def test_a_file_in_place_of_the_checkpoints_is_refused(run, content):
    shutil.rmtree(run / "checkpoints")
    (run / "checkpoints").write_bytes(content)
    refused(lambda: loading.load(run), run)
    refused(lambda: resume(run), run / "checkpoints")


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


@cases(
    ("file", "content"),
    {
        f"{file}-{name}": (file, content)
        for file in ("config.json", "data.json", "results.json")
        for name, content in JSON.items()
        if (file, name) != ("config.json", "deep_object")  # a field that nobody asks for
    },
)
def test_a_file_of_a_run_that_is_no_such_json(run, file, content):
    (run / file).write_bytes(content)
    read = program(evaluate.main, f"--workdir={run}", "--metrics=mig")
    refused(read, f"{run / file} is damaged")


@cases("file", {file: file for file in ("config.json", "data.json", "results.json")})
def test_a_folder_in_place_of_a_file_of_a_run(run, file):
    to_folder(run / file)
    refused(program(evaluate.main, f"--workdir={run}", "--metrics=mig"), f"can't read {run / file}")


def changed(path, name, value):
    """A field of a JSON file by its dotted name."""
    content = read_json(path)
    *groups, last = name.split(".")
    inner = content
    for group in groups:
        inner = inner[group]
    inner[last] = value
    path.write_text(json.dumps(content))


@cases(
    ("name", "value"),
    {
        f"{name}={value!r:.20}": (name, value)
        for name, value in (
            ("batch_size", "16"),
            ("batch_size", [16]),
            ("batch_size", {"a": 1}),
            ("batch_size", None),
            ("batch_size", True),
            ("batch_size", HUGE),
            ("batch_size", -16),
            ("data", 3),
            ("data.name", ["dsprites"]),
            ("data.size", HUGE),
            ("objective", "vae"),
            ("objective.latents", 0),
            ("objective.latents", HUGE),
            ("objective.latents", float("nan")),
            ("objective.name", "vea"),
            ("objective.likelihood", 1),
            ("optim.model.b1", 2.0),
            ("optim.model.learning_rate", float("inf")),
            ("optim.model", []),
            ("cascade.structure", "1>2 2>1"),
            ("cascade.critic_layers", HUGE),
            ("eval.metrics", "migg"),
        )
    },
)
def test_a_config_that_no_run_has_is_refused(run, name, value):
    changed(run / "config.json", name, value)
    refused(
        lambda: loading.load(run), f"{run / 'config.json'} is damaged", "restore it from a copy"
    )
    refused(lambda: resume(run), run)


@cases(
    ("name", "value"),
    {
        f"{name}={value!r:.20}": (name, value)
        for name, value in (
            ("size", "16"),
            ("size", 16.0),
            ("size", -16),
            ("size", 32),
            ("size", HUGE),
            ("size", None),
            ("size", float("nan")),
            ("channels", 0),
            ("channels", HUGE),
            ("channels", [1]),
            ("num_examples", 0),
            ("num_examples", "64"),
            ("num_examples", True),
            ("unknown", 1),
        )
    },
)
def test_data_that_no_run_has_are_refused(run, name, value):
    changed(run / "data.json", name, value)
    refused(lambda: loading.load(run), f"{run / 'data.json'} is damaged", "restore it from a copy")


@cases(
    "content",
    {
        "no_scores": b'{"step": 4}',
        "no_step": b'{"scores": {}}',
        "scores_in_a_list": b'{"step": 4, "scores": []}',
    },
)
def test_results_without_their_fields_are_refused(run, content):
    (run / "results.json").write_bytes(content)
    read = program(evaluate.main, f"--workdir={run}", "--metrics=mig")
    refused(read, f"{run / 'results.json'} is damaged: remove it")


GOOD_LINE = b'{"step": 2, "loss": 1.5}\n'


@cases(
    "line",
    {
        "noise": b"\xff\xfe\x00",
        "half": GOOD_LINE[:12],
        "list": b"[1]",
        "number": b"1",
        "no_step": b'{"loss": 1.0}',
        "step_in_words": b'{"step": "two"}',
        "step_is_nan": b'{"step": NaN}',
        "value_in_words": b'{"step": 3, "loss": "low"}',
        "value_null": b'{"step": 3, "loss": null}',
        "ragged": b'{"step": 3, "kl_per_dim": [[1.0], 2.0]}',
        "object": b'{"step": 3, "loss": {}}',
        "deep": b'{"step": 3, "loss": ' + DEEP,
        "empty_line": b"",
    },
)
def test_a_damaged_line_of_the_curves_is_named(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(GOOD_LINE + line + b"\n" + GOOD_LINE)
    refused(lambda: MetricsWriter(tmp_path, 4), f"{path}, line 2 is damaged: remove this line")


def test_curves_torn_at_their_end_or_in_a_folder(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(GOOD_LINE + b'{"step": 3, "lo')
    assert read_metrics(path) == [{"step": 2, "loss": 1.5}]
    to_folder(path)
    refused(lambda: read_metrics(path), f"can't read {path}", "remove it")


def test_a_run_with_damaged_curves_says_so_before_it_trains(run):
    (run / "metrics.jsonl").write_bytes(b"nonsense\n")
    refused(lambda: resume(run), f"{run / 'metrics.jsonl'}, line 1 is damaged")


@cases(
    "file", {file: file for file in ("config.json", "data.json", "sha256.json", "manifest.ocdbt")}
)
def test_encode_and_rank_refuse_a_damaged_run(run, whole, tmp_path, file):
    path = run / file if (run / file).exists() else in_checkpoint(run, file)
    FILES["half"](path)
    refused(program(encode.main, f"--workdir={run}", f"--out={tmp_path / 'codes.npz'}"), run)
    refused(program(rank.main, whole, run), run)
    assert not (tmp_path / "codes.npz").exists()


# Weights


TENSOR = np.arange(48, dtype=np.uint8).reshape(3, 16)


def read_tensor(tmp_path, content):
    path = tmp_path / "tensor.pth"
    path.write_bytes(content)
    return lambda: torch_file.read(path)


@cases("seed", {f"bit_{seed}": seed for seed in range(12)})
def test_a_bit_of_a_file_of_tensors(tmp_path, seed):
    """Of the zip: the older format has no checksum of its values."""
    read = read_tensor(tmp_path, flip(test_sources.torch_bytes(TENSOR, False), seed))
    refused_or(TENSOR, read, "no file of tensors", error=ValueError)


@cases(
    ("legacy", "damage"),
    {
        f"{'legacy' if legacy else 'zip'}-{name}": (legacy, damage)
        for legacy in (True, False)
        for name, damage in BYTES.items()
        if name != "a_bit"
    },
)
def test_a_damaged_file_of_tensors(tmp_path, legacy, damage):
    read = read_tensor(tmp_path, damage(test_sources.torch_bytes(TENSOR, legacy)))
    refused_or(TENSOR, read, "no file of tensors", error=ValueError)


HEAD = b"".join(pickle.dumps(x, 2) for x in (0x1950A86A20F9469CFC6C, 1001, {}))


def storage_of(count):
    """A pickle of a storage of so many bytes."""
    text = b"\x80\x02(U\x07storagectorch\nByteStorage\nU\x010U\x03cpu"
    return HEAD + text + pickle.dumps(count, 2)[2:-1] + b"NtQ." + pickle.dumps(["0"], 2)


@cases(
    "content",
    {
        "storage_of_a_trillion": storage_of(HUGE),
        "storage_of_a_billion": storage_of(10**9),
        "storage_of_minus_one": storage_of(-1),
        "storage_of_nan": storage_of(float("nan")),
        "index_of_two_billion": HEAD + b"\x80\x02Nr\xff\xff\xff\x7f.",
        "text_of_four_gigabytes": HEAD + b"\x80\x02X\xff\xff\xff\xff.",
        "bytes_of_an_exabyte": HEAD + b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b".",
        "an_array_of_an_exabyte": HEAD + b"\x80\x05\x96" + struct.pack("<Q", 1 << 60) + b".",
        "frame_of_an_exabyte": HEAD + b"\x80\x04\x95" + struct.pack("<Q", 1 << 60) + b".",
        "number_of_many_digits": HEAD + b"I" + b"1" * 9000 + b"\n.",
        "nothing_on_the_stack": HEAD + b".",
        "a_call_of_a_number": HEAD + b"K\x01)R.",
        "other_magic": pickle.dumps(3, 2) * 5,
        "a_function": HEAD + b"cbuiltins\neval\n.",
        "a_module_to_import": HEAD + b"cantigravity\nfly\n.",
        "no_storage": HEAD + b"K\x01Q.",
    },
)
def test_a_pickle_made_to_harm(tmp_path, content):
    refused(read_tensor(tmp_path, content), "no file of tensors", error=ValueError)


def tensor_of(size, stride, offset=0):
    """A zip whose tensor has this form over a storage of 48 bytes."""
    out, whole = io.BytesIO(), io.BytesIO()
    pickler = test_sources._TorchPickler(out, False)
    out.write(b"\x80\x02")
    pickler.save(test_sources._Global("torch._utils", "_rebuild_tensor_v2"))
    pickler.save((test_sources._Storage(TENSOR.ravel()), offset, size, stride, False, {}))
    out.write(b"R.")
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("archive/data.pkl", out.getvalue())
        archive.writestr("archive/data/0", TENSOR.tobytes())
    return whole.getvalue()


@cases(
    "form",
    {
        "beyond": ((4, 16), (16, 1)),
        "before": ((3, 16), (16, 1), -1),
        "backwards": ((3, 16), (-16, 1)),
        "huge": ((HUGE,), (1,)),
        "repeated": ((10**6, 10**6), (0, 0)),
        "empty_and_huge": ((0, HUGE, HUGE), (1, 1, 1)),
        "other_lengths": ((3, 16), (16,)),
        "in_words": (("3", "16"), (16, 1)),
        "not_whole": ((3.5, 16), (16, 1)),
    },
)
def test_a_tensor_of_a_senseless_form(tmp_path, form):
    refused(read_tensor(tmp_path, tensor_of(*form)), "no file of tensors", error=ValueError)


def test_the_forms_above_are_refused_for_their_senselessness(tmp_path):
    found = read_tensor(tmp_path, tensor_of((3, 16), (16, 1)))()
    np.testing.assert_array_equal(found, TENSOR)


def packed(path, *members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)


def test_a_packed_bomb_is_no_file_of_tensors(tmp_path):
    path = tmp_path / "bomb.pth"
    packed(path, ("archive/data.pkl", b"\x80\x02N."), ("archive/data/0", bytes(50_000_000)))
    refused(lambda: torch_file.read(path), "packed", error=ValueError)


class _Remade(Exception):
    """The classifier is trained anew."""


@pytest.fixture(scope="module")
def kept(noise, tmp_path_factory):
    """A classifier that was not trained, and its folder."""
    folder = tmp_path_factory.mktemp("classifiers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "STEPS", 1)
        return features.classifier(noise, folder), folder


@cases("damage", FILES | {"another_bit": rewriting(lambda content: flip(content, 5))})
def test_a_damaged_classifier_is_made_anew(noise, kept, tmp_path, monkeypatch, damage):
    def fit(*args):
        raise _Remade

    monkeypatch.setattr(features, "_fit", fit)
    folder = shutil.copytree(kept[1], tmp_path / "kept")
    conftest.assert_trees_equal(
        features.classifier(noise, folder).params, jax.device_get(kept[0].params)
    )
    (path,) = folder.iterdir()
    damage(path)
    if path.is_dir():
        refused(lambda: features.classifier(noise, folder), f"can't read {path}", "remove it")
    else:
        with pytest.raises(_Remade):
            features.classifier(noise, folder)


@cases("damage", FILES)
def test_inceptions_weights_are_the_published_ones(tmp_path, damage):
    path = tmp_path / "weights.pth"
    path.write_bytes(test_sources.torch_bytes(TENSOR, False))
    damage(path)
    refused(lambda: sample_quality.inception_params(str(path), tmp_path), path, "https://")


@cases(
    "state",
    {
        "tensor": TENSOR,
        "nothing": None,
        "list": ["fc.weight"],
        "no_weights": {},
        "words": {"fc.weight": "weight"},
        "other_rank": {"fc.weight": np.zeros(3)},
    },
)
def test_weights_of_something_else(state):
    if isinstance(state, dict) and state:
        name = "Conv2d_1a_3x3"
        state = {
            **{f"{name}.bn.{x}": np.ones(32) for x in ("weight", "bias")},
            **{f"{name}.bn.running_{x}": np.ones(32) for x in ("mean", "var")},
            f"{name}.conv.weight": state["fc.weight"],
        }
    refused(lambda: inception.params_from_torch(state), error=ValueError)


# Data files


IDX = test_sources.idx(np.arange(2 * 28 * 28, dtype=np.uint8).reshape(2, 28, 28))
NORB = test_sources.matrix(np.arange(24, dtype=np.int32).reshape(6, 4), 0x1E3D4C54)
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


def members(path, change):
    """Rewrite a zip's members: change(name, content) -> content."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    packed(path, *((name, change(name, data)) for name, data in content.items()))


def npy(shape, dtype="<i8", order=False):
    out = io.BytesIO()
    header = {"descr": dtype, "fortran_order": order, "shape": shape}
    np.lib.format.write_array_header_1_0(out, header)
    return out.getvalue()


def in_member(member, content):
    """Put content in place of a member of the official dSprites file."""
    return lambda path: members(path, lambda name, data: content if name == member else data)


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    """The official form of a grid of two black images."""
    config = dsprites.OfficialConfig(name="two", strides=(3, 6, 40, 32, 16))
    path = tmp_path_factory.mktemp("official") / dsprites.FILE
    np.savez_compressed(
        path,
        imgs=np.zeros((2, 64, 64), np.uint8),
        latents_classes=np.insert(config.labels(), 0, 0, axis=1),
        latents_values=np.insert(config.values(), 0, 1.0, axis=1),
    )
    dsprites.check_file(path, config)
    return path, config


@cases(
    "damage",
    {
        **{name: FILES[name] for name in ("empty", "half", "zeros", "noise")},
        "classes_of_a_trillion": in_member("latents_classes.npy", npy((HUGE, 6))),
        "classes_of_a_billion": in_member("latents_classes.npy", npy((10**9, 6))),
        "classes_of_minus_one": in_member("latents_classes.npy", npy((-1, 6))),
        "classes_without_numbers": in_member("latents_classes.npy", npy((2, 6))),
        "values_pickled": in_member("latents_values.npy", npy((2, 6), "|O") + pickle.dumps([0])),
        "values_nan": in_member(
            "latents_values.npy", npy((2, 6), "<f8") + np.full(12, np.nan).tobytes()
        ),
        "images_of_a_trillion": in_member("imgs.npy", npy((HUGE, 64, 64), "|u1")),
        "images_cut_off": in_member("imgs.npy", npy((2, 64, 64), "|u1") + bytes(5000)),
        "images_in_another_order": in_member("imgs.npy", npy((2, 64, 64), "|u1", True)),
        "images_without_magic": in_member("imgs.npy", b"NUMPY" * 50),
        "header_with_code": in_member(
            "imgs.npy", b"\x93NUMPY\x01\x00\x18\x00__import__('os').abort()"
        ),
        "header_deep": in_member("imgs.npy", b"\x93NUMPY\x01\x00\x40\x1f" + b"(" * 8000),
    },
)
def test_a_damaged_official_dsprites(official, tmp_path, damage):
    path = shutil.copy(official[0], tmp_path / dsprites.FILE)
    damage(path)
    refused(
        lambda: dsprites.check_file(path, official[1]),
        f"{path} is not the official dSprites file",
        "run the same command again",
    )


@cases("seed", {f"bit_{seed}": seed for seed in range(8)})
def test_a_bit_of_the_official_dsprites(official, tmp_path, seed):
    path = shutil.copy(official[0], tmp_path / dsprites.FILE)
    path.write_bytes(flip(path.read_bytes(), seed))
    refused_or(None, lambda: dsprites.check_file(path, official[1]), path)


def rows_of(name, root):
    """Images and labels of the training images, read from the files without being prepared."""
    cls, config = catalogue.builder(catalogue.ENTRIES[name])
    rows = cls(config=config, data_dir=root).read(root)["train"][1]
    images, labels = zip(*rows, strict=True)
    return np.stack(images), np.array(labels)


WRITERS = {
    "celeba": lambda root: test_sources.write_celeba(root, count=2)[0],
    "chairs3d": test_sources.write_chairs,
    "shapes3d": lambda root: test_sources.write_shapes(root)[0],
    "faces3d": lambda root: write_faces(root),
}


def write_faces(root):
    path = test_sources.manual(root, "faces3d", faces3d.FILE.name)
    renders = np.arange(24, dtype=np.uint8)[:, None, None] + np.zeros((64, 64), np.uint8)
    path.write_bytes(test_sources.torch_bytes(renders, False))
    return path


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Of each data set its file and what is read from it."""
    found, root = {}, tmp_path_factory.mktemp("sound")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faces3d, "GRID", (3, 2, 2, 2))
        for name, write in WRITERS.items():
            found[name] = write(root), rows_of(name, root)
    return found


def copied(sound, name, root, monkeypatch):
    monkeypatch.setattr(faces3d, "GRID", (3, 2, 2, 2))
    path = test_sources.manual(root, name, sound[name][0].name)
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
        for name in ("celeba", "chairs3d", "faces3d")  # HDF5 files need have no checksum
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
    path = test_sources.manual(tmp_path, "celeba", "img_align_celeba.zip")
    packed(path, *content)
    refused(lambda: rows_of("celeba", tmp_path), path, "same command again")


NAMES_OUTSIDE = ("../../escaped.jpg", "/tmp/../escaped.jpg", "a\\..\\escaped.jpg")


@cases("name", dict(zip(("parent", "root", "backslash"), NAMES_OUTSIDE, strict=True)))
def test_members_never_leave_their_archive(tmp_path, name):
    path = test_sources.manual(tmp_path, "celeba", "img_align_celeba.zip")
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
    path = test_sources.manual(tmp_path, "chairs3d", "rendered_chairs.tar")
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


# Pictures of one's own and the working copy

TABLE = "file,shape\nb.png,1\na.jpg,2\nsub/c.PNG,1\n"


def png_claiming(width, height):
    """A picture of no pixels that claims to have many."""
    content = bytearray(test_sources.png(np.zeros((8, 8), np.uint8)))
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
    folder = write_pictures(tmp_path / "pictures")
    (folder / "factors.csv").write_text(TABLE)
    damage(folder)
    refused(lambda: pipeline.load(f"folder:{folder}", 16, str(tmp_path / "data")), folder / file)


@cases("place", {f"byte_{place}": place for place in range(41, 2300, 180)})
def test_a_byte_of_a_picture(tmp_path, place):
    """Of one colour: its decoder tells no wrong pixel, only its checksum does."""
    path, root = tmp_path / "pictures/a.png", tmp_path / "data"
    path.parent.mkdir()
    content = test_sources.png(np.full((600, 600, 3), 200, np.uint8))
    path.write_bytes(content)
    read = lambda: pipeline.load(f"folder:{path.parent}", 64, str(root)).pixels
    whole = read()
    shutil.rmtree(root)  # a copy that knows the picture by its size and time
    path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
    refused_or(whole, read, path)


@cases("size", {"huge": 10**9, "zero": 0, "negative": -16})
def test_pictures_of_a_senseless_size(tmp_path, size):
    folder = write_pictures(tmp_path / "pictures")
    read = lambda: pipeline.load(f"folder:{folder}", size, str(tmp_path / "data"))
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
            rewriting(lambda content: npy((HUGE, 16, 16, 1), "|u1") + content[128:]),
        ),
        "factors.npy-pickled": ("factors.npy", rewriting(lambda content: pickle.dumps([1]))),
        **{
            f"copy.json-{name}": ("copy.json", rewriting(lambda c, x=x: x))
            for name, x in JSON.items()
        },
    },
)
def test_a_damaged_working_copy_is_made_anew(tmp_path, caplog, file, damage):
    folder = write_pictures(tmp_path / "pictures")
    (folder / "factors.csv").write_text(TABLE)
    load = lambda: pipeline.load(f"folder:{folder}", 16, str(tmp_path / "data"))
    whole = load()
    (path,) = (tmp_path / "data").rglob(file)
    damage(path)
    caplog.clear()
    found = load()
    assert "is damaged: made anew" in caplog.text
    np.testing.assert_array_equal(found.pixels, whole.pixels)
    np.testing.assert_array_equal(found.factors, whole.factors)
    assert found[:5] == whole[:5]


@cases("file", {file: file for file in ("images.npy", "factors.npy", "copy.json")})
def test_a_folder_in_a_working_copy_is_named(tmp_path, file):
    folder = write_pictures(tmp_path / "pictures")
    load = lambda: pipeline.load(f"folder:{folder}", 16, str(tmp_path / "data"))
    load()
    (path,) = (tmp_path / "data").rglob(file)
    to_folder(path)
    refused(load, "Is a directory", "--config.data.dir=")


# Configs


@cases(
    ("name", "value"),
    {
        f"{name}={value!r:.20}": (name, value)
        for name, value in (
            ("seed", -1),
            ("seed", 10**30),
            ("num_seeds", 0),
            ("num_seeds", HUGE),
            ("batch_size", 0),
            ("batch_size", -1),
            ("batch_size", HUGE),
            ("batch_size", 1 << 300),
            ("num_steps", 0),
            ("num_steps", 2**31),
            ("steps_per_call", 10**9),
            ("log_every", 0),
            ("checkpoint_every", -5),
            ("compute_dtype", "float8"),
            ("data.size", 0),
            ("data.size", 10**9),
            ("objective.name", ""),
            ("objective.name", "a\nb"),
            ("objective.latents", HUGE),
            ("objective.latents", -3),
            ("objective.likelihood", "poisson"),
            ("objective.pixel_weight", float("nan")),
            ("objective.pixel_weight", float("inf")),
            ("objective.warmup_steps", HUGE),
            ("objective.beta_vae.beta", -1.0),
            ("objective.beta_tcvae.estimator", "none"),
            ("objective.factor_vae.critic_width", 10**9),
            ("objective.infogan.categories", HUGE),
            ("objective.infogan.packed", 0),
            ("cascade.structure", "1>99999999999999999999"),
            ("cascade.structure", "9" * 6000 + ">1"),
            ("cascade.structure", "1>2 2>3 3>1"),
            ("cascade.structure", "1>1"),
            ("cascade.structure", "\0\n\x1b[31m"),
            ("cascade.structure", "((((1>2"),
            ("cascade.weight", float("-inf")),
            ("cascade.critic_input", "z"),
            ("cascade.critic_layers", HUGE),
            ("cascade.prior_batch_size", HUGE),
            ("optim.model.learning_rate", 1e300),
            ("optim.model.learning_rate", float("nan")),
            ("optim.model.b2", 1.0),
            ("optim.decay_from", 1.5),
            ("eval.metrics", "mig,,terms"),
            ("eval.traversal_range", float("inf")),
        )
    },
)
def test_a_senseless_config_is_refused(name, value):
    config = conftest.small_config()
    config.update_from_flattened_dict({name: value})
    refused(
        lambda: checks.check(config, 1), f"config.{name}" if name != "eval.metrics" else "metric"
    )


@cases(
    ("name", "value"),
    {
        f"{name}={value!r}": (name, value)
        for name, value in (
            ("seed", None),
            ("seed", 0.5),
            ("batch_size", True),
            ("objective.latents", "4"),
            ("objective.factor_vae.second_batch", "yes"),
            ("optim.model", 3),
            ("data.name", 7),
            ("data", None),
            ("cascade.structure", ["1>2"]),
            ("eval.metrics", ("mig",)),
        )
    },
)
def test_a_field_of_another_type_is_refused(name, value):
    config = conftest.small_config()
    with config.ignore_type():
        config.update_from_flattened_dict({name: value})
    refused(lambda: checks.check(config, 1), name)


def parse(monkeypatch, *arguments):
    sys.modules.pop("config_config", None)  # ml_collections would keep what is in it
    monkeypatch.setattr(sys, "argv", ["program", *arguments])  # and looks there for fields
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", None, "", flag_values=values)
    return command_line.parse(values, ["program", *arguments], "")


QUICK = "--config=configs/dsprites.py:quick"


@cases(
    ("arguments", "word"),
    {
        " ".join(arguments)[-40:]: (arguments, word)
        for arguments, word in (
            ((), "which config?"),
            (("--config=",), "no config file"),
            (("--config=configs",), "no config file configs"),
            (("--config=configs/dsprites.py:nothing",), "unknown variant"),
            ((QUICK, "--config.batch_size=1e30"), "batch_size=1e30: invalid"),
            ((QUICK, "--config.batch_size="), "batch_size=: invalid"),
            ((QUICK, "--config.batch_size=[1]"), "batch_size=[1]: invalid"),
            ((QUICK, "--config.batch_size=" + "9" * 5000), "4300 digits"),
            ((QUICK, "--config.optim.model.learning_rate=fast"), "learning_rate=fast: could not"),
            ((QUICK, "--config.cascade=3"), "cascade=3: Failed"),
            ((QUICK, "--config.nothing=3"), "has no field nothing"),
            ((QUICK, "--config.data.nothing.more=3"), "has no field nothing"),
            ((QUICK, "--config.objective.factor_vae.second_batch=perhaps"), "second_batch"),
            ((QUICK, "--config"), "Missing value for flag --config"),
        )
    },
)
@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")  # ml_collections'
def test_a_senseless_command_line_is_refused(monkeypatch, arguments, word):
    refused(lambda: parse(monkeypatch, *arguments), word)


@cases(
    ("text", "word"),
    {
        "empty": ("", "get_config"),
        "noise": ("\x01\x02", "non-printable"),
        "syntax": ("def get_config(:", "syntax"),
        "raises_nothing": ("raise Exception", "Exception"),
        "raises_lines": ("raise ValueError('a\\nb\\n')", "b"),
        "deep": ("x = " + "(" * 5000, "parenthes"),
        "endless": ("def get_config(): return get_config()", "recursion"),
        "returns_nothing": ("def get_config(): pass", "which config?"),
        "returns_a_number": ("def get_config(): return 3", "ConfigDict"),
        "returns_a_dict": ("def get_config(): return {'seed': 1}", "ConfigDict"),
        "takes_arguments": ("def get_config(a, b): pass", "argument"),
    },
)
@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")  # ml_collections'
def test_a_senseless_config_file_is_refused(tmp_path, monkeypatch, text, word):
    path = tmp_path / "senseless.py"
    path.write_text(text)
    refused(lambda: parse(monkeypatch, f"--config={path}"), word)
