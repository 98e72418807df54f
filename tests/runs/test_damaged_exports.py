"""An exported model's files, damaged, of another model or made to harm: refused in one line."""

import json
import pickle
import zipfile

import numpy as np
import pytest
from fixtures.damage import BYTES, HUGE, cases, npy, refused, refused_or

import cvae_jax
from cvae_jax.errors import UserError
from cvae_jax.runs import weights


@pytest.fixture(scope="module")
def sound(exported):
    """Its params.model."""
    return cvae_jax.load(exported).params.model


@pytest.mark.usefixtures("limits")
@cases("damage", BYTES)
def test_damaged_weights(exported_copy, sound, damage):
    path = exported_copy / "weights.npz"
    path.write_bytes(damage(path.read_bytes()))
    refused_or(sound, lambda: weights.read(path, sound)[0], f"{path} is damaged")


class Harm:
    """Its pickle writes a file."""

    def __reduce__(self):
        return open, (self.path, "w")


def arrays(path):
    with np.load(path) as file:
        return dict(file)


def without(name):
    return lambda found: {key: value for key, value in found.items() if key != name}


def put(name, change):
    return lambda found: found | {name: change(found.get(name))}


BIAS, MORE = "encoder/Dense_0/bias", "encoder/Dense_9/bias"


@pytest.mark.usefixtures("limits")
@cases(
    ("change", "words"),
    {
        "missing": (without(BIAS), f"{BIAS} is missing"),
        "no_step": (without("step"), "step is missing"),
        "one_more": (put(MORE, lambda x: np.zeros(3)), f"{MORE} is one array too many"),
        "shape": (put(BIAS, lambda x: x[:-1]), f"{BIAS} is float32 (255,), not float32 (256,)"),
        "double": (put(BIAS, lambda x: x.astype(float)), f"{BIAS} is float64"),
        "half": (put(BIAS, lambda x: x.astype(np.float16)), f"{BIAS} is float16"),
        "nan": (put(BIAS, lambda x: x * np.nan), f"{BIAS} holds values"),
        "infinite": (put(BIAS, lambda x: x + np.inf), f"{BIAS} holds values"),
        "step_below_0": (put("step", lambda x: np.int32(-1)), "step holds values"),
        "objects": (put(BIAS, lambda x: np.array([Harm()] * 256)), f"{BIAS} is object"),
    },
)
def test_weights_of_another_model(exported_copy, sound, change, words):
    Harm.path = exported_copy / "harm"
    path = exported_copy / "weights.npz"
    np.savez(path, **change(arrays(path)))
    read = lambda: weights.read(path, sound)
    refused(read, f"{path} is damaged ({words}", "restore it from a copy")
    assert not Harm.path.exists()


@pytest.mark.usefixtures("limits")
@cases(
    "content",
    {
        "a_trillion": npy((HUGE,), "<f4"),
        "by_columns": npy((256,), "<f4", True) + bytes(1024),
        "cut": npy((256,), "<f4") + bytes(1000),
        "longer": npy((256,), "<f4") + bytes(10**8),
        "no_array": b"PK",
        "pickle": pickle.dumps(3),
    },
)
def test_a_member_that_is_no_such_array(exported_copy, sound, content):
    path = exported_copy / "weights.npz"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, old in members.items():
            archive.writestr(name, content if name == f"{BIAS}.npy" else old)
    refused(lambda: weights.read(path, sound), f"{path} is damaged")


@pytest.mark.usefixtures("limits")
def test_all_files_of_an_export_are_looked_at(exported_copy):
    (exported_copy / "weights.npz").write_bytes(b"PK")
    refused(lambda: cvae_jax.load(exported_copy), f"{exported_copy / 'weights.npz'} is damaged")
    (exported_copy / "data.json").write_text(
        json.dumps({"size": 32, "channels": 1, "num_examples": 3})
    )
    refused(lambda: cvae_jax.load(exported_copy), f"{exported_copy / 'data.json'} is damaged")
    (exported_copy / "config.json").unlink()
    refused(lambda: cvae_jax.load(exported_copy), f"can't read {exported_copy / 'config.json'}")
    with pytest.raises(UserError, match="can't read"):
        weights.read(exported_copy, {})
