"""Weights from elsewhere, damaged or made to harm: nothing runs, no memory is taken for a claim."""

import io
import pickle
import shutil
import struct
import zipfile

import helpers
import jax
import numpy as np
import pytest
from fixtures import published_files
from fixtures.damage import BYTES, FILES, HUGE, cases, flip, packed, refused, refused_or, rewriting

from cvae_jax.datasets import torch_file
from cvae_jax.evaluation import classifier_features, sample_quality
from cvae_jax.networks import inception

pytestmark = pytest.mark.usefixtures("limits")

TENSOR = np.arange(48, dtype=np.uint8).reshape(3, 16)


def read_tensor(tmp_path, content):
    path = tmp_path / "tensor.pth"
    path.write_bytes(content)
    return lambda: torch_file.read(path)


@cases("seed", {f"bit_{seed}": seed for seed in range(12)})
def test_a_bit_of_a_file_of_tensors(tmp_path, seed):
    """Of the zip: the older format has no checksum of its values."""
    read = read_tensor(tmp_path, flip(published_files.torch_bytes(TENSOR, False), seed))
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
    read = read_tensor(tmp_path, damage(published_files.torch_bytes(TENSOR, legacy)))
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


def test_a_pickle_may_build_tensors_alone(tmp_path):
    class Trap:
        def __reduce__(self):
            return print, ("ran",)

    path = tmp_path / "trap.pth"
    with path.open("wb") as file:
        for thing in (0x1950A86A20F9469CFC6C, 1001, {}, Trap()):
            pickle.dump(thing, file, 2)
    with pytest.raises(ValueError, match="print, which is no tensor"):
        torch_file.read(path)


def tensor_of(size, stride, offset=0):
    """A zip whose tensor has this form over a storage of 48 bytes."""
    out, whole = io.BytesIO(), io.BytesIO()
    pickler = published_files.TorchPickler(out, False)
    out.write(b"\x80\x02")
    pickler.save(published_files.Global("torch._utils", "_rebuild_tensor_v2"))
    pickler.save((published_files.Storage(TENSOR.ravel()), offset, size, stride, False, {}))
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


def test_a_packed_bomb_is_no_file_of_tensors(tmp_path):
    path = tmp_path / "bomb.pth"
    packed(path, ("archive/data.pkl", b"\x80\x02N."), ("archive/data/0", bytes(50_000_000)))
    refused(lambda: torch_file.read(path), "packed", error=ValueError)


class _Remade(Exception):
    """The classifier is trained again."""


@pytest.fixture(scope="module")
def kept(noise, tmp_path_factory):
    """A classifier that was not trained, and its folder."""
    folder = tmp_path_factory.mktemp("classifiers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier_features, "STEPS", 1)
        return classifier_features.classifier(noise, folder), folder


@cases("damage", FILES | {"another_bit": rewriting(lambda content: flip(content, 5))})
def test_a_damaged_classifier_is_trained_again(noise, kept, tmp_path, monkeypatch, damage):
    def fit(*args):
        raise _Remade

    monkeypatch.setattr(classifier_features, "_fit", fit)
    folder = shutil.copytree(kept[1], tmp_path / "kept")
    helpers.assert_trees_equal(
        classifier_features.classifier(noise, folder).params, jax.device_get(kept[0].params)
    )
    (path,) = folder.glob("*.msgpack")
    damage(path)
    if path.is_dir():
        refused(
            lambda: classifier_features.classifier(noise, folder), f"can't read {path}", "remove it"
        )
    else:
        with pytest.raises(_Remade):
            classifier_features.classifier(noise, folder)


def test_other_images_of_the_same_labels_have_a_classifier_of_their_own(noise, kept, monkeypatch):
    def fit(*args):
        raise _Remade

    monkeypatch.setattr(classifier_features, "_fit", fit)
    with pytest.raises(_Remade):
        classifier_features.classifier(noise._replace(pixels=255 - noise.pixels), kept[1])


def test_a_classifier_that_cant_be_kept_scores_nonetheless(noise, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(classifier_features, "STEPS", 1)
    cache = tmp_path / "a file"
    cache.write_text("where a folder should be")
    assert set(classifier_features.classifier(noise, cache).accuracy) == set(noise.factor_names)
    assert "can't keep the classifier at" in caplog.text


@cases("damage", FILES)
def test_inceptions_weights_are_the_published_ones(tmp_path, damage):
    path = tmp_path / "weights.pth"
    path.write_bytes(published_files.torch_bytes(TENSOR, False))
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
