"""Which donors? Ways to draw a node with parents, where p_B equals q and the true KL is 0.

q factorises by the structure through nonlinear, heteroscedastic conditionals (a quadratic
interaction of two parents; a collider of three); whatever a critic finds between q and its samples
of p_B is the sampler's error. Compared at several pools (`prior_batch_size`), all at batch 64:

  nearest, adjusted   the donor with the nearest parents, moved along the regression slope (ours)
  nearest             the same without the adjustment
  any, adjusted       a random donor, moved: a permutation of the residuals of a linear fit

  python -m tests.closed_forms.donors
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax import structures
from cvae_jax.objectives import bayesian_joint

from .density_ratio import train_and_estimate

BATCH = 64
_TEST_ROWS = 50_000


def interaction(noise):
    """z_hat_3 = 0.7 z_hat_1 z_hat_2 + (0.25 + 0.25 |z_hat_1|) noise: [n, 3]."""
    a, b = noise[:, 0], noise[:, 1]
    return jnp.stack([a, b, 0.7 * a * b + (0.25 + 0.25 * jnp.abs(a)) * noise[:, 2]], axis=1)


def collider(noise):
    """z_hat_4 = 0.6 z_hat_1 + 0.6 z_hat_2 z_hat_3 + (0.25 + 0.25 |z_hat_2|) noise: [n, 4]."""
    a, b, c = noise[:, 0], noise[:, 1], noise[:, 2]
    child = 0.6 * a + 0.6 * b * c + (0.25 + 0.25 * jnp.abs(b)) * noise[:, 3]
    return jnp.stack([a, b, c, child], axis=1)


CASES = {
    "interaction of two parents": (interaction, structures.parse("1>3 2>3", 3).marginal()),
    "collider of three parents": (collider, structures.parse("1>4 2>4 3>4", 4).marginal()),
}


def nearest(y, x, target, donors, allowed):
    """The donor's value as it is."""
    scale = jnp.std(x, axis=0)
    distance = jnp.sum(((target[:, None] - x[donors]) / scale) ** 2, axis=-1)
    return y[donors[jnp.argmin(jnp.where(allowed, distance, jnp.inf), axis=1)]]


def any_adjusted(y, x, target, donors, allowed):
    """A donor that has nothing to do with the parents, moved along the slope."""
    centred = x - jnp.mean(x, axis=0)
    slope = jnp.linalg.solve(centred.T @ centred, centred.T @ (y - jnp.mean(y)))
    order = jax.random.permutation(jax.random.key(0), allowed.shape[1])
    priority = (order[None] + 7 * jnp.arange(allowed.shape[0])[:, None]) % allowed.shape[1]
    donor = donors[jnp.argmax(jnp.where(allowed, priority, -1), axis=1)]
    return y[donor] + (target - x[donor]) @ slope


WAYS = {
    "nearest, adjusted": bayesian_joint.draw,
    "nearest": nearest,
    "any, adjusted": any_adjusted,
}


def errors(q, structure, pool, steps, seeds, ways=WAYS):
    """KL estimates between q and its p_B, in truth 0: a mean over seeds for each way, nats."""
    d = structure.latents
    plan = bayesian_joint.plan(structure, with_z=False)

    def draw_batch(rng):
        q_rng, rng = jax.random.split(rng)
        v = q(jax.random.normal(q_rng, (pool, d)))
        p = []
        for way in ways.values():
            bayesian_joint.draw = way  # no option of the library's: only one way is right
            p.append(bayesian_joint.sample(rng, v, plan, jnp.arange(BATCH)))
        bayesian_joint.draw = WAYS["nearest, adjusted"]
        return v[:BATCH], jnp.stack(p)

    def test_rows(rng):
        return q(jax.random.normal(rng, (_TEST_ROWS, d)))

    def estimate(rng):
        return train_and_estimate(rng, draw_batch, test_rows, steps)

    found = jax.jit(jax.vmap(estimate))(jax.random.split(jax.random.key(0), seeds))
    return np.mean(found, axis=0)  # [ways]


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    print(f"{'q':<30}{'pool':>6}  " + "".join(f"{name:>20}" for name in WAYS))
    for name, (q, structure) in CASES.items():
        for pool in (64, 256, 1024):
            cells = errors(q, structure, pool, args.steps, args.seeds)
            print(f"{name:<30}{pool:>6}  " + "".join(f"{x:20.4f}" for x in cells), flush=True)


if __name__ == "__main__":
    main()
