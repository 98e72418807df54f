"""Arguments that are no data, or settings of nothing, are refused in one line, by every score."""

import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax import metrics

RNG = np.random.default_rng(0)
CODES, FACTORS = RNG.normal(size=(300, 3)), RNG.integers(3, size=(300, 2))
NODES = [(("z", 0),), (("z", 1),), (("z", 2), ("z_hat", 0), ("z_hat", 1))]
SHARED = RNG.uniform(size=(3, 2))  # information or effects [d, k] of three nodes
BEFORE, AFTER = RNG.normal(size=(30, 3)), RNG.normal(size=(2, 30, 3))
KL = np.ones((2, 3))


def effects_of(factor_of, spread=(1, 1, 1)):
    return metrics.factor_effects(BEFORE, AFTER, (BEFORE, AFTER), factor_of, spread)


def with_parent(node):
    return [*NODES[:2], (("z", 2), node)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.active_dimensions(CODES[:, 0]), r"must be \[n, d\]"),
        (lambda: metrics.active_dimensions(np.ones((5, 4, 3))), r"must be \[n, d\]"),
        (lambda: metrics.active_dimensions(np.ones((0, 4))), "0 rows"),
        (lambda: metrics.sap(CODES, FACTORS, seed=0, train=0), "train is 0"),
        (lambda: metrics.sap(CODES, FACTORS, seed=0, test=-5), "test is -5"),
        (lambda: metrics.dci(CODES, FACTORS, seed=0, train=0), "train is 0"),
        *(
            (
                lambda sizes=sizes: metrics.downstream(
                    CODES, FACTORS, predictor="logistic", seed=0, sizes=sizes
                ),
                f"size is {sizes[0]}",
            )
            for sizes in ((-5,), (0, 50))
        ),
        (lambda: metrics.udr(np.ones((2, 2, 3)), KL), "images is 2"),
        (lambda: metrics.udr(np.ones((2, 0, 3)), KL), "images is 0"),
        (lambda: metrics.udr(np.ones((2, 9, 3)), KL[..., None]), r"KL must be \[d\]"),
        *(
            (lambda node=node, of=of: of(with_parent(node)), "unknown parent")
            for node in (("z_hat", 7), ("z_hat", -1), ("z", 9), ("w", 0), ("z",), ("z", 0.5))
            for of in (
                lambda parents: metrics.composition(SHARED, parents),
                lambda parents: metrics.hierarchy(SHARED, parents),
                lambda parents: metrics.forbidden_dependence(CODES, CODES, parents),
            )
        ),
        (lambda: metrics.composition(SHARED, with_parent(("z_hat", 2))), "cycle: 3>3"),
        (lambda: metrics.composition(SHARED, with_parent(("z", 2))), "there twice"),
        (lambda: metrics.composition(SHARED, NODES, floor=np.nan), "floor is nan"),
        (lambda: metrics.hierarchy(SHARED, NODES, floor=np.nan), "floor is nan"),
        (lambda: metrics.hierarchy(SHARED, NODES, used=[True] * 5), "used is of shape"),
        (lambda: metrics.hierarchy(SHARED, NODES, used=[0, 1, 2]), "true and false"),
        (lambda: effects_of([-1, 0, 0]), "integers from 0"),
        (lambda: effects_of([0.5, 0, 1]), "integers from 0"),
        (lambda: effects_of([0, 0, 1], [2, -1, 1]), "do not vary"),
        (lambda: metrics.ancestor_share(np.eye(2), [["True", ""], ["", "x"]]), "true and false"),
        (lambda: metrics.ancestor_share(np.eye(2), [[np.nan, 0], [0, 1]]), "true and false"),
        (lambda: metrics.frechet_distance([0, 0], -np.eye(2), [0, 0], np.eye(2)), "negative"),
        (lambda: metrics.frechet_distance([0, 0], np.eye(2), [0, 0], -np.eye(2)), "negative"),
        (
            lambda: metrics.frechet_distance([0, 0], [[1, 5], [0, 1]], [0, 0], np.eye(2)),
            "not symmetric",
        ),
        (lambda: metrics.add_moments(None, np.ones(5)), r"must be \[n, p\]"),
        (lambda: metrics.add_moments(None, np.full((3, 2), np.nan)), "NaN"),
        (
            lambda: metrics.add_moments(metrics.add_moments(None, CODES), CODES[:, :1]),
            "1 features, of earlier rows 3",
        ),
        (lambda: metrics.add_moments(None, CODES[:1]).covariance, "rows is 1"),
        *(
            (
                lambda score=score, rest=rest: score(
                    np.zeros((300, 3)), np.full((300, 3), -200.0), *rest, seed=0
                ),
                "too narrow",
            )
            for score, rest in (
                (metrics.aggregate_posterior, ()),
                (metrics.mig_chen, (FACTORS,)),
            )
        ),
    ],
)
def test_arguments_that_are_no_data_are_refused(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


SCORES = {
    "mig": lambda codes: metrics.mig(codes, FACTORS),
    "unsupervised": lambda codes: metrics.unsupervised_scores(codes),
    "active": lambda codes: metrics.active_dimensions(codes),
    "udr": lambda codes: metrics.udr([codes, CODES], KL),
    "effects": lambda codes: metrics.intervention_effects(codes, np.stack([CODES] * 3)),
    "edges": lambda codes: metrics.edge_information(codes[:, 0], CODES[:, 1]),
    "dependence": lambda codes: metrics.forbidden_dependence(CODES, codes, NODES),
    "kernel": lambda codes: metrics.kernel_distance(codes, CODES, seed=0, subsets=2),
    "moments": lambda codes: metrics.add_moments(None, codes).mean.sum(),
    "aggregate": lambda codes: metrics.aggregate_posterior(codes, 0 * CODES, seed=0),
}


@pytest.mark.parametrize("score", SCORES.values(), ids=SCORES)
def test_a_mask_is_refused_and_not_dropped(score):
    with pytest.raises(ValueError, match="masked array"):
        score(np.ma.masked_array(CODES, mask=CODES > 1))
    with pytest.raises(ValueError, match="must be numbers"):
        score(CODES.astype(str))
    with pytest.raises(ValueError, match="must be numbers"):
        score(CODES + 1j)


def test_masked_labels_are_refused():
    with pytest.raises(ValueError, match="factors are a masked array"):
        metrics.mig(CODES, np.ma.masked_array(FACTORS, mask=FACTORS > 1))


@pytest.mark.parametrize("score", SCORES.values(), ids=SCORES)
def test_numbers_of_any_precision_are_scored(score):
    codes = jnp.asarray(CODES, jnp.bfloat16)
    np.testing.assert_allclose(score(codes), score(np.asarray(codes, np.float64)), rtol=1e-12)
