"""Records that no run wrote: gathered runs, curves and configs end in one line or are left out."""

import csv
import json
import os

import helpers
import numpy as np
import pytest
from fixtures.damage import HUGE, cases, refused

from cvae_jax.runs import parts
from cvae_jax.runs.data_record import require_same_version
from cvae_jax.runs.holding import open_workdir
from cvae_jax.runs.metrics_log import MetricsWriter, read_metrics
from cvae_jax.runs.workdir import read_config, read_json, read_results, why_diverged, write_json
from cvae_jax.studies import table

pytestmark = pytest.mark.usefixtures("limits")


def finished(path, score=0.5, **fields):
    with open_workdir(path, helpers.small_config(**fields)):
        entry = {"value": score, "definition": "MIG", "samples": 1, "seed": 0}
        content = {
            "step": 20,
            "scores": {"mig": entry, "sap": entry | {"value": 0.25}},
            "data": {"name": "noise", "source": "noise"},
            "device": "1 x cpu",
            "versions": {},
        }
        write_json(path / "results.json", content)
    return path


def change(path, **fields):
    write_json(path, read_json(path) | fields)


@cases(
    "damage",
    {
        "seed_in_a_list": lambda run: change(run / "config.json", seed=[1]),
        "steps_in_a_list": lambda run: change(run / "config.json", num_steps=[20]),
        "seeds_in_words": lambda run: change(run / "config.json", num_seeds="1"),
        "group_is_a_number": lambda run: change(run / "config.json", data=3),
        "nan": lambda run: change(run / "config.json", cascade={"weight": float("nan")}),
        "config_is_half": lambda run: os.truncate(run / "config.json", 100),
        "score_in_a_list": lambda run: change(
            run / "results.json", scores={"mig": {"value": [0.5], "samples": 1, "definition": ""}}
        ),
        "scores_are_a_list": lambda run: change(run / "results.json", scores=[1]),
        "step_in_words": lambda run: change(run / "results.json", step="20"),
        "results_are_half": lambda run: os.truncate(run / "results.json", 60),
        "foreign": lambda run: (run / "config.json").write_text('{"model_type": "bert"}'),
        "foreign_list": lambda run: (run / "config.json").write_text("[1, 2]"),
    },
)
def test_what_is_no_run_is_left_out_with_a_line(tmp_path, caplog, damage):
    finished(tmp_path / "good")
    bad = finished(tmp_path / "bad", seed=1)
    damage(bad)
    (row,), unfinished = helpers.gathered(tmp_path)
    assert (row.seeds, row.values["mig"], unfinished) == ([0], [0.5], [])
    (line,) = [message for message in caplog.messages if str(bad) in message]
    assert "left out" in line
    assert "\n" not in line
    refused(lambda: helpers.gathered(bad), "has ended")


def test_text_that_no_encoding_has_is_written_nonetheless(tmp_path):
    finished(tmp_path / "a")
    text = (tmp_path / "a/results.json").read_text().replace('"MIG"', '"\\ud800"')
    (tmp_path / "a/results.json").write_text(text)
    rows, _ = helpers.gathered(tmp_path)
    table.write_csv(tmp_path / "out.csv", rows)
    assert "\\ud800" in (tmp_path / "out.csv").read_text()


def test_text_is_no_formula_of_a_spreadsheets(tmp_path):
    finished(tmp_path / "a", score=-0.25)
    text = (tmp_path / "a/results.json").read_text()
    (tmp_path / "a/results.json").write_text(text.replace('"MIG"', '"=1+2"'))
    rows, _ = helpers.gathered(tmp_path)
    table.write_csv(tmp_path / "out.csv", rows)
    with (tmp_path / "out.csv").open(newline="") as file:
        (row, *_) = csv.DictReader(file)
    assert (row["definition"], float(row["mean"]), row["values"]) == ("'=1+2", -0.25, "-0.25")


def test_scores_that_are_not_finite_are_left_out(tmp_path, caplog):
    finished(tmp_path / "a")
    finished(tmp_path / "b", score=float("nan"), seed=1)
    (row,), _ = helpers.gathered(tmp_path)
    assert row.values == {"mig": [0.5], "sap": [0.25, 0.25]}
    assert "not finite: mig" in caplog.text


@cases(
    "text",
    {
        "nan": "NaN",
        "infinity": "-Infinity",
        "beyond_floats": "1e999",
        "beyond_floats_below": "-1e999",
    },
)
def test_a_config_has_finite_numbers(tmp_path, text):
    run = finished(tmp_path / "run")
    content = (run / "config.json").read_text()
    (run / "config.json").write_text(content.replace('"pixel_weight": 4.0', f'"a": {text}'))
    assert text in (run / "config.json").read_text()
    refused(lambda: read_config(run), f"{run / 'config.json'} is damaged", "no number of JSON")


def test_records_that_are_no_files_or_too_large_are_refused_before_they_are_read(tmp_path):
    os.mkfifo(tmp_path / "config.json")
    refused(lambda: read_config(tmp_path), "it is no file")
    os.mkfifo(tmp_path / "metrics.jsonl")
    refused(lambda: read_metrics(tmp_path / "metrics.jsonl"), "it is no file")
    with (tmp_path / "results.json").open("wb") as file:
        file.truncate(HUGE)
    refused(lambda: read_results(tmp_path / "results.json"), "are read")
    refused(lambda: helpers.gathered(tmp_path), "has ended")


def test_of_long_curves_a_part_is_held_and_all_are_kept(tmp_path):
    path, count = tmp_path / "metrics.jsonl", 50_001
    with path.open("w") as file:
        file.writelines(f'{{"step": {step}}}\n' for step in range(1, count + 1))
    steps = [line["step"] for line in read_metrics(path)]
    assert (steps[0], steps[-1], len(steps) <= 20_001) == (1, count, True)
    assert set(np.diff(steps[:-1])) == {4}
    MetricsWriter(tmp_path, count - 1).close()
    assert path.read_bytes().count(b"\n") == count - 1


def test_a_line_without_an_end_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "metrics.jsonl").open("wb") as file:
        file.truncate(1 << 29)
    refused(lambda: read_metrics(tmp_path / "metrics.jsonl"), "line 1 is damaged")
    assert len(read_metrics(torn(tmp_path, '{"step": 1}\n{"ste'))) == 1


def torn(folder, text):
    (folder / "torn.jsonl").write_text(text)
    return folder / "torn.jsonl"


@cases(
    "text",
    {"list": "[1]", "empty": "{}", "half": '{"reason"', "deep": "[" * 100_000, "nothing": ""},
)
def test_why_a_seed_diverged(tmp_path, text):
    assert why_diverged(tmp_path) == ""
    write_json(tmp_path / "diverged.json", {"reason": "step 3: loss"})
    assert why_diverged(tmp_path) == "step 3: loss"
    (tmp_path / "diverged.json").write_text(text)
    refused(lambda: why_diverged(tmp_path), "diverged.json is damaged")


@cases("text", {"list": '{"networks": ["a"]}', "number": '{"networks": {"a": 1}}', "object": "3"})
def test_parts_that_are_no_text(tmp_path, text):
    (tmp_path / "data.json").write_text("[]")
    (tmp_path / "parts.json").write_text(text)
    refused(lambda: parts.require_same(tmp_path, {}), "parts.json is damaged")
    refused(lambda: require_same_version(tmp_path), "data.json is damaged")


LINE = '{"step": 2, "loss": 1.5, "kl_per_dim": [1.0, 2.0]}'


@cases(
    "line",
    {
        "vector_for_a_number": '{"step": 3, "loss": [1.0, 2.0]}',
        "vector_of_one": '{"step": 3, "loss": [1.0]}',
        "empty_vector": '{"step": 3, "loss": []}',
        "number_for_a_vector": '{"step": 3, "kl_per_dim": 1.0}',
        "shorter_vector": '{"step": 3, "kl_per_dim": [1.0]}',
        "matrix": '{"step": 3, "other": [[1.0], [2.0]]}',
        "nan": '{"step": 3, "loss": NaN}',
        "infinity": '{"step": 3, "kl_per_dim": [1.0, Infinity]}',
        "beyond_floats": '{"step": 3, "loss": 1e999}',
        "true": '{"step": 3, "loss": true}',
        "huge": '{"step": 3, "loss": 1' + "0" * 400 + "}",
    },
)
def test_curves_hold_numbers_and_vectors_of_one_length(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    path.write_text(f"{LINE}\n{line}\n{LINE}\n")
    refused(lambda: MetricsWriter(tmp_path, 4), f"{path}, line 2 is damaged: remove this line")
    path.write_text(f"{LINE}\n{LINE}\n")
    assert read_metrics(path) == [json.loads(LINE)] * 2
