"""Exported models: the live one's function, whole or not at all; what loads and takes them."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import chex
import helpers
import jax
import numpy as np
import pytest
from fixtures.damage import refused
from fixtures.exports import drawn

import cvae_jax
from cvae_jax import datasets, encode, evaluate, export
from cvae_jax.config import build
from cvae_jax.runs import exporting, loading
from cvae_jax.runs.holding import open_workdir
from cvae_jax.runs.model import Model
from cvae_jax.runs.workdir import read_json
from cvae_jax.studies.ended import runs_under

# What is not of the model: critics and optimizers. What JAX alone is: none of these.
BLOCKED = ("cvae_jax", "flax", "optax", "orbax", "ml_collections", "tensorflow_datasets")


def some_images(count, channels=1):
    return np.random.default_rng(1).integers(0, 256, (count, 8, 8, channels), np.uint8)


def test_the_cards_own_words_run_the_programs_without_the_library(drawn_run, exported, tmp_path):
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
assert np.shape(reconstructions) == (5, 8, 8, 1)
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
    live = cvae_jax.load(drawn_run)
    for count in (1, 5):
        mean, logvar = live.encode(images[:count])
        found = list(np.load(tmp_path / f"{count}.npz").values())
        chex.assert_trees_all_close(found, [mean, logvar, live.decode(mean)], rtol=1e-4, atol=1e-5)
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
    config = helpers.small_config(**fields, **{"objective.infogan.networks": networks})
    objective = build.objective(config, build.DataInfo(32, 3, 64))
    params = drawn(jax.eval_shape(objective.init, jax.random.key(0), np.zeros((2, 32, 32, 3))))
    model = Model(config, objective, params, 0, 3)
    content = export.programs(model, 32)["decoder.bin"]
    z = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    images = jax.export.deserialize(bytearray(content)).call(z)
    assert images.shape == (3, 32, 32, 3)
    chex.assert_trees_all_close(images, jax.jit(objective.decode)(params, z), rtol=1e-4, atol=1e-5)


def test_an_export_loads_as_its_run_without_the_critic(drawn_run, exported):
    live, model = cvae_jax.load(drawn_run), cvae_jax.load(exported)
    assert model.step == 20
    assert model.params.critic == {}
    assert live.params.critic != {}
    helpers.assert_trees_equal(model.params.model, live.params.model)
    images = some_images(5)
    helpers.assert_trees_equal(model.encode(images), live.encode(images))
    z = np.ones((5, 4), np.float32)
    helpers.assert_trees_equal(model.decode(z), live.decode(z))
    different = dict(model.config.to_dict()) | {"data": dict(live.config.data)}
    assert different == live.config.to_dict()
    assert model.config.data.dir == ""  # a path of the machine that trained it
    assert set(path.name for path in exported.iterdir()) == set(export.FILES)
    with zipfile.ZipFile(exported / "weights.npz") as archive:
        names = {name.removesuffix(".npy") for name in archive.namelist()}
    assert "encoder/Dense_0/kernel" in names
    assert {name.split("/")[0] for name in names} == {"encoder", "decoder", "step"}


def test_only_an_export_is_replaced(drawn_run, exported, exported_copy, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "programs", lambda *args: {})
    (exported_copy / "card.md").write_text("old")
    export.export(drawn_run, exported_copy)
    assert (exported_copy / "card.md").read_text() == (exported / "card.md").read_text()
    (exported_copy / "plots").mkdir()  # as evaluate and report leave it
    for name in ("results.json", ".results.lock", "report.html"):
        (exported_copy / name).write_text("old")
    export.export(drawn_run, exported_copy)
    assert {path.name for path in exported_copy.iterdir()} < set(export.FILES)
    (exported_copy / "notes.txt").write_text("mine")
    refused(
        lambda: export.export(drawn_run, exported_copy), f"--out {exported_copy} holds notes.txt"
    )
    refused(lambda: export.export(drawn_run, drawn_run), f"--out {drawn_run} holds ")
    refused(lambda: export.export(exported, tmp_path / "x"), "is an exported model: copy it")
    refused(lambda: export.export(tmp_path / "x", tmp_path / "y"), f"there is no folder {tmp_path}")
    (tmp_path / "file").write_text("")
    refused(lambda: export.export(drawn_run, tmp_path / "file/out"), "can't write --out")
    monkeypatch.setattr(exporting, "programs", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export.export(drawn_run, tmp_path / "models" / "out")
    assert list((tmp_path / "models").iterdir()) == []  # nothing half written, nothing hidden


def test_a_disk_that_refuses_the_new_export_keeps_the_old(exported_copy, monkeypatch):
    (exported_copy / "card.md").write_text("old")
    rename = Path.rename

    def refusing(path, target):
        if path.name == "new":
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refusing)

    def replace():
        with exporting._whole_or_not_at_all(exported_copy) as part:
            (part / "card.md").write_text("new")

    refused(replace, f"can't write --out {exported_copy}: Input/output error")
    assert (exported_copy / "card.md").read_text() == "old"
    assert not list(exported_copy.parent.glob(".export-*"))


def test_an_exports_folder_is_no_place_to_train_in(exported_copy):
    config = helpers.small_config()
    refused(lambda: open_workdir(exported_copy, config).__enter__(), "is an exported model")


def test_exports_of_seeds_have_their_runs_names():
    assert export._name(Path("/runs/a/seed_0")) == "a-seed_0"
    assert export._name(Path("/runs/seed")) == "seed"


def test_a_model_that_ships_is_loaded_by_name(exported, tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "MODELS", exported.parent)
    assert cvae_jax.load("tiny").step == 20
    refused(lambda: cvae_jax.load("tinny"), "did you mean 'tiny'? models that ship: tiny")
    refused(lambda: evaluate.main(["evaluate", "--workdir=tiny"]), f"copy {exported}")
    refused(lambda: export.export("tiny", tmp_path / "x"), f"{exported} is an exported model: copy")
    monkeypatch.setattr(loading, "MODELS", exported / "none")
    refused(lambda: cvae_jax.load("tiny"), "there is no folder tiny of a run or an exported model")


def test_programs_of_the_package_take_an_export(
    drawn_run, exported, exported_copy, tmp_path, monkeypatch, caplog
):
    dataset = helpers.noise_dataset(64, 8)
    monkeypatch.setattr(datasets, "load", lambda *args: dataset)
    codes = []
    for workdir in (drawn_run, exported):
        out = tmp_path / "codes.csv"
        encode.main(["encode", f"--workdir={workdir}", f"--out={out}"])
        codes.append(out.read_text())
    assert codes[0] == codes[1]
    with caplog.at_level("INFO"):
        evaluate.main(["evaluate", f"--workdir={exported_copy}", "--metrics=mig,terms"])
    assert "terms left out: an exported model has no critics" in caplog.text
    assert set(read_json(exported_copy / "results.json")["scores"]) == {"mig"}
    assert runs_under([drawn_run.parent, exported_copy]) == [drawn_run]


def test_seeds_start_from_an_exports_weights_each_with_critics_of_its_own(drawn_run, exported):
    params = cvae_jax.load(drawn_run).params
    own = [jax.tree.map(lambda x, to=to: np.full_like(x, to), params) for to in (0.0, 1.0)]
    found = loading.params_like(exported, own)
    for one, before in zip(found, own, strict=True):
        helpers.assert_trees_equal(one.model, params.model)
        helpers.assert_trees_equal(one.critic, before.critic)
