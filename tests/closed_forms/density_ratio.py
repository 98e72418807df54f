"""The density-ratio KL against closed forms, on linear-Gaussian q: how good are samples of p_B?

For each structure a q is fixed by a seed, a critic is trained on fresh batches to tell q from p_B,
and its mean logit on fresh samples of q estimates KL(q || p_B). Printed beside the closed form: the
estimate with exact samples of p_B and with `sample_joint`'s, means over seeds; all seeds and both
kinds of samples train in one program, on the same rows of q. Writes JSON where --out says.

  python -m tests.closed_forms.density_ratio --batch=64 --steps=3000
"""

import argparse
import functools
import json
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

from cvae_jax import networks, structures
from cvae_jax.objectives import bayesian_joint
from cvae_jax.objectives.density_ratio import classification_loss

from . import linear_gaussian

CRITIC = networks.Critic(layers=3, width=256)
_TEST_ROWS = 50_000


def cases(num_random: int):
    """(name, Structure) of the presets on 5 latents and of random DAGs on 5 to 8."""
    rng = np.random.default_rng(0)
    named = [(name, structures.preset(name, 5)) for name in structures.PRESETS]
    drawn = [
        linear_gaussian.random_structure(rng, int(rng.integers(5, 9))) for _ in range(num_random)
    ]
    return named + [(str(structure), structure) for structure in drawn]


def train_and_estimate(rng, draw_batch, test_rows, steps: int, critic=CRITIC):
    """E_q[logit] of critics trained to tell q from each of k ways to draw p, all on the same q.

    Args:
      rng: a key.
      draw_batch: key -> (rows of q [n, c], rows of p [k, n, c]), fresh ones per step.
      test_rows: key -> rows of q [m, c] that the estimate is the mean over.
      steps: of Adam.
      critic: the network of all of them.

    Returns:
      [k], nats.
    """
    rng, init_rng, test_rng = jax.random.split(rng, 3)
    optimizer = optax.adam(optax.cosine_decay_schedule(1e-3, steps), b1=0.5, b2=0.9)
    test = test_rows(test_rng)
    ways = jax.eval_shape(draw_batch, rng)[1].shape[0]
    params = critic.init(init_rng, test[:1])
    params = jax.tree.map(lambda x: jnp.stack([x] * ways), params)  # [k, ...]

    def loss(params, q, p):
        return classification_loss(critic.apply(params, q), critic.apply(params, p))[0]

    def step(carry, i):
        params, opt_state = carry
        q, p = draw_batch(jax.random.fold_in(rng, i))
        gradient = jax.vmap(jax.grad(loss), in_axes=(0, None, 0))(params, q, p)
        updates, opt_state = optimizer.update(gradient, opt_state)
        return (optax.apply_updates(params, updates), opt_state), None

    (params, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), jnp.arange(steps))
    return jax.lax.map(lambda params: jnp.mean(critic.apply(params, test)), params)


@functools.partial(jax.jit, static_argnames=("batch", "pool", "steps", "marginal", "critic"))
def estimates(rngs, q_factor, p_factor, plan, *, batch, pool, steps, marginal, critic=CRITIC):
    """Estimates of KL(q || p_B) with exact samples of p_B and with ours: [seeds, 2], nats.

    Args:
      rngs: a key for each seed.
      q_factor: Cholesky factor of q's covariance [2d, 2d], z_hat first.
      p_factor: that of p_B's.
      plan: `bayesian_joint.plan` of the structure, with z unless marginal.
      batch: rows of q and of p_B that the critics see per step.
      pool: rows of q that ours are made from.
      steps: of the critics' training.
      marginal: whether the critics see z_hat alone.
      critic: their network.
    """
    size = len(q_factor)
    seen = slice(0, size // 2) if marginal else slice(0, size)

    def rows(rng, n, factor):
        return jax.random.normal(rng, (n, size)) @ factor.T

    def draw_batch(rng):
        q_rng, exact_rng, rng = jax.random.split(rng, 3)
        v = rows(q_rng, pool, q_factor)
        ours = bayesian_joint.sample(rng, v[:, seen], plan, jnp.arange(batch))
        return v[:batch, seen], jnp.stack([rows(exact_rng, batch, p_factor)[:, seen], ours])

    def test_rows(rng):
        return rows(rng, _TEST_ROWS, q_factor)[:, seen]

    def one_seed(rng):
        return train_and_estimate(rng, draw_batch, test_rows, steps, critic)

    return jax.vmap(one_seed)(rngs)


def run(structure, *, batch, pool, steps, seeds, q_seed=1, critic=CRITIC):
    """One row of the table: closed form and both estimates, means over seeds, nats."""
    cov = linear_gaussian.random_q(structure_with_z(structure), q_seed)
    exact = linear_gaussian.structured(cov, structure)
    found = estimates(
        jax.random.split(jax.random.key(0), seeds),
        *(jnp.asarray(np.linalg.cholesky(c), jnp.float32) for c in (cov, exact)),
        bayesian_joint.plan(structure, with_z=not structure.is_marginal),
        batch=batch,
        pool=pool,
        steps=steps,
        marginal=structure.is_marginal,
        critic=critic,
    )
    exact_mean, ours_mean = (float(x) for x in jnp.mean(found, axis=0))
    closed = float(linear_gaussian.kl(cov, structure))
    return {"closed": closed, "exact": exact_mean, "ours": ours_mean}


def allowed(closed):
    """How far our estimate may be from the one with exact samples, nats."""
    return max(0.04 * closed, 0.03)


def structure_with_z(structure):
    """The structure with each z_hat_j's own z_j as a parent, from either form."""
    return structures.Structure(
        tuple(tuple(sorted({*parents, ("z", j)})) for j, parents in enumerate(structure.parents))
    )


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--pool", type=int, default=0, help="prior_batch_size; 0: the batch")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--random", type=int, default=10, help="random DAGs beside the presets")
    parser.add_argument("--out", default="", help="a JSON file")
    args = parser.parse_args()
    print(f"batch {args.batch}, {args.steps} steps, means over {args.seeds} seeds, nats")
    print(f"{'structure':<54}{'critic sees':<13}{'closed':>8}{'exact':>8}{'ours':>8}{'gap':>8}")
    rows, start = [], time.perf_counter()
    for name, structure in cases(args.random):
        for sees, form in (("z_hat", structure.marginal()), ("z, z_hat", structure)):
            row = run(
                form,
                batch=args.batch,
                pool=args.pool or args.batch,
                steps=args.steps,
                seeds=args.seeds,
            )
            gap = row["ours"] - row["exact"]
            rows.append({"structure": name, "critic_input": sees, **row})
            mark = "" if abs(gap) <= allowed(row["closed"]) else "  too far"
            print(
                f"{name:<54}{sees:<13}{row['closed']:8.3f}{row['exact']:8.3f}{row['ours']:8.3f}"
                f"{gap:8.3f}{mark}",
                flush=True,
            )
    print(f"{time.perf_counter() - start:.0f} s")
    if args.out:
        with open(args.out, "w") as file:
            json.dump({"arguments": vars(args), "rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()
