"""Hierarchy and factor effects: cases worked by hand, and every preset's ideal."""

import numpy as np
import pytest

from cvae_jax import metrics, structures
from cvae_jax.structures.wholes import families

# Latents 1 and 2 move x and y, 3 the size, and 4 both x and y.
X, Y, SIZE = np.eye(3) / 2
COMPOSED = np.array([X, Y, SIZE, X + Y])


def score(effects, text="1>4 2>4", **kwargs):
    parents = structures.parse(text, len(effects)).parents
    return metrics.hierarchy(effects, parents, **kwargs)


# What the paper's captions of Figs. 7, 8, 9 say that latents move.
IDEALS = {
    "decompose2": [[1, 1, 0], [1, 0, 0], [0, 1, 0]],
    "decompose3": [[1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "compose2": [[1, 0, 0], [0, 1, 0], [1, 1, 0]],
    "compose3": [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]],
    "tower": [[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1], [1, 1, 1]],
}


@pytest.mark.parametrize("name", IDEALS)
def test_the_papers_claims_score_one(name):
    effects = 0.5 * np.array(IDEALS[name])
    found = metrics.hierarchy(effects, structures.preset(name, len(effects)).parents)
    assert found.score == 1
    assert found.chance <= found.quantile < 1


def test_wholes_of_the_presets():
    def wholes(text):
        return families(structures.from_config(text, 5).parents)

    assert wholes("independent") == wholes("1>2") == wholes("1>2 2>3") == ()
    assert wholes("decompose3") == ((0, (1, 2, 3)),)
    assert wholes("compose3") == ((3, (0, 1, 2)),)
    assert wholes("tower") == ((2, (0, 1)), (4, (2, 3)))
    assert wholes("1>2 1>3 2>4 3>4") == ((0, (1, 2)), (3, (1, 2)))


def test_arrows_may_point_either_way():
    assert score(COMPOSED, "1>4 2>4").score == score(COMPOSED, "4>1 4>2").score == 1


def test_a_score_by_hand():
    """z_4 moves x by 0.3 where z_1 moves it by 0.7; y by 0.4 as z_2 does; the size by 0.1."""
    effects = [[0.7, 0, 0], [0, 0.4, 0], [0, 0, 1], [0.3, 0.4, 0.1]]
    # part 1 shares 0.3 of 0.7, part 2 all; of the whole's 0.8 they make 0.7
    assert score(effects).score == pytest.approx(3 / 7 * 7 / 8)


@pytest.mark.parametrize(
    ("name", "effects"),
    [
        ("factorised", np.eye(4)),
        ("entangled", np.full((4, 3), 0.4)),
        ("a copy of one part", [X, Y, SIZE, X]),
        ("parts of one factor", [X, X, SIZE, X + Y]),
        ("a part that moves nothing", [X, 0 * Y, SIZE, X + Y]),
        ("a part that moves noise", [X, 0.009 * np.ones(3), SIZE, X + Y]),
        ("a part that moves all that the whole does", [X + Y, Y, SIZE, X + Y]),
        ("a whole that moves nothing", [X, Y, SIZE, 0 * X]),
    ],
)
def test_what_is_no_hierarchy_scores_nothing(name, effects):
    assert score(effects).score == 0, name


def test_random_effects_score_their_chance():
    """A structure that says nothing of the effects: no better and no worse than other places."""
    rng = np.random.default_rng(0)
    found = [score(rng.exponential(size=(5, 4)) ** 2, "1>3 2>3") for _ in range(100)]
    difference = np.mean([f.score - f.chance for f in found])
    assert abs(difference) < 4 * np.std([f.score - f.chance for f in found]) / np.sqrt(100)
    above = np.mean([f.score > f.quantile for f in found])
    assert above < 0.08  # of the 29 other triples at most one is above the quantile


def test_every_other_placement_is_tried():
    """4 latents, a whole and two parts: 24 placements less the two that are the structure's."""
    found = score(COMPOSED)
    assert found.placements == 22
    assert found.score == 1
    assert found.chance == found.quantile == 0
    assert score(COMPOSED, most=10).placements <= 10


def test_unused_latents_have_no_hierarchy():
    with pytest.raises(ValueError, match="not in use: z2"):
        score(COMPOSED, used=[True, False, True, True])
    # the other whole of the tower is left, and only used latents are placed
    effects = 0.5 * np.array(IDEALS["tower"])
    found = score(effects, "1>3 2>3 3>5 4>5", used=[True] * 4 + [False])
    assert found.families == ((2, (0, 1), 1.0),)
    assert found.placements == 22


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: score(COMPOSED, ""), "no node"),
        (lambda: score(COMPOSED, "1>2"), "no node"),
        (lambda: score(-COMPOSED), "negative"),
        (lambda: score(COMPOSED * np.nan), "finite"),
        (lambda: score(np.zeros((4, 0))), "not \\[d, k\\]"),
        (lambda: metrics.hierarchy(COMPOSED, ((),)), "not \\[d, k\\]"),
    ],
)
def test_what_has_no_score_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
