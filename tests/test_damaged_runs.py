"""A run's folder, damaged: every reader refuses it in one line, or reads what a sound one holds."""

import json
import shutil

import conftest
import numpy as np
import pytest
from damage import DEEP, FILES, HUGE, JSON, cases, refused, to_folder

from cvae_jax import (
    encode,
    evaluate,
    loading,
    rank,
    train,
)
from cvae_jax.datasets import pipeline
from cvae_jax.workdir import read_json
from cvae_jax.writers import MetricsWriter, read_metrics

pytestmark = pytest.mark.usefixtures("limits")

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
