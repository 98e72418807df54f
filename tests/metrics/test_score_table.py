"""The words of scores: one table for the docs, the report and the CSV, true of recorded values."""

import json
import math
import re
from pathlib import Path

import pytest

from cvae_jax.metrics.groups import METRICS, named
from cvae_jax.metrics.scores import OF_THE_STRUCTURE, SCORES
from cvae_jax.report.words import GROUPS

RECORDS = sorted(Path("results").rglob("seed_*.json"))


def test_the_docs_overview_is_the_table():
    lines = re.findall(r"^\| `(\w+)` \| (.*) \|$", Path("docs/metrics.md").read_text(), re.M)
    rows = {name: tuple(rest.split(" | ")) for name, rest in lines if rest.count(" | ") == 3}
    table = {n: (s.label, s.sentence, s.range, s.better) for n, s in SCORES.items()}
    assert {n: tuple(cell.strip() for cell in row) for n, row in rows.items()} == table


def test_the_report_shows_scores_of_the_table_once():
    shown = [name for names in GROUPS.values() for name in names]
    assert len(shown) == len(set(shown))
    assert set(shown) <= set(SCORES)


def test_names_of_metrics_may_have_blanks_between_them():
    assert named("mig, sap,irs ") == ("mig", "sap", "irs")
    assert named("all") == tuple(METRICS)
    assert "dci" not in named("")


def test_a_score_stands_for_its_metric():
    """The metric that gives it is tests/evaluation/test_evaluate.py's."""
    assert named("modularity, dci_completeness,explicitness") == ("modularity_explicitness", "dci")
    assert named("fid") == named("is") == ("inception",)
    assert named("fid_classifier") == ("classifier",)
    assert named("nothing,dci") == ("nothing", "dci")
    for score in SCORES:
        (metric,) = named(score)
        assert (metric in METRICS) != (score in OF_THE_STRUCTURE), score


def limits(text):
    """The least and largest value of a range, as far as it has numbers."""
    least, _, most = text.removeprefix("about ").partition(",")[0].partition(" to ")
    least = re.match(r"([\d.]+)( up)?$", least)
    most = re.match(r"[\d.]+$", most)
    return (
        float(least[1]) if least else -math.inf,
        float(most[0]) if most else math.inf,
    )


@pytest.mark.parametrize("name", SCORES)
def test_recorded_values_are_in_the_range(name):
    least, most = limits(SCORES[name].range)
    # "about 0": an unbiased estimate of a distance may be below
    slack = 0.1 if SCORES[name].range.startswith("about") else 0
    for path in RECORDS:
        entry = json.loads(path.read_text())["scores"].get(name)
        if entry:
            assert least - slack <= entry["value"] <= most, path


def test_recorded_scores_are_in_the_table():
    assert RECORDS
    for path in RECORDS:
        assert set(json.loads(path.read_text())["scores"]) <= set(SCORES), path
