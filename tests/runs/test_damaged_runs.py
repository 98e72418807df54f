"""A run's JSON files and curves, damaged: every reader refuses them in one line."""

import json

import numpy as np
import pytest
from fixtures.damage import DEEP, FILES, HUGE, JSON, cases, refused, to_folder
from fixtures.short_runs import in_checkpoint, program, resume

from cvae_jax import datasets, encode, evaluate, rank
from cvae_jax.errors import UserError
from cvae_jax.runs import loading
from cvae_jax.runs.metrics_log import MetricsWriter, read_metrics
from cvae_jax.runs.workdir import read_json

pytestmark = pytest.mark.usefixtures("limits")


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
        "list": b"[]",
        "no_data": b'{"step": 4, "scores": {}, "device": "", "versions": {}}',
    },
)
def test_results_without_their_fields_are_refused(run, content):
    (run / "results.json").write_bytes(content)
    read = program(evaluate.main, f"--workdir={run}", "--metrics=mig")
    refused(read, f"{run / 'results.json'} is damaged", "remove it")


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


def test_other_data_are_named_before_their_checkpoint_is_read(run, noise, monkeypatch):
    colour = noise._replace(channels=3, decode=lambda rows: rows.repeat(3, axis=-1))
    monkeypatch.setattr(datasets, "load", lambda *args: colour)
    refused(lambda: resume(run), "began with (channels 1 -> 3): put those back")


@cases(
    "file", {file: file for file in ("config.json", "data.json", "sha256.json", "manifest.ocdbt")}
)
def test_encode_and_rank_refuse_a_damaged_run(run, short_run, tmp_path, file):
    path = run / file if (run / file).exists() else in_checkpoint(run, file)
    FILES["half"](path)
    refused(program(encode.main, f"--workdir={run}", f"--out={tmp_path / 'codes.npz'}"), run)
    refused(program(rank.main, short_run, run), run)
    assert not (tmp_path / "codes.npz").exists()


@pytest.mark.parametrize("value", [np.eye(2), np.zeros(0)], ids=["matrix", "empty"])
def test_a_metric_that_could_not_be_read_again_is_not_written(tmp_path, value):
    writer = MetricsWriter(tmp_path, 0)
    writer.write(1, {"loss": 1.0, "edges": np.ones(2)})
    with pytest.raises(UserError, match=r"metric 'covariance' has the shape \["):
        writer.write(2, {"loss": 1.0, "covariance": value})
    writer.close()
    assert [line["step"] for line in read_metrics(tmp_path / "metrics.jsonl")] == [1]
