"""What the report says of latents, beside numbers that are computed in another way."""

import re

import numpy as np
import pytest
from fixtures.report_pages import parsed, ten_latents
from scipy import stats

from cvae_jax.evaluation.latent_labels import LatentLabels
from cvae_jax.report import charts, facts, latents


def numbers(svg, pattern):
    """The numbers of the paths or lines of an SVG, [rows, columns]."""
    return np.array([[float(x) for x in found] for found in re.findall(pattern, svg)])


def test_a_histogram_has_numpys_heights_and_the_priors_density():
    known = ten_latents()._replace(mean=np.random.default_rng(0).standard_normal((4000, 1)))
    svg = latents._histogram(known, 0, 3.0)
    bars = numbers(svg, r"M([\d.]+) 60v(-?[\d.]+)h")
    counts, _ = np.histogram(known.mean[:, 0], 40, (-3, 3))
    line = numbers(svg, r"([\d.]+),([\d.]+)")
    densities = counts / 4000 / 0.15
    prior = stats.norm.pdf(np.linspace(-3, 3, len(line)))
    scale = 60 / max(densities.max(), prior.max())
    np.testing.assert_allclose(-bars[:, 1], scale * densities[counts > 0], atol=0.051)
    np.testing.assert_allclose(bars[:, 0], 5.0 * np.flatnonzero(counts), atol=0.051)
    np.testing.assert_allclose(60 - line[:, 1], scale * prior, atol=0.051)


def test_a_curve_goes_from_its_first_step_to_its_last():
    line = numbers(charts.curve([10, 20, 50], [0.0, 1.0, 3.0], 2.0, "a"), r"([\d.]+),([\d.]+)")
    np.testing.assert_allclose(line, [[0, 60], [50, 30], [200, 0]])  # 3 is above the top


def test_curves_are_those_of_the_file_evenly_thinned():
    lines = [{"step": 10 * i, "kl_per_dim": [float(i), 2.0 * i]} for i in range(1, 501)]
    steps, kl = latents.logged([{"step": 5, "recon": 1.0}, *lines], 2)
    assert len(steps) == 120
    assert [steps[0], steps[-1]] == [10, 5000]
    np.testing.assert_array_equal(kl, np.stack([steps / 10, steps / 5], axis=1))
    assert np.ptp(np.diff(steps)) <= 10
    for other in ([], [{"step": 5, "kl_per_dim": [1.0]}], [{"step": 5}]):
        steps, kl = latents.logged(other, 2)
        assert len(steps) == 0
        assert kl.shape == (0, 2)


def test_the_map_shows_every_share_and_outlines_the_names():
    known = ten_latents()
    parser = parsed(latents.factor_map(known))
    cells = [attrs for tag, attrs in parser.tags if tag == "td" and "style" in attrs]
    assert len(cells) == 20
    named = [attrs["style"] for attrs in cells if "named" in attrs.get("class", "")]
    assert named == ["--share:0.300", "--share:0.600"]  # z5 before z2: by their nats
    assert "a<b" in parser.text
    none = LatentLabels(np.ones(2), (), np.zeros((2, 0)), np.zeros((2, 0), bool))
    assert latents.factor_map(known._replace(labels=none)) == ""


def test_unused_latents_are_out_of_sight():
    known = ten_latents()
    parser = parsed(latents.cards(known))
    assert len([1 for tag, _ in parser.tags if tag == "svg"]) == 20
    text = parser.text
    assert text.index("size 30 %") < text.index("a<b 60 %") < text.index("7 unused latents")
    parser = parsed(latents.cards(known._replace(steps=np.array([]), kl=np.zeros((0, 10)))))
    assert len([1 for tag, _ in parser.tags if tag == "svg"]) == 10  # no curves
    parser = parsed(latents.cards(known._replace(prior="uniform")))
    assert len([1 for tag, _ in parser.tags if tag == "svg"]) == 20


def test_training_time_is_that_of_the_steps():
    """100 steps at 10 per second, 50 at 2: 10 s and 25 s."""
    lines = [{"step": 100, "steps_per_second": 10.0}, {"step": 150, "steps_per_second": 2.0}]
    assert facts.training_seconds(lines) == pytest.approx(35)
    for lacking in ([], [{"step": 100}], [{"step": 100, "steps_per_second": 0}]):
        assert facts.training_seconds(lacking) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (99, "99 s"), (99.6, "2 min"), (3599, "1 h 0 min"), (12_000, "3 h 20 min")],
)
def test_durations(seconds, text):
    assert facts.duration(seconds) == text


@pytest.mark.parametrize("described", [[], {}, {"origin": 3}, {"origin": {"began": 3}}], ids=str)
def test_a_run_of_before_has_the_facts_that_it_has(described):
    class Model:
        params = type("Players", (), {"model": np.zeros(7), "critic": {}})
        config = type("Config", (), {"seed": 5})

    assert facts.of_run(Model, [], described) == {"Seed": "5", "Parameters": "7"}
    origin = {"began": "2026-02-03T04:05:06+00:00", "commit": "abc"}
    found = facts.of_run(Model, [], {"origin": origin})
    assert found["Began"] == "2026-02-03 04:05 UTC"
    assert found["Commit"] == "abc"
