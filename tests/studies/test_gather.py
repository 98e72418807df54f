"""Runs in any folders gathered: which are seeds of one row, which scores make a mean."""

import csv

import helpers
import numpy as np
import pytest

from cvae_jax import gather
from cvae_jax.errors import UserError
from cvae_jax.runs.holding import open_workdir
from cvae_jax.runs.workdir import read_json, write_json
from cvae_jax.studies import ended, show, table


def finished(path, config, value, step=20, names=("mig",), source="noise"):
    with open_workdir(path, config):
        score = {"value": value, "definition": "MIG; of one run", "samples": 1, "seed": 0}
        content = {
            "step": step,
            "scores": dict.fromkeys(names, score),
            "data": {"name": "noise", "source": source},
            "device": "1 x cpu",
            "versions": {},
        }
        write_json(path / "results.json", content)


def test_runs_that_differ_by_their_seed_are_one_row(tmp_path):
    structure = "cascade.structure"
    for seed, value in ((0, 0.1), (1, 0.2), (2, 0.6)):
        finished(tmp_path / f"a{seed}", helpers.small_config(seed=seed), value)
    other = {structure: "1>3"}
    finished(tmp_path / "b", helpers.small_config(**other), 0.5)
    finished(tmp_path / "c", helpers.small_config(seed=9, **other), 0.5, step=10)
    with open_workdir(tmp_path / "d", helpers.small_config(seed=4)):
        pass
    rows, unfinished = helpers.gathered(tmp_path)
    assert [path.name for path in unfinished] == ["c", "d"]
    assert [row.fields for row in rows] == [{structure: "independent"}, {structure: "1>3"}]
    assert rows[0].seeds == [0, 1, 2]
    text = table.table(rows, ["mig", "sap"])
    assert text.splitlines() == [
        "cascade.structure 'independent'; seeds 0, 1, 2",
        f"  mig                     0.3000 ± {np.std([0.1, 0.2, 0.6], ddof=1):.4f}",
        "cascade.structure '1>3'; seeds 0",
        "  mig                     0.5000",
    ]
    table.write_csv(tmp_path / "out.csv", rows)
    lines = [*csv.DictReader((tmp_path / "out.csv").read_text().splitlines())]
    assert [line[structure] for line in lines] == ["independent", "1>3"]
    assert float(lines[0]["mean"]) == pytest.approx(0.3)
    assert lines[0]["values"] == "0.1 0.2 0.6"
    finished(tmp_path / "again", helpers.small_config(), 0.5)
    with pytest.raises(UserError, match="are the same run, seed 0: name one"):
        helpers.gathered(tmp_path)
    with pytest.raises(UserError, match=r"no run under .*/d has ended"):
        helpers.gathered(tmp_path / "d")


def test_scores_of_other_numbers_of_samples_are_no_mean(tmp_path, caplog):
    for seed, (value, samples) in enumerate([(48.9, 500), (61.2, 10_000), (50.1, 500)]):
        path = tmp_path / f"{seed}"
        finished(path, helpers.small_config(seed=seed), value, names=["fid", "mig"])
        content = read_json(path / "results.json")
        content["scores"]["fid"] = content["scores"]["fid"] | {"samples": samples}
        write_json(path / "results.json", content)
    (row,), _ = helpers.gathered(tmp_path)
    assert row.values == {"fid": [48.9, 50.1], "mig": [48.9, 61.2, 50.1]}
    assert f"{tmp_path}/1: left out of the means, as they are of another" in caplog.text


def test_runs_on_other_images_are_drawn_apart(tmp_path):
    for seed, source in enumerate(["noise", "noise", "stripes", "stripes"]):
        path = tmp_path / "runs" / str(seed)
        finished(path, helpers.small_config(seed=seed), 0.1 * seed, source=source)
    found, _ = ended.ended_runs([tmp_path / "runs"])
    drawn = show.write(found, ["mig"], tmp_path / "plots")
    violins = [path.name for path in drawn if "violins" in path.name]
    assert violins == ["violins_noise__source_noise.png", "violins_noise__source_stripes.png"]


@pytest.mark.parametrize("parts", [("x>3", "x<3"), (f"{'x=1,' * 60}y=1", f"{'x=1,' * 60}y=2")])
def test_pictures_of_each_data_have_a_name_of_their_own(tmp_path, parts):
    """Whatever a part's name has besides letters and digits, and however long it is."""
    for i, part in enumerate(parts):
        config = helpers.small_config(**{"data.hold_out": part})
        finished(tmp_path / "runs" / str(i), config, 0.1 * i)
    found, _ = ended.ended_runs([tmp_path / "runs"])
    drawn = show.write(found, ["mig"], tmp_path / "plots")
    assert len({path for path in drawn if path.exists()}) == 3  # the table, violins of each


def test_seeds_that_lack_a_score_or_have_other_data(tmp_path):
    for seed, names in ((0, ["mig"]), (1, ["mig", "sap"]), (2, ["mig", "sap"])):
        finished(tmp_path / f"{seed}", helpers.small_config(seed=seed), 0.1 * seed, names=names)
    finished(tmp_path / "3", helpers.small_config(seed=3), 9.0, source="others")
    rows, _ = helpers.gathered(tmp_path)
    text = table.table(rows, ["mig", "sap"])
    assert text.splitlines() == [
        "source 'noise'; seeds 0, 1, 2",
        "  mig                     0.1000 ± 0.1000",
        "  sap                     0.1500 ± 0.0707 of 2 seeds",
        "source 'others'; seeds 3",
        "  mig                     9.0000",
    ]
    lines = table.markdown_table(rows, ["mig", "sap"]).splitlines()
    assert [line.split("|")[3:6] for line in lines[2:]] == [
        [" 0.100 ± 0.100 ", " 0.150 ± 0.071 (2 of 3) ", " 3 "],
        [" 9.000 ", " - ", " 1 "],
    ]
    with pytest.raises(UserError, match=r"unknown score 'migg'; did you mean 'mig'\? there are"):
        gather.main(["gather", str(tmp_path), "--scores=mig, sap,migg"])
    with pytest.raises(UserError, match=r"there is no folder .*nope"):
        gather.main(["gather", str(tmp_path / "nope")])
