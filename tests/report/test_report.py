"""The report of a run, and what is said where there is none yet."""

import json
import re
import shutil

import helpers
import numpy as np
import pytest
from fixtures.damage import JSON, cases, refused
from fixtures.report_pages import RESULTS, SCORE, parsed
from sklearn.metrics import mutual_info_score

from cvae_jax import datasets, evaluate
from cvae_jax.errors import UserError
from cvae_jax.report import __main__ as report
from cvae_jax.report import comparison, page, run_page
from cvae_jax.runs import loading
from cvae_jax.runs.workdir import read_json, read_results, write_json


@pytest.fixture
def run(whole_run, tmp_path):
    """A copy of a run that is trained and evaluated."""
    return shutil.copytree(whole_run[0], tmp_path / "run")


@pytest.mark.slow
def test_report_of_a_run(run, data_dir, capsys):
    report.main(["report", f"--workdir={run}", f"--data_dir={data_dir}"])
    assert capsys.readouterr().out == f"{run / 'report.html'}\n"
    text = (run / "report.html").read_text()
    assert len(text) < 6_000_000
    parser = parsed(text)
    for name in read_json(run / "results.json")["scores"]:
        assert name in parser.text
    images = [attrs["alt"] for tag, attrs in parser.tags if tag == "img"]
    assert len([alt for alt in images if "of the data" in alt]) == 8
    assert {"Reconstructions", "Samples", "Traversals", "Training"} < set(images)
    assert "num_steps" in parser.text
    # it can be sent to others: nothing of the machine
    assert str(data_dir) not in text
    assert "folder:pictures" in parser.text
    assert "data.dir" not in parser.text
    model = json.loads(re.search(r'id="model">(.*?)</script>', text)[1])
    assert len(model["starts"][0]) == 4
    # the latents of the images shown are those of the run's model
    loaded = loading.load(run)
    rows = np.random.default_rng(loaded.config.seed).permutation(256)[:8]
    dataset = datasets.load(loaded.config.data.name, loaded.config.data.size, str(data_dir))
    mean, _ = loaded.encode(dataset.images(rows))
    np.testing.assert_allclose(model["starts"], mean, atol=2e-3)


def test_the_file_can_be_named(run, data_dir, tmp_path, capsys):
    out = tmp_path / "named.html"
    report.main(["report", str(run), str(run), f"--data_dir={data_dir}", f"--out={out}"])
    assert capsys.readouterr().out == f"{out}\n"
    assert 'id="weights"' in out.read_text()
    assert not (run / "report.html").exists()


def test_several_seeds_have_a_report_each(run, data_dir, tmp_path):
    both = tmp_path / "both"
    one = read_json(run / "config.json")
    for seed in (0, 1):
        shutil.copytree(run, both / f"seed_{seed}")
    write_json(both / "config.json", one | {"num_seeds": 3})
    with pytest.raises(UserError, match="no scores of all seeds yet"):
        report.write(both, data_dir)
    results = read_json(run / "results.json")
    of_all = results | {"diverged": {"1": {"reason": "step 9: <recon>"}}}
    of_all["data"] = of_all["data"] | {"changed": "other pixels"}
    write_json(both / "results.json", of_all)
    write_json(both / "seed_1/diverged.json", {"reason": "step 9: <recon>"})
    by_name = {name: results[name] for name in results if name != "pictures"}
    (both / "seed_2").mkdir()
    write_json(both / "seed_2/results.json", by_name)  # of metrics that were named
    path = report.write(both, str(data_dir))
    parser = parsed(path.read_text())
    links = [attrs["href"] for tag, attrs in parser.tags if tag == "a"]
    links = [link.removeprefix("./") for link in links if not link.startswith("#")]
    assert links == ["seed_0/report.html", "seed_1/report.html"]
    assert all('id="weights"' in (both / link).read_text() for link in links)
    assert "Seed 2 has no scores and plots" in parser.text
    assert "of other data than the run was trained on: other pixels" in parser.text
    assert "Seed 1 diverged and is in no mean: step 9: <recon>" in parser.text
    assert "seed 1, which diverged" in parser.text
    assert "seed 0, which diverged" not in parser.text
    texts = [parsed((both / link).read_text()).text for link in links]
    assert ["This seed diverged" in text for text in texts] == [False, True]
    assert "both/seed_0" in parsed((both / links[0]).read_text()).text
    assert 'id="weights"' not in path.read_text()
    elsewhere = report.write(both, str(data_dir), out=tmp_path / "all.html")
    hrefs = re.findall(r'href="([^"#]*/report.html)"', elsewhere.read_text())
    assert [(tmp_path / href).resolve() for href in hrefs] == [both / link for link in links]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda run: (run / "results.json").unlink(), "cvae evaluate "),
        (lambda run: shutil.rmtree(run / "checkpoints"), "no checkpoint yet"),
        (lambda run: (run / "config.json").unlink(), "is it a run's folder"),
        (lambda run: (run / "results.json").write_text("{"), "is damaged"),
        (
            lambda run: write_json(
                run / "results.json", read_json(run / "results.json") | {"scores": {"mig": 3}}
            ),
            "is damaged",
        ),
        (
            lambda run: write_json(run / "results.json", {"step": 3, "scores": {}}),
            "is damaged",
        ),
        (
            lambda run: write_json(run / "results.json", RESULTS),
            "cvae evaluate ",
        ),
    ],
    ids=["no_results", "no_checkpoint", "no_run", "half", "a_score", "no_data", "no_pictures"],
)
def test_the_message_without_scores_names_the_remedy(run, change, message):
    change(run)
    with pytest.raises(UserError, match=message) as caught:
        report.write(run)
    assert "\n" not in str(caught.value)
    assert str(run) in str(caught.value)
    assert not (run / "report.html").exists()


def test_data_that_are_no_longer_the_runs(run):
    colours = np.zeros((9, 16, 16, 3), np.uint8)
    dataset = helpers.in_memory(colours, np.zeros((9, 0), np.int32), ())
    refused(lambda: run_page._of_one(run, dataset), run, "1 channel", "has 3")


@cases("content", JSON)
def test_damaged_results(tmp_path, content):
    path = tmp_path / "results.json"
    path.write_bytes(content)
    refused(lambda: read_results(path), path, "damaged")


@pytest.mark.parametrize(
    "change",
    [
        {"scores": {"mig": SCORE | {"value": "much"}}},
        {"scores": {"mig": SCORE | {"value": 10**400}}},
        {"scores": {"mig": SCORE | {"samples": None}}},
        {"scores": {"mig": SCORE | {"definition": 3}}},
        {"data": {"name": "a"}},
        {"data": None},
        {"versions": []},
        {"device": 1},
    ],
    ids=str,
)
def test_results_with_a_wrong_part(tmp_path, change):
    path = tmp_path / "results.json"
    write_json(path, RESULTS)
    assert page.page(made_of(read_results(path)))
    write_json(path, RESULTS | change)
    refused(lambda: read_results(path), path, "damaged")


def made_of(results):
    return page.Report("run", "", results, {}, "No sliders.", {}, {})


def test_scores_of_another_step_are_noted(run, data_dir):
    results = read_json(run / "results.json")
    write_json(run / "results.json", results | {"step": 7})
    text = parsed(report.write(run, str(data_dir)).read_text()).text
    assert "of step 7, the sliders of step 60" in text


def test_a_run_of_an_earlier_version_has_a_page_with_what_it_recorded(run, data_dir):
    """Without the heat map's plot, the film, the curves, the date; its old labels are noted."""
    now = report.write(run, str(data_dir)).read_text()
    assert "Began" in parsed(now).text
    assert "data:image/gif" in now
    assert "KL curve" in now
    assert "earlier version" not in parsed(now).text
    for name in ("plots/factors.png", "plots/traversals.gif", "metrics.jsonl"):
        (run / name).unlink()
    described = read_json(run / "data.json")
    del described["origin"]
    write_json(run / "data.json", described)
    text = report.write(run, str(data_dir)).read_text()
    assert "Began" not in parsed(text).text
    assert "Training time" not in parsed(text).text
    assert "data:image/gif" not in text
    assert "KL curve" not in text
    assert "The plots are of an earlier version" in parsed(text).text
    assert 'id="factors"' in text


def test_a_factor_without_a_score_is_on_no_page(run, data_dir):
    """An identity number, which evaluation leaves out: untrained latents seem to know it."""
    dataset = datasets.load(loading.load(run).config.data.name, 8, str(data_dir))
    dataset = dataset._replace(
        factors=np.arange(256, dtype=np.int32)[:, None], factor_names=("id",)
    )
    (run / "plots/factors.png").unlink()  # which such an evaluation does not draw
    text = report.write(run, dataset=dataset._replace(name="array:ids")).read_text()
    assert 'id="factors"' not in text
    assert "earlier version" not in parsed(text).text


def test_the_heat_map_is_of_the_runs_latents_and_labels(run, data_dir):
    """Each share again by scikit-learn, from the images themselves."""
    text = report.write(run, str(data_dir)).read_text()
    found = np.array([float(x) for x in re.findall(r"--share:([\d.]+)", text)])
    loaded = loading.load(run)
    config = loaded.config
    dataset = datasets.load(config.data.name, config.data.size, str(data_dir))
    mean, logvar = map(np.asarray, loaded.encode(dataset.images(np.arange(256))))
    nats = 0.5 * np.mean(mean**2 + np.exp(logvar) - logvar - 1, axis=0)
    shares = []
    for j in sorted(range(4), key=lambda j: (nats[j] <= 0.05, -nats[j])):  # the unused last
        latent = mean[:, j]
        bins = np.linspace(latent.min(), latent.max(), 21)[1:-1]
        cut = np.searchsorted(bins, latent, side="right")
        for factor in dataset.factors.T:
            known = mutual_info_score(factor, cut)
            shares.append(known / mutual_info_score(factor, factor))
    np.testing.assert_allclose(found, shares, atol=2e-3)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("dsprites_cascade", "copy .*dsprites_cascade, score the copy first by cvae evaluate"),
        (str(loading.MODELS / "dsprites_cascade"), "score it first: cvae evaluate .*cascade$"),
    ],
    ids=["name", "folder"],
)
def test_an_exported_model_without_scores_is_to_be_scored_first(name, remedy):
    with pytest.raises(UserError, match=remedy):
        report.write(name)


@pytest.mark.slow
def test_an_exported_model_that_was_evaluated_has_a_page(
    drawn_run, exported_copy, tmp_path, monkeypatch
):
    """Alone, with the decoder of its weights, and beside its run."""
    dataset = helpers.noise_dataset(64, 8)
    monkeypatch.setattr(datasets, "load", lambda *args: dataset)
    refused(lambda: report.write(exported_copy), f"score it first: cvae evaluate {exported_copy}")
    both = [drawn_run, exported_copy]
    out = tmp_path / "both.html"
    refused(lambda: comparison.write(both, out), f"score it first: cvae evaluate {exported_copy}")
    evaluate.main(["evaluate", str(exported_copy)])
    text = report.write(exported_copy).read_text()
    assert 'id="weights"' in text
    assert "stayed with its run" in parsed(text).text
    assert "Began" not in parsed(text).text
    starts = json.loads(re.search(r'id="model">(.*?)</script>', text)[1])["starts"]
    rows = np.random.default_rng(loading.load(drawn_run).config.seed).permutation(64)[:8]
    mean, _ = loading.load(drawn_run).encode(dataset.images(rows))
    np.testing.assert_allclose(starts, mean, atol=2e-3)
    page_of_both = parsed(comparison.write(both, out).read_text())
    assert "tiny is an exported model" in page_of_both.text
