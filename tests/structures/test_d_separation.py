"""d-separation: by hand, against enumerated paths, against partial correlations."""

import itertools
import re

import numpy as np
import pytest
from fixtures.random_dags import SETTINGS, dags, texts
from hypothesis import given
from hypothesis import strategies as st

from cvae_jax import structures
from cvae_jax.structures import independence


def node(text):
    """ "z1" or "h1" as a node: z_1 or z_hat_1."""
    return ("z_hat" if text[0] == "h" else "z", int(text[1:]) - 1)


@pytest.mark.parametrize(
    ("text", "a", "b", "among", "expected"),
    [
        ("1>2 2>3", "h1", "h3", "", False),  # chain
        ("1>2 2>3", "h1", "h3", "h2", True),
        ("1>2 2>3", "z1", "h3", "", False),
        ("1>2 2>3", "z1", "h3", "h1", True),
        ("2>1 2>3", "h1", "h3", "", False),  # fork
        ("2>1 2>3", "h1", "h3", "h2", True),
        ("2>1 2>3", "h1", "h3", "z2", False),
        ("1>2 3>2", "h1", "h3", "", True),  # collider
        ("1>2 3>2", "h1", "h3", "h2", False),
        ("1>2 3>2", "h1", "h3", "h2 z2", False),
        ("1>2 3>2", "z1", "z2", "h2", False),
        ("1>2 3>2", "z1", "z2", "h2 h1", True),
        ("1>2 3>2 2>4", "h1", "h3", "h4", False),  # descendant of a collider
        ("1>2 3>2 2>4", "h1", "h3", "z4", True),
        ("1>2 3>2 2>4", "h1", "h4", "h2", True),
        ("1>2 3>2 2>4", "h1", "h4", "h3", False),
        ("z1>2", "h1", "h2", "", False),  # a z with two children
        ("z1>2", "h1", "h2", "z1", True),
        ("-z1>1", "z1", "h1", "", True),
    ],
)
def test_d_separation_by_hand(text, a, b, among, expected):
    structure = structures.parse(text, 4)
    known = [node(word) for word in among.split()]
    assert independence.d_separated(structure, node(a), node(b), known) is expected
    assert independence.d_separated(structure, node(b), node(a), known) is expected


def blocked(structure, a, b, known):
    """d-separation as defined: every path without a repeated node is blocked. By enumeration."""
    edges = {(p, ("z_hat", j)) for j in range(structure.latents) for p in structure.parents[j]}

    def opened(collider):  # it or a descendant is known
        children = [target for source, target in edges if source == collider]
        return collider in known or any(opened(child) for child in children)

    def passes(path):
        for before, middle, after in zip(path, path[1:], path[2:], strict=False):
            if (before, middle) in edges and (after, middle) in edges:
                if not opened(middle):
                    return False
            elif middle in known:
                return False
        return True

    def paths(path):
        if path[-1] == b:
            yield path
            return
        for source, target in edges:
            for here, there in ((source, target), (target, source)):
                if here == path[-1] and there not in path:
                    yield from paths([*path, there])

    return not any(passes(path) for path in paths([a]))


def partial_correlations(structure, known, seed):
    """Of a linear-Gaussian model with random weights on the DAG, given `known`: [2d, 2d]."""
    d = structure.latents
    rng = np.random.default_rng(seed)
    weights = np.zeros((2 * d, 2 * d))  # rows z_1..d, z_hat_1..d
    for j in range(d):
        for kind, i in structure.parents[j]:
            weights[d + j, i + d * (kind == "z_hat")] = rng.uniform(0.5, 1.5) * rng.choice((-1, 1))
    root = np.linalg.inv(np.eye(2 * d) - weights)
    cov = root @ root.T
    at = [i + d * (kind == "z_hat") for kind, i in known]
    cov = cov - cov[:, at] @ np.linalg.solve(cov[np.ix_(at, at)], cov[at])
    scale = np.sqrt(np.maximum(np.diag(cov), 1e-3))
    return cov / np.outer(scale, scale)


PRESETS = [structures.preset(name, 5) for name in structures.PRESETS]


def check_d_separation(structure, choose):
    d = structure.latents
    everything = list(itertools.product(("z", "z_hat"), range(d)))
    for a, b in itertools.combinations(everything, 2):
        known = choose([n for n in everything if n not in (a, b)])
        found = independence.d_separated(structure, a, b, known)
        assert found == blocked(structure, a, b, known), (str(structure), a, b, known)
        correlations = partial_correlations(structure, known, seed=d)
        correlation = correlations[everything.index(a), everything.index(b)]
        assert found == (abs(correlation) < 1e-9), (str(structure), a, b, known, correlation)


@pytest.mark.parametrize("structure", PRESETS, ids=structures.PRESETS)
def test_d_separation_of_the_presets(structure):
    rng = np.random.default_rng(0)
    check_d_separation(structure, lambda rest: ())
    for share in (0.1, 0.25, 0.5, 0.75):
        check_d_separation(
            structure, lambda rest, share=share: [n for n in rest if rng.random() < share]
        )


@SETTINGS
@given(dags, st.data())
def test_d_separation_of_random_dags(structure, data):
    seed, share = data.draw(st.integers(0, 1000)), data.draw(st.sampled_from([0, 0.2, 0.4, 0.7]))
    rng = np.random.default_rng(seed)
    check_d_separation(structure, lambda rest: [n for n in rest if rng.random() < share])


def test_d_separation_takes_distinct_nodes():
    structure = structures.preset("tower", 5)
    one, two = ("z_hat", 0), ("z_hat", 1)
    for wrong in (("z_hat", 5), ("z", -1), ("x", 0), "z"):
        with pytest.raises(ValueError, match=f"{re.escape(repr(wrong))} is not a node .* to 4"):
            independence.d_separated(structure, one, two, [wrong])
    for a, b, known in ((one, one, ()), (one, two, [two]), (one, two, [("z", 0), one])):
        with pytest.raises(ValueError, match=r"z_hat_\d is repeated"):
            independence.d_separated(structure, a, b, known)


@SETTINGS
@given(texts())
def test_latents_that_the_text_leaves_out_are_independent(drawn):
    text, latents = drawn
    structure = structures.parse(text, latents + 2)
    everything = list(itertools.product(("z", "z_hat"), range(latents + 2)))
    for j in (latents, latents + 1):
        assert structure.parents[j] == structure.ancestors(j) == (("z", j),)
        for node in everything:
            if node[1] != j:
                assert independence.d_separated(structure, ("z_hat", j), node)
                rest = [n for n in everything if n not in (("z_hat", j), node)]
                assert independence.d_separated(structure, ("z_hat", j), node, rest)
