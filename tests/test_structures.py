import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import linear_gaussian
from cvae_jax import dependence, structures

SETTINGS = settings(deadline=None, derandomize=True, max_examples=50, database=None)


@st.composite
def texts(draw, most=5):
    """(text, latents): a random DAG with z parents added and dropped, words in any order."""
    latents = draw(st.integers(1, most))
    order = draw(st.permutations(range(1, latents + 1)))
    edges = [f"{i}>{j}" for i, j in itertools.combinations(order, 2)]
    z_edges = [f"z{i}>{j}" for i, j in itertools.permutations(order, 2)]
    z_edges += [f"-z{j}>{j}" for j in order]
    kept = draw(st.lists(st.booleans(), min_size=len(edges), max_size=len(edges)))
    words = list(itertools.compress(edges, kept))
    words += draw(st.lists(st.sampled_from(z_edges), unique=True, max_size=6))
    return " ".join(draw(st.permutations(words))), latents


dags = texts().map(lambda drawn: structures.parse(*drawn))


def test_parents_of_a_hand_written_structure():
    structure = structures.parse("1>3 2>3, z1>2 -z3>3", 4)
    assert structure.parents == (
        (("z", 0),),
        (("z", 0), ("z", 1)),
        (("z_hat", 0), ("z_hat", 1)),
        (("z", 3),),
    )
    assert structure.marginal().parents == ((), (), (("z_hat", 0), ("z_hat", 1)), ())


@pytest.mark.parametrize(
    ("name", "edges"),
    [
        ("independent", set()),
        ("decompose2", {(1, 2), (1, 3)}),
        ("decompose3", {(1, 2), (1, 3), (1, 4)}),
        ("compose2", {(1, 3), (2, 3)}),
        ("compose3", {(1, 4), (2, 4), (3, 4)}),
        ("tower", {(1, 3), (2, 3), (3, 5), (4, 5)}),
    ],
)
def test_presets(name, edges):
    structure = structures.preset(name, 10)
    found = {(i + 1, j + 1) for j in range(10) for i in structure.z_hat_parents(j)}
    assert found == edges
    assert all(structure.z_parents(j) == (j,) for j in range(10))


def test_order_puts_parents_first():
    structure = structures.parse("5>1 1>3 4>3", 5)
    order = structure.order
    assert sorted(order) == list(range(5))
    for j in range(5):
        assert all(order.index(i) < order.index(j) for i in structure.z_hat_parents(j))


@pytest.mark.parametrize("text", ["", "1>2", "1>3 2>3 z1>2 -z3>3", "3>1 z2>1 z3>1 -z1>1"])
def test_text_round_trip(text):
    structure = structures.parse(text, 4)
    assert structures.parse(str(structure), 4) == structure


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1>2 2>3 3>1", "cycle: 1>2>3>1"),
        ("1>2 2>7", "'2>7' names node 7"),
        ("0>2", "'0>2' names node 0"),
        ("z9>2", "'z9>2' names node 9"),
        ("2>2", "'2>2' makes node 2 its own parent"),
        ("1>2 1>2", "'1>2' is there twice"),
        ("z2>2", "'z2>2' is there twice"),
        ("-z1>2", "'-z1>2' drops an edge"),
        ("-1>2", "'-1>2' drops an edge"),
        ("1->2", "'1->2' is not of the form"),
        ("tower", "'tower' is not of the form"),
    ],
)
def test_errors_name_the_edge(text, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        structures.parse(text, 4)


def test_from_config_takes_names_and_text():
    assert structures.from_config("compose2", 5) == structures.parse("1>3 2>3", 5)
    assert structures.from_config("1>3 2>3", 5) == structures.parse("1>3, 2>3", 5)
    assert structures.from_config("", 5) == structures.preset("independent", 5)
    with pytest.raises(ValueError, match="unknown structure 'towr'"):
        structures.from_config("towr", 5)
    with pytest.raises(ValueError, match="names node 5"):
        structures.from_config("tower", 4)


@SETTINGS
@given(texts(most=8))
def test_any_text_round_trips(drawn):
    text, latents = drawn
    structure = structures.parse(text, latents)
    assert sorted(str(structure).split()) == sorted(text.split())
    assert structures.parse(str(structure), latents) == structure
    assert structures.from_config(str(structure), latents) == structure


@pytest.mark.parametrize("latents", [1, 2, 32])
def test_any_number_of_latents(latents):
    structure = structures.parse("", latents)
    assert structure.latents == latents
    assert structure.order == tuple(range(latents))
    assert structure.ancestor_matrix() == tuple(map(tuple, np.eye(latents, dtype=bool).tolist()))
    assert dependence.pairs(structure).allowed == ()
    assert len(dependence.pairs(structure).forbidden) == latents * (latents - 1) // 2
    chain = structures.parse(" ".join(f"{j}>{j + 1}" for j in range(1, latents)), latents)
    assert dependence.pairs(chain).forbidden == ()
    assert np.array_equal(chain.ancestor_matrix(), np.triu(np.ones((latents, latents))))


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
                assert dependence.d_separated(structure, ("z_hat", j), node)
                rest = [n for n in everything if n not in (("z_hat", j), node)]
                assert dependence.d_separated(structure, ("z_hat", j), node, rest)


def test_ancestors_of_a_hand_written_structure():
    structure = structures.parse("1>3 2>3 3>5 -z3>3 z4>2", 5)
    assert structure.ancestors(0) == (("z", 0),)
    assert structure.ancestors(1) == (("z", 1), ("z", 3))
    sources = (("z", 0), ("z", 1), ("z", 3))
    assert structure.ancestors(2) == (*sources, ("z_hat", 0), ("z_hat", 1))
    middle = (("z_hat", 0), ("z_hat", 1), ("z_hat", 2))
    assert structure.ancestors(4) == (*sources, ("z", 4), *middle)
    assert np.array_equal(
        structure.ancestor_matrix(),
        [  # to z_hat_1, ..., z_hat_5
            [1, 0, 1, 0, 1],
            [0, 1, 1, 0, 1],
            [0, 0, 0, 0, 0],
            [0, 1, 1, 1, 1],
            [0, 0, 0, 0, 1],
        ],
    )
    assert not np.any(structure.marginal().ancestor_matrix())


@SETTINGS
@given(dags)
def test_ancestor_matrix_is_what_an_intervention_moves(structure):
    """Against the powers of the adjacency: sum_k A^k counts directed paths."""
    d = structure.latents
    own = np.zeros((d, d))  # [i, j]: z_i -> z_hat_j
    edges = np.zeros((d, d))  # [i, j]: z_hat_i -> z_hat_j
    for j in range(d):
        own[list(structure.z_parents(j)), j] = 1
        edges[list(structure.z_hat_parents(j)), j] = 1
    paths = own @ np.linalg.inv(np.eye(d) - edges)
    assert np.array_equal(structure.ancestor_matrix(), np.round(paths) > 0)


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
    assert dependence.d_separated(structure, node(a), node(b), known) is expected
    assert dependence.d_separated(structure, node(b), node(a), known) is expected


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
        found = dependence.d_separated(structure, a, b, known)
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
            dependence.d_separated(structure, one, two, [wrong])
    for a, b, known in ((one, one, ()), (one, two, [two]), (one, two, [("z", 0), one])):
        with pytest.raises(ValueError, match=r"z_hat_\d is there twice"):
            dependence.d_separated(structure, a, b, known)


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
    assert [short(term) for term in dependence.forbidden(marginal)] == FORBIDDEN[name]
    joint = structures.preset(name, len(FORBIDDEN_JOINTLY[name]))
    assert [short(term) for term in dependence.forbidden(joint)] == FORBIDDEN_JOINTLY[name]


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
        found = dependence.pairs(structure)
        assert " ".join(f"{i + 1}{j + 1}" for i, j in found.allowed) == allowed
        both = sorted(found.allowed + found.forbidden)
        assert both == list(itertools.combinations(range(6), 2))


def test_a_shared_z_allows_a_pair_only_where_z_is_seen():
    structure = structures.parse("z1>2", 2)
    assert dependence.pairs(structure) == (((0, 1),), ())
    assert dependence.pairs(structure.marginal()) == ((), ((0, 1),))


@SETTINGS
@given(dags)
def test_forbidden_terms_hold_in_the_dag(structure):
    for view in (structure, structure.marginal()):
        for node, others, known in dependence.forbidden(view):
            assert all(dependence.d_separated(view, node, other, known) for other in others)
            for parent in known:  # an edge is never forbidden
                rest = [n for n in known if n != parent]
                assert not dependence.d_separated(view, node, parent, rest)


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
        for node, others, known in dependence.forbidden(view):
            parts = ((node, *known), (*others, *known), known, (node, *others, *known))
            signs = (1, 1, -1, -1)
            total += sum(s * log_det(cov, p, 5) for s, p in zip(signs, parts, strict=True)) / 2
        np.testing.assert_allclose(total, linear_gaussian.kl(cov, view), rtol=1e-9)
        assert total > 0.1


def test_an_independence_in_words():
    terms = dependence.forbidden(structures.preset("tower", 10))
    assert str(terms[4]) == (
        "z_hat_5 independent of z_1 to z_4, z_6 to z_10, z_hat_1, z_hat_2 "
        "given z_5, z_hat_3, z_hat_4"
    )
    terms = dependence.forbidden(structures.preset("tower", 5).marginal())
    assert str(terms[0]) == "z_hat_2 independent of z_hat_1"


@pytest.mark.parametrize(
    ("structure", "drawing"),
    [
        (
            structures.preset("tower", 10),
            """
            z_hat_1, z_hat_2 -> z_hat_3
            z_hat_3, z_hat_4 -> z_hat_5
            own z alone: z_hat_1, z_hat_2, z_hat_4, z_hat_6 to z_hat_10
            """,
        ),
        (
            structures.preset("compose3", 4),
            """
            z_hat_1, z_hat_2, z_hat_3 -> z_hat_4
            own z alone: z_hat_1, z_hat_2, z_hat_3
            """,
        ),
        (structures.preset("independent", 32), "own z alone: z_hat_1 to z_hat_32"),
        (structures.preset("independent", 1), "own z alone: z_hat_1"),
        (
            structures.parse("2>1 1>3 z4>1 z3>2 z4>2 -z3>3 -z5>5", 6),
            """
            z_hat_2 -> z_hat_1
            z_hat_1 -> z_hat_3
            added: z_3, z_4 -> z_hat_2
            added: z_4 -> z_hat_1
            dropped: z_3 -> z_hat_3
            dropped: z_5 -> z_hat_5
            own z alone: z_hat_4, z_hat_6
            no parents: z_hat_5
            """,
        ),
        (
            structures.preset("compose2", 7).marginal(),
            """
            z_hat_1, z_hat_2 -> z_hat_3
            no z: over z_hat alone
            no parents: z_hat_1, z_hat_2, z_hat_4 to z_hat_7
            """,
        ),
    ],
)
def test_drawing(structure, drawing):
    lines = [line.strip() for line in drawing.strip().splitlines()]
    assert structures.draw(structure).splitlines() == lines


@SETTINGS
@given(dags)
def test_a_drawing_leaves_no_edge_out(structure):
    """Read back: edges, additions and drops are the structure's text."""
    words = []
    for line in structures.draw(structure).splitlines():
        if "->" in line:
            sources, target = line.split(" -> ")
            sign = "-" if "dropped" in line else ""
            for kind, i in re.findall(r"(z_hat|z)_(\d+)", _spelled(sources)):
                words.append(f"{sign}{'z' * (kind == 'z')}{i}>{target.split('_')[-1]}")
    if structure.is_marginal:
        words += [f"-z{j}>{j}" for j in range(1, structure.latents + 1)]
    assert sorted(words) == sorted(str(structure).split())


def _spelled(text):
    """Runs in full: "z_1 to z_4" as "z_1, z_2, z_3, z_4"."""
    run = r"(z_hat|z)_(\d+) to \1_(\d+)"
    full = lambda m: ", ".join(f"{m[1]}_{i}" for i in range(int(m[2]), int(m[3]) + 1))
    return re.sub(run, full, text)
