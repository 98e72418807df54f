"""Random structures, as text and parsed, which several test files ask for."""

import itertools

from hypothesis import settings
from hypothesis import strategies as st

from cvae_jax import structures

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
