"""Readings of the regulariser: cases worked by hand, and draws with densities of scipy's."""

import numpy as np
import pytest
import scipy.stats
from closed_forms import readings

S = 0.1


@pytest.mark.parametrize(
    ("name", "preset", "expected"),
    [
        # The error of a sign is 2 z_j: 3 E (2 z_j)^2 / (2 s^2).
        (
            "z_hat = -z",
            "independent",
            {"z_hat, own": 0, "joint, own": 0, "joint, given": 3 * 4 / (2 * S**2)},
        ),
        # Of a permutation it is z_i - z_j. B: three times I(z_i + s noise; z_i).
        (
            "z_hat a permutation of z",
            "independent",
            {
                "z_hat, own": 0,
                "joint, own": 1.5 * np.log(1 + 1 / S**2),
                "joint, given": 3 * 2 / (2 * S**2),
            },
        ),
        # Two dimensions, each off by a vector of squared length 2 - 2 cos 45 degrees.
        (
            "two of z turned by 45 degrees",
            "independent",
            {"z_hat, own": 0, "joint, given": 2 * (2 - 2 * np.cos(np.pi / 4)) / (2 * S**2)},
        ),
        # Of latents that ignore z the error has variance 2, and their own entropy counts.
        (
            readings.COLLAPSE,
            "independent",
            {
                "z_hat, own": 0,
                "joint, own": 0,
                "z_hat, given": 0,
                "joint, given": 3 * (2 / S**2 - 1 + np.log(S**2)) / 2,
            },
        ),
        # z_hat_3 follows its parents up to their noise, of variance s^2 together.
        ("z_hat_3 = (z_1 + z_2) / root of 2", "compose2", {"z_hat, own": 0, "joint, given": 0.5}),
    ],
)
def test_readings_are_those_worked_by_hand(name, preset, expected):
    found = readings.readings(name, preset)
    for reading, value in expected.items():
        assert found[reading] == pytest.approx(value, abs=1e-9), reading


def test_an_honest_composition_is_punished_by_the_joint_critic():
    """Given z_1 and z_2 z_hat_3 has variance s^2; given their noisy copies about twice that."""
    found = readings.readings("z_hat_3 = (z_1 + z_2) / root of 2", "compose2")["joint, own"]
    given_copies = S**2 + S**2 / (1 + S**2)
    assert found == pytest.approx(0.5 * np.log(given_copies / S**2), abs=1e-9)


def test_the_edges_of_a_common_cause_run_from_it():
    """Two latents that z_3 moves have a correlation of r; an edge from 3 to each explains it."""
    name = "z_3 moves all of z_hat"
    r = 0.49 / (1.49 + S**2)
    against = readings.readings(name, "compose2")["z_hat, own"]
    assert against == pytest.approx(-0.5 * np.log(1 - r**2), abs=1e-9)
    # What is left is the noise of z_hat_3, through which its children see z_3.
    assert readings.readings(name, "3>1 3>2")["z_hat, own"] < 1e-4


def test_given_conditionals_are_what_their_draws_say():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(100_000, 3))
    z_hat = z @ readings.MAPS["z_hat_3 = (z_1 + z_2) / root of 2"].T + S * rng.normal(size=z.shape)
    log_q = scipy.stats.multivariate_normal.logpdf(
        np.concatenate([z_hat, z], axis=1),
        cov=readings.covariance("z_hat_3 = (z_1 + z_2) / root of 2"),
    )
    log_p = scipy.stats.norm.logpdf(z).sum(axis=1)
    for j, mean in enumerate((z[:, 0], z[:, 1], (z_hat[:, 0] + z_hat[:, 1]) / np.sqrt(2))):
        log_p += scipy.stats.norm.logpdf(z_hat[:, j], mean, S)
    found = readings.readings("z_hat_3 = (z_1 + z_2) / root of 2", "compose2")["joint, given"]
    assert found == pytest.approx(np.mean(log_q - log_p), abs=0.01)
