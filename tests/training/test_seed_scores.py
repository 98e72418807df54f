"""Means over the seeds of a run: of what compares, the rest named."""

import logging

import helpers
import pytest

from cvae_jax.training import seed_scores, seeds

FACTS = {"step": 20, "data": {"source": "own"}, "versions": {}, "device": ""}


def entry(value, definition="d; of one", samples=5):
    return {"value": value, "definition": definition, "samples": samples, "seed": 0}


def gathered(tmp_path, *results, diverged=None):
    """Gathers results, {score: entry} or (facts, {score: entry}), of seeds 0, 1 and on."""
    config = helpers.small_config(num_seeds=len(results) + (diverged is not None))
    given = []
    for seed, result in enumerate(results):
        facts, scores = result if isinstance(result, tuple) else ({}, result)
        given.append(FACTS | facts | {"seed": seed, "scores": scores})
    with seeds.open_runs(tmp_path, config) as runs:
        if diverged:
            runs[-1].diverge(diverged)
        return seed_scores.gather(runs, given)


def test_a_score_that_one_seed_lacks_is_that_of_the_others(tmp_path):
    reason = "step 3: not finite: loss"
    both = {"a": entry(3.0), "b": entry(2.0)}
    found = gathered(tmp_path, {"a": entry(1.0)}, both, diverged=reason)
    assert found["scores"]["a"]["value"] == 2.0
    assert found["scores"]["a"]["std"] == pytest.approx(2**0.5)
    assert found["scores"]["b"]["seeds"] == {"1": 2.0}
    assert "std" not in found["scores"]["b"]
    assert found["diverged"] == {"2": {"reason": reason}}


def test_a_seed_that_was_scored_on_other_data_is_in_no_mean(tmp_path, caplog):
    changed = {"data": {"source": "other", "changed": "other content"}}
    moved = {"data": {"source": "own", "name": "npz:/elsewhere"}}
    of = [{"a": entry(value)} for value in (1.0, 3.0, 5.0)]
    with caplog.at_level(logging.WARNING):
        found = gathered(tmp_path, (changed, of[0]), of[1], (moved, of[2]))
    assert found["scores"]["a"]["seeds"] == {"1": 3.0, "2": 5.0}
    assert found["scores"]["a"]["value"] == 4.0
    assert found["data"] == {"source": "own"}
    assert found["num_seeds"] == 2
    assert "seed 0" in caplog.text


def test_where_all_were_scored_on_the_same_other_data_they_have_a_mean(tmp_path):
    changed = {"data": {"source": "other", "changed": "other content"}}
    found = gathered(tmp_path, *((changed, {"a": entry(value)}) for value in (1.0, 2.0)))
    assert found["scores"]["a"]["value"] == 1.5
    assert found["data"]["changed"] == "other content"


@pytest.mark.parametrize(
    "other",
    [entry(9.0, "nats, I(x; w); std is another"), entry(9.0, samples=6)],
    ids=["definition", "images"],
)
def test_a_score_of_another_form_is_in_no_mean(tmp_path, caplog, other):
    name = "fid" if other["samples"] == 6 else "aggregate_mi"
    like = entry(1.0, "nats, I(x; z); std is the standard error" if name != "fid" else "d")
    other = other | ({"definition": "d"} if name == "fid" else {})
    with caplog.at_level(logging.WARNING):
        found = gathered(tmp_path, {name: like}, {name: other}, {name: like | {"value": 2.0}})
    assert found["scores"][name]["seeds"] == {"0": 1.0, "2": 2.0}
    assert f"{name} of seed 1 is in no mean" in caplog.text


def test_definitions_keep_what_stands_in_brackets(tmp_path):
    found = gathered(tmp_path, {"aggregate_mi": entry(1.0, "nats, I(x; z), all; std is an error")})
    words = found["scores"]["aggregate_mi"]["definition"]
    assert words.startswith("nats, I(x; z), all; mean")
    assert "error" not in words
