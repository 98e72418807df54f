"""What a structure forbids and allows: by hand, by d-separation, as a sum that is the KL."""

import itertools

import numpy as np
import pytest
from closed_forms import linear_gaussian
from fixtures.random_dags import SETTINGS, dags
from hypothesis import given

from cvae_jax import structures
from cvae_jax.structures import independence


def short(independence):
    """As written below: "h3: z1 h2 | h1"."""
    node, others, known = independence
    words = [[f"{k[2:3] or k}{i + 1}" for k, i in group] for group in ([node], others, known)]
    return f"{words[0][0]}: {' '.join(words[1])} | {' '.join(words[2])}".strip()


# D sees z_hat alone
FORBIDDEN = {
    "independent": ["h2: h1 |", "h3: h1 h2 |", "h4: h1 h2 h3 |", "h5: h1 h2 h3 h4 |"],
    "decompose2": ["h3: h2 | h1", "h4: h1 h2 h3 |", "h5: h1 h2 h3 h4 |"],
    "decompose3": ["h3: h2 | h1", "h4: h2 h3 | h1", "h5: h1 h2 h3 h4 |"],
    "compose2": ["h2: h1 |", "h4: h1 h2 h3 |", "h5: h1 h2 h3 h4 |"],
    "compose3": ["h2: h1 |", "h3: h1 h2 |", "h5: h1 h2 h3 h4 |"],
    "tower": ["h2: h1 |", "h4: h1 h2 h3 |", "h5: h1 h2 | h3 h4"],
}
# D sees z too
FORBIDDEN_JOINTLY = {
    "independent": ["h1: z2 | z1", "h2: z1 h1 | z2"],
    "decompose2": ["h1: z2 z3 | z1", "h2: z1 z3 | z2 h1", "h3: z1 z2 h2 | z3 h1"],
    "decompose3": [
        "h1: z2 z3 z4 | z1",
        "h2: z1 z3 z4 | z2 h1",
        "h3: z1 z2 z4 h2 | z3 h1",
        "h4: z1 z2 z3 h2 h3 | z4 h1",
    ],
    "compose2": ["h1: z2 z3 | z1", "h2: z1 z3 h1 | z2", "h3: z1 z2 | z3 h1 h2"],
    "compose3": [
        "h1: z2 z3 z4 | z1",
        "h2: z1 z3 z4 h1 | z2",
        "h3: z1 z2 z4 h1 h2 | z3",
        "h4: z1 z2 z3 | z4 h1 h2 h3",
    ],
    "tower": [
        "h1: z2 z3 z4 z5 | z1",
        "h2: z1 z3 z4 z5 h1 | z2",
        "h3: z1 z2 z4 z5 | z3 h1 h2",
        "h4: z1 z2 z3 z5 h1 h2 h3 | z4",
        "h5: z1 z2 z3 z4 h1 h2 | z5 h3 h4",
    ],
}


@pytest.mark.parametrize("name", structures.PRESETS)
def test_forbidden_by_the_presets(name):
    marginal = structures.preset(name, 5).marginal()
    assert [short(term) for term in independence.forbidden(marginal)] == FORBIDDEN[name]
    joint = structures.preset(name, len(FORBIDDEN_JOINTLY[name]))
    assert [short(term) for term in independence.forbidden(joint)] == FORBIDDEN_JOINTLY[name]


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("independent", ""),
        ("decompose2", "12 13 23"),
        ("decompose3", "12 13 14 23 24 34"),
        ("compose2", "13 23"),
        ("compose3", "14 24 34"),
        ("tower", "13 15 23 25 35 45"),
    ],
)
def test_pairs_of_the_presets(name, allowed):
    for structure in (structures.preset(name, 6), structures.preset(name, 6).marginal()):
        found = independence.pairs(structure)
        assert " ".join(f"{i + 1}{j + 1}" for i, j in found.allowed) == allowed
        both = sorted(found.allowed + found.forbidden)
        assert both == list(itertools.combinations(range(6), 2))


def test_a_shared_z_allows_a_pair_only_where_z_is_seen():
    structure = structures.parse("z1>2", 2)
    assert independence.pairs(structure) == (((0, 1),), ())
    assert independence.pairs(structure.marginal()) == ((), ((0, 1),))


@SETTINGS
@given(dags)
def test_forbidden_terms_hold_in_the_dag(structure):
    for view in (structure, structure.marginal()):
        for node, others, known in independence.forbidden(view):
            assert all(independence.d_separated(view, node, other, known) for other in others)
            for parent in known:  # an edge is never forbidden
                rest = [n for n in known if n != parent]
                assert not independence.d_separated(view, node, parent, rest)


def log_det(cov, nodes, latents):
    at = [i + latents * (kind == "z") for kind, i in nodes]  # z_hat first
    return np.linalg.slogdet(cov[np.ix_(at, at)])[1]


@pytest.mark.parametrize("text", ["", "1>3 2>3 3>5 4>5", "1>2 1>3 1>4", "5>1 z2>3 -z4>4 1>4"])
def test_forbidden_terms_add_up_to_the_kl(text):
    """Of a Gaussian q, where I(a; b | c) is a sum of four log determinants."""
    rng = np.random.default_rng(1)
    structure = structures.parse(text, 5)
    root = np.eye(10)
    root[:5] = rng.normal(size=(5, 10))  # z ~ N(0, I); z_hat depends on everything
    cov = root @ root.T
    for view in (structure, structure.marginal()):
        total = 0.0
        for node, others, known in independence.forbidden(view):
            parts = ((node, *known), (*others, *known), known, (node, *others, *known))
            signs = (1, 1, -1, -1)
            total += sum(s * log_det(cov, p, 5) for s, p in zip(signs, parts, strict=True)) / 2
        np.testing.assert_allclose(total, linear_gaussian.kl(cov, view), rtol=1e-9)
        assert total > 0.1
