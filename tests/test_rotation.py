"""The penalties of turned codes: the linear model itself, sampled, and a limit by hand."""

import numpy as np
import pytest

from benchmarks import rotation


def test_turned_codes_are_those_of_the_linear_model(monkeypatch):
    monkeypatch.setattr(rotation, "_GRID", 60)
    nats, degrees = (0.9, 0.3), 30
    elbo, *_, prior, _ = rotation.penalties(nats, degrees)

    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    power = np.exp(2 * np.array(nats))  # of each factor in the image, the noise having 1
    decoder = np.diag(np.sqrt(power - 1)) @ turn
    exact = np.linalg.inv(decoder.T @ decoder + np.eye(2))  # covariance of p(z | x)
    variances = 1 / np.diag(np.linalg.inv(exact))
    divergence = 0.5 * (
        np.trace(np.linalg.inv(exact) @ np.diag(variances))
        - 2
        + np.log(np.linalg.det(exact) / variances.prod())
    )
    assert elbo == pytest.approx(divergence, rel=1e-9)

    rng = np.random.default_rng(0)
    z, noise = rng.normal(size=(2, 400_000, 2))
    z_hat = z @ decoder.T @ (exact @ decoder.T).T + noise * np.sqrt(variances)
    correlation = np.corrcoef(z_hat.T)[0, 1]
    assert prior == pytest.approx(-0.5 * np.log(1 - correlation**2), abs=5e-4)
    assert prior > 0.01


def test_a_square_on_its_corner_has_one_less_log_2_nats(monkeypatch):
    # Uniform on a square: log of its area; each marginal is a triangle's.
    monkeypatch.setattr(rotation, "_GRID", 60)
    elbo, first, prior, second = rotation.penalties((3.0, 3.0), 45)
    assert first == pytest.approx(1 - np.log(2), abs=0.05)
    assert 0.22 < second < first  # blurred twice
    assert abs(elbo) < 1e-9  # codes that say equally much may turn for nothing
    assert abs(prior) < 1e-9
    assert rotation.penalties((3.0, 3.0), 0)[1] == pytest.approx(0, abs=1e-3)
