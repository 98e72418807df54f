"""Records of the paper's runs: finished, extended or interrupted."""

import json
import re
import shutil
import sys
from pathlib import Path

import markdown
import numpy as np
import pytest
from fixtures.tiny_paper import failing
from PIL import Image

import cvae_jax
from cvae_jax import reproduce
from cvae_jax.errors import UserError
from cvae_jax.reproduction import runs
from cvae_jax.runs.workdir import read_config, read_json, write_json
from cvae_jax.studies import work


def test_gathering_shows_all_seeds_that_there_are(tmp_path, capsys):
    """Of the records that ship five; a table of three would say otherwise than the page."""
    methods = dict.fromkeys(run.method for run in reproduce.plan("figure6", "half", 1))
    for method in methods:
        shutil.copytree(f"results/half/dsprites/{method}", tmp_path / "half/dsprites" / method)
    record = tmp_path / "half/dsprites/vae/seed_1.json"
    shutil.copy(record, record.with_name("seed_9 (copy).json"))
    folders = [f"--results={tmp_path}", f"--runs={tmp_path / 'none'}"]
    reproduce.main(["reproduce", "--figure=6", "--scale=half", "--gather", *folders])
    page = capsys.readouterr().out
    assert "cvae reproduce --figure=6 --scale=half --seeds=5\n" in page
    rows = [line for line in page.splitlines() if line.startswith("| dsprites | ")]
    shipped = Path("results/half/figure6.md").read_text().splitlines()
    assert len(rows) == len(methods)
    assert set(rows) <= set(shipped)
    few = ["--seeds=2", *folders]
    reproduce.main(["reproduce", "--figure=6", "--scale=half", "--gather", *few])
    assert all(row not in shipped for row in capsys.readouterr().out.splitlines() if "± " in row)


def test_what_has_ended_is_kept_and_gathered(whole_run, tiny, tmp_path, monkeypatch, capsys):
    """With the tests' whole run in place of one of the paper's."""
    whole, _ = whole_run
    runs.CONFIG.write_text(
        "import json\nfrom cvae_jax.runs.workdir import read_config\n\n"
        f"def get_config(variant):\n    return read_config({str(whole)!r})\n"
    )
    copy = "import shutil, sys; shutil.copytree(*sys.argv[1:], dirs_exist_ok=True)"
    monkeypatch.setattr(
        work,
        "program",
        lambda words: [sys.executable, "-c", copy, str(whole), words[-1].partition("=")[2]],
    )
    argv = ["reproduce", "--figure=9", "--scale=half", "--seeds=1", *tiny]
    reproduce.main([*argv, "--gather"])
    assert "not run: needs the command above" in capsys.readouterr().out
    reproduce.main(argv)
    folder = tmp_path / "results" / "half"
    record = json.loads((folder / "dsprites" / "vae+tower" / "seed_0.json").read_text())
    results = json.loads((whole / "results.json").read_text())
    assert record["scores"] == results["scores"]
    assert record["versions"]["cvae_jax"] == cvae_jax.__version__
    lines = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in lines]
    assert record["curves"]["step"] == steps
    assert record["curves"]["recon"] == pytest.approx([x["recon"] for x in lines], rel=1e-4)
    late = [x["cascade_kl"] for x in lines if x["step"] > steps[-1] / 10]
    assert record["largest"]["cascade_kl"] == pytest.approx(max(late), rel=1e-4)
    each = zip(np.diff([0, *steps]), lines, strict=True)
    seconds = sum(count / line["steps_per_second"] for count, line in each)
    assert record["training_seconds"] == pytest.approx(seconds, abs=0.51)
    text = (folder / "figure9.md").read_text()
    assert f"{results['scores']['mig']['value']:.3f}" in text
    for name in ("traversals", "effects"):
        with Image.open(folder / f"figure9_dsprites_vae_tower_{name}.png") as image:
            assert np.asarray(image.convert("L")).std() > 5

    # What has ended is not trained again, even if its own folder is gone.
    monkeypatch.setattr(work, "program", None)
    reproduce.main(argv)
    # A config that says otherwise by now does not pass for what was run.
    other = runs.CONFIG.read_text().replace("return ", "config = ")
    runs.CONFIG.write_text(f"{other}    config.batch_size = 8\n    return config\n")
    with pytest.raises(UserError, match=r"another config than .* \(batch_size 16 -> 8\)"):
        reproduce.main(argv)


def test_scores_added_later_are_copied_into_the_record(whole_run, tiny, tmp_path, monkeypatch):
    whole, _ = whole_run
    run = runs.Run("half", "dsprites", "vae+tower", 0)
    monkeypatch.setattr(runs, "config", lambda run: read_config(whole))
    workdir, results = tmp_path / "runs" / run.key, tmp_path / "results"
    shutil.copytree(whole, workdir)
    runs.write_record(results, run, workdir)
    found = read_json(workdir / "results.json")
    found["scores"]["is"] = found["scores"]["mig"] | {"value": 1.5}
    write_json(workdir / "results.json", found)
    reproduce.main(["reproduce", "--figure=9", "--scale=half", "--seeds=1", "--gather", *tiny])
    assert runs.read_record(results, run)["scores"]["is"]["value"] == 1.5


@pytest.fixture
def recorded(whole_run, tmp_path, monkeypatch):
    """(results, a run, the path of its record)."""
    whole, _ = whole_run
    monkeypatch.setattr(runs, "config", lambda run: read_config(whole))
    run, results = runs.Run("half", "dsprites", "vae+tower", 0), tmp_path / "results"
    runs.write_record(results, run, whole)
    return results, run, results / run.key.with_suffix(".json")


@pytest.mark.parametrize(
    "change",
    [
        {"config": [1]},
        {"training_seconds": "3"},
        {"evaluation_seconds": None},
        {"curves": [1]},
        {"curves": {"step": 3}},
        {"curves": {"step": [{}]}},
        {"curves": {"step": [1, 2], "recon": [1.0]}},
        {"structure": None},
        {"structure": {"effects": "x", "ancestors": "x"}},
        {"structure": {"effects": [[1.0]], "ancestors": [[True]]}},
        {"largest": {"cascade_kl": [1]}},
        {"data": {"name": "x", "source": "y"}},
    ],
)
def test_a_record_that_holds_no_numbers_is_damaged(recorded, change):
    results, run, path = recorded
    assert runs.read_record(results, run)
    write_json(path, read_json(path) | change)
    with pytest.raises(UserError, match="damaged") as caught:
        runs.read_record(results, run)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("lost", ["curves", "structure"])
def test_a_record_that_lacks_a_part_is_damaged(recorded, lost):
    results, run, path = recorded
    content = read_json(path)
    del content[lost]
    write_json(path, content)
    with pytest.raises(UserError, match=f"no {lost}"):
        runs.read_record(results, run)


def test_seeds_of_one_program_share_its_time(recorded, whole_run, tmp_path):
    """60 steps at 0.1 per second are 600 s, of three seeds 200 s each."""
    results, run, _ = recorded
    folder = shutil.copytree(whole_run[0], tmp_path / "seeds" / "seed_0")
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    slow = [json.dumps(line | {"steps_per_second": 0.1}) + "\n" for line in lines]
    (folder / "metrics.jsonl").write_text("".join(slow))
    assert runs.write_record(results, run, folder)["training_seconds"] == 600
    parent = read_json(folder / "config.json") | {"num_seeds": 3}
    write_json(folder.parent / "config.json", parent)
    assert runs.write_record(results, run, folder)["training_seconds"] == 200
    other = run._replace(seed=7)  # which was trained by itself, later
    assert runs.write_record(results, other, folder)["training_seconds"] == 600
    (folder / "metrics.jsonl").write_text('{"step": 60, "recon": 1.0}\n')
    with pytest.raises(UserError, match="does not say how fast"):
        runs.write_record(results, run, folder)


def test_text_of_a_record_does_nothing_in_a_table(recorded, tiny, capsys):
    _, _, path = recorded
    nasty = "<img src=x onerror=alert(1)>\n# [a](javascript:b) `c` \x1b[31m"
    record = read_json(path)
    record["data"]["source"] = record["device"] = record["scores"]["mig"]["definition"] = nasty
    write_json(path, record)
    reproduce.main(["reproduce", "--figure=9", "--scale=half", "--seeds=1", "--gather", *tiny])
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    page = markdown.markdown(shown)
    assert page.count("&lt;img src=x onerror=alert(1)&gt;") == 3
    assert not re.search(r"<(a|code)\b[^>]*>[ac]</|<h1>( \[|<a)", page)
    assert page.count("<h1>") == 1  # the page's own


def test_an_interrupted_run_is_shown_and_not_done(whole_run, tiny, tmp_path, monkeypatch):
    """The table shows where it stopped; the command still trains it."""
    whole, _ = whole_run
    config = read_config(whole)
    steps = config.num_steps
    config.num_steps = 2 * steps
    monkeypatch.setattr(runs, "config", lambda run: config)
    run = runs.Run("half", "dsprites", "vae+tower", 0)
    workdir, results = tmp_path / "runs" / run.key, tmp_path / "results"
    shutil.copytree(whole, workdir)
    write_json(workdir / "config.json", config.to_dict())
    argv = ["reproduce", "--figure=9", "--scale=half", "--seeds=1", *tiny]

    def evaluated(recorded, **changes):
        write_json(workdir / "results.json", read_json(whole / "results.json") | changes)
        later = json.loads(lines[-1]) | {"step": 2 * steps}  # it has trained on since
        (workdir / "metrics.jsonl").write_text("\n".join([*lines, json.dumps(later), ""]))
        reproduce.main([*argv, "--gather"])
        record = runs.read_record(results, run)
        assert record["curves"]["step"][-1] == record["step"] == recorded
        return (results / "half/figure9.md").read_text()

    lines = (whole / "metrics.jsonl").read_text().splitlines()
    text = evaluated(steps)
    assert f"interrupted, seed 0 at {steps:,} of {2 * steps:,} steps" in text
    assert f"{read_json(whole / 'results.json')['scores']['mig']['value']:.3f}" in text
    failing(monkeypatch, "raise SystemExit(3)")
    with pytest.raises(UserError, match="1 of 1 runs failed: it ended with code 3"):
        reproduce.main(argv)
    text = (results / "half/figure9.md").read_text()
    assert "only seeds 0; others: it ended with code 3" in text
    assert "interrupted, seed 0" in text

    evaluated(steps, step=2 * steps, data={"name": "x", "source": "y", "size": 8, "changed": "z"})
    pictures = workdir / "plots" / "traversals.npz"
    pictures.rename(workdir / "moved")  # copied without them
    evaluated(steps, step=2 * steps)
    (workdir / "moved").rename(pictures)
    assert "interrupted" not in evaluated(2 * steps, step=2 * steps)  # to its end


def test_cells_without_runs_say_what_they_need(tiny, tmp_path):
    """Downloaded data sets need files, whose place docs/data.md names; rendered ones need none."""
    reproduce.main(["reproduce", "--table=1", "--gather", *tiny])
    text = (tmp_path / "results" / "quick" / "table1.md").read_text()
    rows = [line.split(" | ") for line in text.splitlines() if "not run" in line]
    cells = {name.removeprefix("| "): reason for name, _, reason, *_ in rows}
    first, then = "not run: needs ", "the command above"
    assert cells["dsprites"] == cells["heads3d"] == first + then
    by_hand = "celeba (img_align_celeba.zip by hand; docs/data.md says what goes where) and "
    assert cells["celeba"] == first + by_hand + then
    files = Path("docs/data.md").read_text()
    for name in cells:
        assert f"`{name}" in files
