"""The models that ship: each loads by its name, is small, and sees what it was trained on."""

import numpy as np
import pytest

import cvae_jax
from cvae_jax import loading
from cvae_jax.datasets import heads, sprites

SHIPPED = sorted(path.name for path in loading.MODELS.iterdir())


def some_sprites(rng):
    shape, scale, orientation = rng.integers(3), rng.choice([0.5, 0.7, 1.0]), rng.random() * 6
    (image,) = sprites.render(shape, scale, orientation, [rng.random()], [rng.random()])[0]
    return image.reshape(32, 2, 32, 2).mean((1, 3))


