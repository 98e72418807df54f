"""A structure for readers: its drawing, and an independence in words."""

import re

import pytest
from fixtures.random_dags import SETTINGS, dags
from hypothesis import given

from cvae_jax import structures
from cvae_jax.structures import independence


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


def test_an_independence_in_words():
    terms = independence.forbidden(structures.preset("tower", 10))
    assert str(terms[4]) == (
        "z_hat_5 independent of z_1 to z_4, z_6 to z_10, z_hat_1, z_hat_2 "
        "given z_5, z_hat_3, z_hat_4"
    )
    terms = independence.forbidden(structures.preset("tower", 5).marginal())
    assert str(terms[0]) == "z_hat_2 independent of z_hat_1"
