"""Structures: presets, the text and back, its errors; parents, order and ancestors."""

import numpy as np
import pytest
from fixtures.random_dags import SETTINGS, dags, texts
from hypothesis import given

from cvae_jax import structures
from cvae_jax.structures import independence


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
    assert structure.edges == ((4, 0), (0, 2), (3, 2))


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
    assert independence.pairs(structure).allowed == ()
    assert len(independence.pairs(structure).forbidden) == latents * (latents - 1) // 2
    chain = structures.parse(" ".join(f"{j}>{j + 1}" for j in range(1, latents)), latents)
    assert independence.pairs(chain).forbidden == ()
    assert np.array_equal(chain.ancestor_matrix(), np.triu(np.ones((latents, latents))))


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
