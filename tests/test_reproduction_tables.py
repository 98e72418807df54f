"""What is shown of the paper's runs: tables and figures, ours beside the paper's."""

import numpy as np
import pytest
import scipy.stats
from PIL import Image

from cvae_jax.reproduction import paper, runs, show, tables


def test_difference_over_paired_seeds_against_scipy():
    rng = np.random.default_rng(0)
    without = dict(enumerate(rng.normal(size=5)))
    with_ = {seed: value + 0.3 + 0.1 * rng.normal() for seed, value in without.items()}
    mean, half, n = tables.paired_difference(without | {7: 100.0}, with_)
    test = scipy.stats.ttest_rel([*with_.values()], [*without.values()])
    interval = test.confidence_interval(0.95)
    assert n == 5
    assert (mean - half, mean + half) == pytest.approx((interval.low, interval.high))
    assert tables.paired_difference({0: 1.0}, {1: 2.0})[2] == 0


def record_of(score, step=100):
    entry = {"value": score, "definition": "a score", "samples": 10, "seed": 0}
    names = ("mig", "mig_chen", "factor_score", "is", "is_classifier", "fid_classifier", "recon")
    return {
        "step": step,
        "data": {"name": "dsprites", "source": "noise", "size": 32},
        "scores": {name: entry for name in names},
        "training_seconds": 1800,
        "evaluation_seconds": 1800.0,
        "device": "1 x cpu",
        "curves": {
            "step": [*range(10, 110, 10)],
            "cascade_kl": [9.0, 3.0, *[score] * 8],
            "cascade_critic_accuracy": [*[0.9] * 9, 0.5 + score],
        },
    }


def found_of(experiment, values):
    """Records of as many seeds as each run has values."""
    records = {
        (*run, ()): {seed: record_of(value) for seed, value in enumerate(values.get(run, ()))}
        for run in experiment.runs
    }
    reasons = {what: "needs more" for what, by_seed in records.items() if not by_seed}
    return tables.Found(records, reasons)


def test_figure_12_by_hand(tmp_path):
    experiment = paper.EXPERIMENTS["figure12"]
    values = {
        ("dsprites", "beta_vae"): [0.1, 0.2],
        ("dsprites", "beta_vae+independent"): [0.2, 0.4],
    }
    paths = show.write("figure12", "half", found_of(experiment, values), tmp_path)
    lines = paths[0].read_text().splitlines()
    row = next(line for line in lines if line.startswith("| mig | beta-VAE |"))
    # differences .1 and .2; t of one degree of freedom 12.706; 12.706 * .0707 / sqrt(2) = .635
    cells = [cell.strip() for cell in row.split("|")[3:-1]]
    assert cells == [
        "0.150 +- 0.071",
        "0.300 +- 0.141",
        "+0.150 +- 0.635",
        "+100 %",
        "+48.0 %",
        "2",
    ]
    # what explains it, and the critics: their accuracies .7 and .9, the KL's peak after step 10
    row = next(line for line in lines if line.startswith("| recon | beta-VAE |"))
    assert "| +0.150 +- 0.635 |" in row
    critic = "| beta-VAE | 0.800 +- 0.141 | 0.300 +- 0.141 | 3.000 | 2 |"
    assert critic in lines
    row = next(line for line in lines if line.startswith("| mig | FactorVAE |"))
    assert "not run: needs more" in row
    assert any("4 runs of 100 steps, 4.0 hours in all, on 1 x cpu" in line for line in lines)
    for path in paths[1:]:
        assert f"]({path.name})" in paths[0].read_text()


@pytest.mark.parametrize("name", ["table1", "figure6"])
def test_ours_beside_the_papers(tmp_path, name):
    experiment = paper.EXPERIMENTS[name]
    values = {("dsprites", paper.OURS): [0.25, 0.35], ("heads3d", paper.OURS): [0.1]}
    found = found_of(experiment, values)
    other = found.records["heads3d", paper.OURS, ()][0]
    other["data"] = {"name": "heads3d", "source": "heads", "size": 32}
    other["scores"]["mig"] = other["scores"]["mig"] | {"definition": "another"}
    path = show.write(name, "half", found, tmp_path)[0]
    lines = path.read_text().splitlines()
    row = next(line for line in lines if line.startswith("| dsprites | cascade VAE |"))
    assert "0.300 +- 0.071" in row
    expected = {
        "table1": ("1.64 +- .06", "64.7 +- .09", "needs Inception's weights"),  # of its FID
        "figure6": ("0.484", "0.744"),
    }[name]
    assert all(text in row for text in expected)
    # a head with another number of columns than its rows is no table
    # each data set's factors are its own
    assert name == "table1" or "* mig, dsprites: a score (10 images)" in lines
    widths = {line.count("|") for line in lines if line.startswith("|")}
    assert len(widths) == 1


def test_methods_side_by_side(tmp_path):
    """Each method's codes in the place that the picture has for them."""
    experiment = paper.EXPERIMENTS["figure5"]
    found = found_of(experiment, {run: [0.1] for run in experiment.runs})
    for i, run in enumerate(experiment.runs):
        images = np.zeros((3, 11, 8, 8, 1), np.uint8)
        images[0] = 255 if i == 0 else 0
        path = tmp_path / runs.Run("half", *run, 0).key.with_suffix(".npz")
        path.parent.mkdir(parents=True)
        labels = np.array([f"$z_{{{j + 1}}}$  KL {kl:.2f}  x" for j, kl in enumerate((2, 1, 0))])
        np.savez(
            path, images=images, values=np.linspace(-2, 2, 11), labels=labels, latents=[0, 1, 2]
        )
    picture = show.write("figure5", "half", found, tmp_path)[1]
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("L")).astype(int)
    width = pixels.shape[1]
    left, right = (np.flatnonzero(pixels[:, int(x * width)] < 5) for x in (0.3, 0.8))
    # in the first method's column the first of three rows, that of the largest KL, is white
    height = np.diff(np.flatnonzero(np.diff(right) > 1)[:2])[0]  # of a row, from gap to gap
    assert left[0] - right[0] == pytest.approx(height, abs=10)
