"""The names of latents: what each knows of a factor, and from where it is named after it."""

import helpers
import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from cvae_jax import structures
from cvae_jax.evaluation import pictures
from cvae_jax.evaluation.latent_labels import labels_of, latent_labels, without_bare_names
from cvae_jax.structures import wholes

RNG = np.random.default_rng(0)
VALUES = 8
NAMES = ("a", "b", "c")


def draw(count):
    """Independent labels [count, 3] with as many of each of the values."""
    columns = [RNG.permutation(np.arange(count) % VALUES) for _ in NAMES]
    return np.stack(columns, axis=1).astype(np.int32)


FACTORS = draw(20_000)


def knowing(factor, part):
    """A latent that copies a part of the labels and guesses the others."""
    copied = RNG.random(len(factor)) < part
    return np.where(copied, factor, RNG.integers(0, VALUES, len(factor))).astype(np.float32)


def share_known(part):
    """I / H of it, a channel that copies with this probability: worked out with VALUES inputs."""
    right = part + (1 - part) / VALUES
    wrong = (1 - part) / VALUES
    noise = -right * np.log(right) - (VALUES - 1) * wrong * np.log(wrong) if wrong else 0.0
    return 1 - noise / np.log(VALUES)


def part_for(share):
    """The part to copy that gives a share, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if share_known(middle) < share else (low, middle)
    return low


def labels(mean, factors, logvar=-4.0, names=NAMES, prior="normal"):
    mean = np.asarray(mean, np.float32)
    return latent_labels(mean, np.full_like(mean, logvar), factors, names, prior)


def test_a_latent_is_named_from_25_percent_on():
    """Latents that know 100 %, 30 % and 10 % of a factor, and one that knows nothing."""
    parts = [1.0, part_for(0.3), part_for(0.1), 0.0]
    mean = np.stack([knowing(FACTORS[:, 1], part) for part in parts], axis=1)
    found = labels(mean, FACTORS)
    np.testing.assert_allclose(found.shares[:, 1], [1, 0.3, 0.1, 0], atol=0.015)
    np.testing.assert_allclose(found.shares[:, [0, 2]], 0, atol=0.01)
    assert found.words[0] == ("b 100 %",)
    assert [len(words) for words in found.words] == [1, 1, 0, 0]
    assert found.words[1][0] == f"b {100 * found.shares[1, 1]:.0f} %"


def test_shares_are_those_of_another_estimate():
    mean = RNG.normal(size=(2000, 2)) + FACTORS[:2000, :2]
    found = labels(mean, FACTORS[:2000])
    for j in range(2):
        bins = np.histogram_bin_edges(np.float32(mean)[:, j], 20)[1:-1]
        cut = np.searchsorted(bins, np.float32(mean)[:, j], side="right")
        for i, factor in enumerate(FACTORS[:2000].T):
            entropy = mutual_info_score(factor, factor)
            expected = mutual_info_score(cut, factor) / entropy
            assert found.shares[j, i] == pytest.approx(expected, abs=2e-3)


def test_a_latent_of_several_factors_has_the_two_largest_names():
    """Of four values each it knows a; of b and c, which have values beside, log 4 nats."""
    a, known, other = FACTORS.T % 4
    factors = np.stack([4 * known + other, a, 2 * known + other % 2], axis=1).astype(np.int32)
    found = labels((4 * a + known)[:, None], factors, names=("half", "all", "most"))
    expected = np.log(4) / np.log([16, 4, 8])  # 1/2, 1, 2/3
    np.testing.assert_allclose(found.shares[0], expected, atol=2e-3)
    assert found.words == [("all 100 %", "most 67 %")]
    found = labels((4 * a + known)[:, None], factors[:, :2], names=("half", "all"))
    assert found.words == [("all 100 %", "half 50 %")]


def test_the_sum_of_two_positions_is_neither():
    """Each has 1/2 nat of log 32, 14 %; bins lose a little of it."""
    places = RNG.integers(0, 32, (50_000, 2)).astype(np.int32)
    found = labels(places.sum(axis=1, keepdims=True), places, names=("x", "y"))
    np.testing.assert_allclose(found.shares, 0.5 / np.log(32), atol=0.02)
    assert found.words == [()]


def test_noise_has_no_name_among_few_images_with_many_values():
    """60 images with a value for each pair of them: the estimate is 60 % by chance."""
    factors = np.repeat(np.arange(30), 2)[:, None].astype(np.int32)
    noise = RNG.normal(size=(60, 5)).astype(np.float32)
    found = labels(noise, factors, names=("a",))
    assert (found.shares > 0.4).all()
    assert found.words == [()] * 5


@pytest.mark.parametrize(
    ("factors", "names"),
    [
        (FACTORS[:200], [("b 100 %",), ("c 100 %",), ("unused",)]),
        (FACTORS[:200] * [0, 1, 1], [("b 100 %",), ("c 100 %",), ("unused",)]),
        (FACTORS[:19], [(), (), ("unused",)]),  # too few for the bins
        (FACTORS[:200] * 0, [(), (), ("unused",)]),
        (FACTORS[:200, :0], [(), (), ("unused",)]),
    ],
    ids=["all", "one_constant", "few", "all_constant", "none"],
)
def test_latents_are_named_by_labels_that_vary(factors, names):
    """The third latent is a copy of a factor too, but the prior says nothing less."""
    known = FACTORS[: len(factors), 1:] / VALUES
    mean = np.concatenate([known, np.zeros((len(factors), 1))], axis=1).astype(np.float32)
    logvar = np.tile(np.float32([-4, -4, 0]), (len(factors), 1))
    found = latent_labels(mean, logvar, factors, NAMES[: factors.shape[1]])
    assert found.words == names
    assert found.nats.shape == (3,)


def test_an_unused_latent_is_named_after_nothing():
    """One whose means know a factor, but too little of them to be seen through its noise."""
    mean = 0.01 * FACTORS[:, :1].astype(np.float32)
    found = labels(mean, FACTORS, logvar=0.0)
    assert found.shares[0, 0] == pytest.approx(1)
    assert found.words == [("unused",)]
    assert not found.named.any()


def test_infogans_latents_are_measured_against_their_own_prior():
    """A recogniser that knows nothing says N(0, 1/3), whose KL to N(0, 1) is 0.22 nats."""
    deviations = np.array([1 / np.sqrt(3), 0.1, 1.0])
    logvar = np.tile(2 * np.log(deviations), (50, 1))
    mean, none = np.zeros((50, 3)), np.zeros((50, 0), np.int32)
    found = latent_labels(mean, logvar, none, (), "uniform")
    entropy = 0.5 * np.log(2 * np.pi * np.e * 0.01)
    np.testing.assert_allclose(found.nats, [0, np.log(2) - entropy, 0], rtol=1e-6)
    assert found.words == [("unused",), (), ("unused",)]
    assert latent_labels(mean, logvar, none, ()).words[0] == ()
    assert "info 0.00" in pictures._labels(found, "uniform")[0]


@pytest.mark.parametrize(
    ("label", "without"),
    [
        ("$z_{1}$  KL 2.31  y", "$z_{1}$  KL 2.31"),
        ("$z_{1}$  KL 2.31  y 62 %  x 31 %", "$z_{1}$  KL 2.31  y 62 %  x 31 %"),
        ("$z_{10}$  KL 0.01  unused", "$z_{10}$  KL 0.01  unused"),
    ],
)
def test_names_of_old_records_have_no_share_and_are_left_out(label, without):
    assert without_bare_names(label) == without


def test_a_part_of_a_whole_is_not_named_after_what_it_does_not_move():
    """With two parts each says the other's factor, z_1 = v_1 - (v_1 + v_2), and moves its own."""
    config = helpers.small_config(**{"cascade.structure": "1>3 2>3"})
    v = np.insert(FACTORS - np.mean(FACTORS, axis=0), 2, 0, axis=1)
    z = (v @ wholes.shares(structures.parse("1>3 2>3", 4).parents)).astype(np.float32)
    given = config, z, np.full_like(z, -4), FACTORS, NAMES
    assert labels_of(*given).words[:2] == [("b 100 %",), ("a 100 %",)]
    config.cascade.additive = True
    assert labels_of(*given).words == [(), (), (), ("c 100 %",)]
