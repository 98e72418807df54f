"""The Bayesian network over (z, z_hat): its text, the paper's presets, independence."""

from cvae_jax.structures.presets import PRESETS, from_config, preset
from cvae_jax.structures.structure import Structure, draw, names, parse

__all__ = ["PRESETS", "Structure", "draw", "from_config", "names", "parse", "preset"]
