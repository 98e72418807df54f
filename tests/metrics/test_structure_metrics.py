"""Structure metrics: effects, forbidden dependence, composition, heat map."""

import itertools

import numpy as np
import pytest
from closed_forms import linear_gaussian
from PIL import Image

from cvae_jax import metrics, plots, structures
from cvae_jax.structures import independence

TOWER = structures.preset("tower", 5)
# true at [i, j]: the tower has a path from z_i to z_hat_j
TOWER_ANCESTORS = np.array(
    [[1, 0, 1, 0, 1], [0, 1, 1, 0, 1], [0, 0, 1, 0, 1], [0, 0, 0, 1, 1], [0, 0, 0, 0, 1]], bool
)


def redrawn(encode, d, n=20_000, seed=0):
    """encode(z) and, for each i, encode(z with z_i redrawn): [n, d] and [d, n, d]."""
    rng = np.random.default_rng(seed)
    z, new = rng.normal(size=(2, n, d))
    changed = np.stack([np.where(np.arange(d) == i, new, z) for i in range(d)])
    return encode(z), np.stack([encode(c) for c in changed])


def test_effects_of_a_linear_map_are_its_squared_weights():
    weights = np.random.default_rng(1).normal(size=(4, 4))  # z_hat = z M
    matrix = metrics.intervention_effects(*redrawn(lambda z: z @ weights, 4))
    np.testing.assert_allclose(matrix, weights**2 / (weights**2).sum(axis=0), atol=0.03)


def test_fixed_noise_lowers_effects_and_redrawn_noise_counts_as_an_effect():
    weights, noise = np.array([[1.0, 0.5], [0.0, 2.0]]), 0.7 * np.ones(2)
    fixed = noise * np.random.default_rng(2).normal(size=(20_000, 2))
    variances = (weights**2).sum(axis=0) + noise**2
    kept = metrics.intervention_effects(*redrawn(lambda z: z @ weights + fixed, 2))
    np.testing.assert_allclose(kept, weights**2 / variances, atol=0.03)
    rng = np.random.default_rng(3)
    fresh = redrawn(lambda z: z @ weights + noise * rng.normal(size=z.shape), 2)
    expected = (weights**2 + noise**2) / variances
    np.testing.assert_allclose(metrics.intervention_effects(*fresh), expected, atol=0.03)


def test_effects_count_interactions_for_each_latent():
    matrix = metrics.intervention_effects(*redrawn(lambda z: z[:, :1] * z[:, 1:] + [[0, 9]], 2))
    np.testing.assert_allclose(matrix, 1, atol=0.06)  # z_1 z_2: without either nothing is known


def test_a_collapsed_dimension_has_no_effects():
    before, after = redrawn(lambda z: z * [1, 0.049, 0], 3)
    np.testing.assert_allclose(
        metrics.intervention_effects(before, after), np.diag([1, 0, 0]), atol=0.03
    )


def test_ancestor_share_is_one_where_only_ancestors_move_a_latent():
    weights = TOWER_ANCESTORS * np.random.default_rng(4).uniform(0.5, 2, (5, 5))
    matrix = metrics.intervention_effects(*redrawn(lambda z: np.tanh(z @ weights), 5, n=2_000))
    share = metrics.ancestor_share(matrix, TOWER_ANCESTORS)
    assert share.score == 1
    assert share.chance == pytest.approx((1 + 1 + 3 + 1 + 5) / 25)
    np.testing.assert_array_equal(share.shares, 1)


def test_ancestor_share_by_hand():
    matrix = [[0.6, 0.3, 0], [0.2, 0.3, 0], [0, 0.6, 0]]
    ancestors = [[1, 1, 1], [0, 1, 0], [0, 0, 1]]
    share = metrics.ancestor_share(matrix, ancestors)
    np.testing.assert_allclose(share.shares, [0.6 / 0.8, 0.6 / 1.2, np.nan])
    assert share.score == pytest.approx((0.75 + 0.5) / 2)
    assert share.chance == pytest.approx((1 / 3 + 2 / 3) / 2)  # the third does not move
    along_edges = metrics.ancestor_share(matrix, np.array(ancestors) - np.eye(3))
    np.testing.assert_allclose(along_edges.shares, [0, 0.25, np.nan])


def test_ancestor_share_of_shuffled_effects_is_chance():
    rng = np.random.default_rng(5)
    matrix = rng.exponential(size=(5, 5))
    shuffled = [rng.permuted(matrix, axis=0) for _ in range(2_000)]
    scores = [metrics.ancestor_share(m, TOWER_ANCESTORS).score for m in shuffled]
    assert np.mean(scores) == pytest.approx(0.44, abs=0.01)
    assert metrics.ancestor_share(np.zeros((5, 5)), TOWER_ANCESTORS)[:2] == (0, 0)


def sample(cov, n=20_000, seed=0):
    """(z, z_hat) from N(0, cov) over (z_hat, z)."""
    v = np.random.default_rng(seed).normal(size=(n, len(cov))) @ np.linalg.cholesky(cov).T
    d = len(cov) // 2
    return v[:, d:], v[:, :d]


@pytest.mark.parametrize("marginal", [False, True])
@pytest.mark.parametrize("text", [*structures.PRESETS.values(), "3>1 1>2 -z2>2 z4>2"])
def test_forbidden_dependence_sums_to_the_closed_form(text, marginal):
    structure = structures.parse(text, 5)
    cov = linear_gaussian.random_q(structures.parse("1>3 2>3", 5), seed=1)
    z, z_hat = sample(cov)
    structure = structure.marginal() if marginal else structure
    nats = metrics.forbidden_dependence(z, z_hat, structure.parents)
    assert nats.shape == (5,)
    assert nats.sum() == pytest.approx(linear_gaussian.kl(cov, structure), abs=0.05)
    assert (nats > -0.001).all()


@pytest.mark.parametrize("structure", [TOWER, TOWER.marginal(), structures.preset("compose2", 5)])
def test_nothing_is_forbidden_in_samples_of_the_structure(structure):
    q = linear_gaussian.random_q(structure, seed=2)
    z, z_hat = sample(linear_gaussian.structured(q, structure))
    nats = metrics.forbidden_dependence(z, z_hat, structure.parents)
    np.testing.assert_allclose(nats, 0, atol=1e-3)


def test_forbidden_dependence_is_charged_to_the_later_node():
    rng = np.random.default_rng(6)
    z_hat = rng.normal(size=(20_000, 3))
    z_hat[:, 1] = 0.8 * z_hat[:, 0] + 0.6 * z_hat[:, 1]
    information = -0.5 * np.log(1 - 0.8**2)
    later = metrics.forbidden_dependence(None, z_hat, [(), (), (("z_hat", 0),)])
    np.testing.assert_allclose(later, [0, information, 0], atol=0.02)
    turned = metrics.forbidden_dependence(None, z_hat, [(("z_hat", 2),), (), ()])
    np.testing.assert_allclose(turned, [information, 0, 0], atol=0.02)  # the order is 2, 3, 1
    edge = metrics.forbidden_dependence(None, z_hat, [(), (("z_hat", 0),), ()])
    np.testing.assert_allclose(edge, 0, atol=1e-3)


@pytest.mark.parametrize("text", ["", "1>3 2>3"])
def test_a_critic_that_sees_dependent_z_forbids_their_dependence_too(text):
    """Posterior latents of correlations 0.7 and -0.5, z_hat = M z + noise of variance 1/4."""
    structure = structures.parse(text, 3)
    of_z = np.array([[1, 0.7, 0], [0.7, 1, -0.5], [0, -0.5, 1]])
    m = np.array([[1, 0.3, 0], [0, 1, 0.4], [0.5, 0.2, 1]])
    of_both = np.block([[m @ of_z @ m.T + 0.25 * np.eye(3), m @ of_z], [of_z @ m.T, of_z]])
    nats = metrics.forbidden_dependence(*sample(of_both), structure.parents)
    total_correlation = -0.5 * np.log(1 - 0.7**2 - 0.5**2)
    closed_form = linear_gaussian.kl(of_both, structure)
    assert closed_form > total_correlation + 0.1
    assert nats.sum() == pytest.approx(closed_form, rel=0.02)
    alone = metrics.forbidden_dependence(None, sample(of_both)[0], [(), (), ()])
    assert alone.sum() == pytest.approx(total_correlation, rel=0.02)


def test_a_critic_that_sees_z_forbids_what_z_hat_takes_from_it():
    """Every z_hat_j = z_j + noise of variance 1/4, and no edge from z: 1/2 log 5 nats each."""
    rng = np.random.default_rng(8)
    z = rng.normal(size=(20_000, 3))
    z_hat = z + 0.5 * rng.normal(size=z.shape)
    none = [(), (), ()]
    seen = metrics.forbidden_dependence(z, z_hat, none, joint=True)
    np.testing.assert_allclose(seen, 0.5 * np.log(5), atol=0.02)
    np.testing.assert_allclose(metrics.forbidden_dependence(z, z_hat, none), 0, atol=1e-3)
    structure = structures.parse("-z1>1 -z2>2 -z3>3", 3)
    terms = independence.forbidden(structure, joint=True)
    assert [len(term.others) for term in terms] == [3, 4, 5]
    assert independence.forbidden(structure) == independence.forbidden(structure, joint=False)


def test_increasing_transforms_leave_forbidden_dependence_unchanged():
    z, z_hat = sample(linear_gaussian.random_q(TOWER, seed=3), n=2_000)
    nats = metrics.forbidden_dependence(z, z_hat, TOWER.parents)
    bent = metrics.forbidden_dependence(np.exp(z), z_hat**3 + 5, TOWER.parents)
    np.testing.assert_array_equal(bent, nats)


def test_the_bias_of_few_samples_is_subtracted():
    rng = np.random.default_rng(7)
    structure = structures.preset("independent", 5)
    terms = [
        metrics.forbidden_dependence(*rng.normal(size=(2, 60, 5)), structure.parents)
        for _ in range(400)
    ]
    # without the correction (4 + 5 + ... + 8) / 120 = .25
    np.testing.assert_allclose(np.mean(terms, axis=0), 0, atol=0.01)


def test_constants_and_copies_have_defined_values():
    z_hat = np.random.default_rng(8).normal(size=(1_000, 4))
    z_hat[:, 0] = 2.0
    z_hat[:, 3] = z_hat[:, 2]
    nats = metrics.forbidden_dependence(None, z_hat, [(), (("z_hat", 0),), (), ()])
    np.testing.assert_allclose(nats[:3], 0, atol=0.01)
    assert 10 < nats[3] < 14.1  # infinite, as far as floats tell
    assert not metrics.forbidden_dependence(None, np.ones((9, 2)), [(), ()]).any()
    edge = metrics.forbidden_dependence(None, z_hat, [(), (), (), (("z_hat", 2),)])
    np.testing.assert_allclose(edge, 0, atol=0.01)


@pytest.fixture(scope="module")
def factors():
    return np.tile(list(itertools.product(range(4), range(4), range(3))), (100, 1))  # [4800, 3]


PAIR = [(("z", 0),), (("z", 1),), (("z", 2), ("z_hat", 0), ("z_hat", 1))]  # 1>3 2>3


def score(factors, *codes, parents=PAIR):
    information = metrics.mutual_information(np.stack(codes, axis=1).astype(float), factors)
    return metrics.composition(information, parents)


def test_composition_of_a_latent_that_determines_both_parents_is_one(factors):
    a, b, _ = factors.T
    np.testing.assert_allclose(score(factors, a, b, 4 * a + b), [np.nan, np.nan, 1])


def test_a_sum_composes_and_a_copy_of_one_parent_does_not(factors):
    a, b, c = factors.T
    counts = np.convolve(np.ones(4), np.ones(4)) / 16
    of_each = (-np.sum(counts * np.log(counts)) - np.log(4)) / np.log(4)  # (H(a + b) - H(b)) / H(a)
    assert score(factors, a, b, a + b)[2] == pytest.approx(of_each)
    assert score(factors, a, c, a)[2] == 0


def test_an_independent_child_and_a_dead_parent_compose_nothing(factors):
    a, b, c = factors.T
    noise = np.random.default_rng(9).normal(size=len(a))
    assert score(factors, a, b, c)[2] == score(factors, a, b, noise)[2] == 0
    assert score(factors, a, noise, a)[2] == score(factors, noise, noise[::-1], a)[2] == 0


@pytest.mark.parametrize("law", ["normal", "uniform"])
def test_estimation_bias_on_few_images_is_no_composition(law):
    rng = np.random.default_rng(11)
    factors = np.tile(np.arange(40), 25)[:, None]  # [1000, 1]
    codes = getattr(rng, law)(size=(1000, 100))
    information = metrics.mutual_information(codes, factors)
    assert metrics.composition(information[:3], PAIR)[2] > 0.8  # the estimate's bias looks like it
    floor = metrics.noise_floor(codes, factors)
    assert (information < floor).all()
    assert metrics.composition(information[:3], PAIR, floor=floor[:3])[2] == 0
    assert (metrics.mutual_information(factors + 0.0, factors) > 5 * floor.max()).all()


def test_composition_depends_on_which_latents_are_parents_but_not_on_their_order(factors):
    a, b, _ = factors.T
    np.testing.assert_allclose(score(factors, b, a, a + b), score(factors, a, b, a + b))
    assert score(factors, a, a + b, b)[2] == 0  # b knows nothing of a
    only = [(), (("z_hat", 0),), (("z_hat", 0),)]
    decomposed = score(factors, 4 * a + b, a, b, parents=only)
    np.testing.assert_allclose(decomposed, [np.nan, 0.5, 0.5])  # half each


@pytest.mark.parametrize("d", [2, 5, 21])
def test_heat_map_outlines_what_is_allowed(tmp_path, d):
    matrix = np.diag(np.linspace(0, 1.1, d))
    path = tmp_path / "plots" / "effects.png"
    parents = structures.parse("", d).parents
    rows = {"one": np.full(d, np.nan), "two": np.zeros(d)}
    head = {"title": "A title", "subtitle": "a source"}
    assert plots.effects(path, parents, matrix, np.eye(d), rows, **head) == path
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert pixels.shape[1] <= 1600
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (edge == 255).all()
    accent = (pixels == [0x1F, 0x6F, 0x8B]).all(axis=-1)  # the last cell, and the end of the scale
    assert accent.sum() > 300
    plots.effects(tmp_path / "all.png", parents, matrix, np.ones((d, d)), rows, **head)
    outlined = np.asarray(Image.open(tmp_path / "all.png").convert("L"))
    assert (outlined < 60).sum() > (pixels.mean(axis=-1) < 60).sum() + 1000 * (d - 1)


FINE = np.random.default_rng(10).normal(size=(50, 2))
BROKEN = np.where(np.arange(100).reshape(50, 2) == 7, np.nan, FINE)
CYCLE = [(("z_hat", 1),), (("z_hat", 0),)]
HEAD = {"title": "", "subtitle": ""}
TWO = structures.parse("", 2).parents


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.intervention_effects(FINE, FINE), "disagree"),
        (lambda: metrics.intervention_effects(1.0, FINE), "disagree"),
        (lambda: metrics.intervention_effects(FINE[:1], np.stack([FINE[:1]] * 2)), "too few"),
        (lambda: metrics.intervention_effects(FINE, np.stack([BROKEN] * 2)), "NaN"),
        (lambda: metrics.ancestor_share(np.eye(3), np.eye(2)), r"must both be \[d, d\]"),
        (lambda: metrics.ancestor_share(np.ones(2), np.ones(2)), r"must both be \[d, d\]"),
        (lambda: metrics.ancestor_share(-np.eye(2), np.eye(2)), "negative"),
        (lambda: metrics.forbidden_dependence(FINE, FINE[:9], [(("z", 0),), ()]), "disagree"),
        (lambda: metrics.forbidden_dependence(None, FINE, [(("z", 0),), ()]), "disagree"),
        (lambda: metrics.forbidden_dependence(FINE, FINE, [()]), "disagree"),
        (lambda: metrics.forbidden_dependence(None, BROKEN, [(), ()]), "NaN"),
        (lambda: metrics.forbidden_dependence(None, FINE[:3], [(), ()]), "3 samples are too few"),
        (lambda: metrics.forbidden_dependence(None, FINE, CYCLE), "cycle"),
        (lambda: metrics.forbidden_dependence(None, FINE, [(("z_hat", 2),), ()]), "unknown parent"),
        (lambda: metrics.composition(np.ones((3, 2)), [(), ()]), "not"),
        (lambda: metrics.composition(np.full((2, 2), np.nan), [(), ()]), "NaN"),
        (lambda: metrics.composition(-np.ones((2, 2)), [(), ()]), "negative"),
        (lambda: metrics.composition(np.ones((2, 2)), [(("z_hat", 5),), ()]), "unknown parent 5"),
        (
            lambda: plots.effects("x.png", TWO, np.eye(2), np.eye(3), **HEAD),
            r"must both be \[d, d\]",
        ),
        (lambda: plots.effects("x.png", TWO, np.nan * np.eye(2), np.eye(2), **HEAD), "NaN"),
        (lambda: plots.effects("x.png", TWO, np.eye(2), np.eye(2), {"a": [1]}, **HEAD), "each of"),
    ],
)
def test_wrong_arguments_raise_a_one_line_message(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
