"""What a model is paid for by four rewards of a structure's edges: linear-Gaussian latents.

z ~ N(0, I); z_hat = A z + 0.3 noise. A maximises

    15 reward - 15 KL(q || p_B) + 3 ( I(z ; z_hat) - sum_j KL(q(z_hat_j) || N(0, 1)) )

by Adam from near A = I, KL and information in closed form. I(z ; z_hat) stands for the image. The
rewards, in nats, with an edge k -> j and the other parents o of j:

  node          sum_j I(z_hat_j ; all its parents), without a cap
  pair          sum_edges min(I(z_hat_j ; z_hat_k), 0.5)
  with others   sum_edges min(I(z_hat_k ; z_hat_j, z_hat_o), 0.5)
  given others  sum_edges min(I(z_hat_k ; z_hat_j | z_hat_o), 0.5): that of `edge_reward`

  python -m tests.closed_forms.edge_rewards
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from cvae_jax import structures

_NOISE, _CAP = 0.3, 0.5
_REWARD, _FORBIDDEN, _IMAGE = 15.0, 15.0, 3.0
_STEPS = 4000
STRUCTURES = ("decompose3", "compose3", "1>2 1>3 2>3")


def information(cov, a, b):
    """I(v_a ; v_b) of v ~ N(0, cov), lists of columns; 0 where b is empty."""

    def log_det(columns):
        return jnp.linalg.slogdet(cov[np.ix_(columns, columns)])[1]

    return 0.5 * (log_det(a) + log_det(b) - log_det(a + b)) if b else 0.0


def families(structure):
    """(k, j, other parents of j) of each edge k -> j."""
    for j in range(structure.latents):
        parents = structure.z_hat_parents(j)
        yield from ((k, j, [o for o in parents if o != k]) for k in parents)


def of_edges(form: str, cov, structure):
    """The information of each edge, [edges]; see the module's docstring."""
    forms = {
        "pair": lambda k, j, others: information(cov, [k], [j]),
        "with others": lambda k, j, others: information(cov, [k], [j, *others]),
        "given others": lambda k, j, others: (
            information(cov, [k], [j, *others]) - information(cov, [k], others)
        ),
    }
    return jnp.stack([forms[form](*family) for family in families(structure)])


def of_nodes(cov, structure):
    """I(z_hat_j ; all its parents), [d]."""
    return jnp.stack(
        [
            jnp.asarray(information(cov, [j], list(structure.z_hat_parents(j))))
            for j in range(len(cov))
        ]
    )


def forbidden(cov, structure):
    """KL(q || p_B) in nats: the total correlation, less what nodes share with their parents."""
    total = 0.5 * (jnp.sum(jnp.log(jnp.diag(cov))) - jnp.linalg.slogdet(cov)[1])
    return total - jnp.sum(of_nodes(cov, structure))


def covariance(a):
    """Of z_hat."""
    return a @ a.T + _NOISE**2 * jnp.eye(len(a))


def _objective(form, structure, a):
    cov = covariance(a)
    if form == "node":
        reward = jnp.sum(of_nodes(cov, structure))
    else:
        reward = jnp.sum(jnp.minimum(of_edges(form, cov, structure), _CAP))
    image = 0.5 * jnp.linalg.slogdet(cov / _NOISE**2)[1]
    variances = jnp.diag(cov)
    prior = 0.5 * jnp.sum(variances - 1 - jnp.log(variances))
    return _REWARD * reward - _FORBIDDEN * forbidden(cov, structure) + _IMAGE * (image - prior)


@functools.partial(jax.jit, static_argnums=(0, 1))
def trained(form: str, structure, a):
    """A after 4,000 steps of Adam from a."""
    adam = optax.adam(5e-3)
    gradient = jax.grad(lambda a: -_objective(form, structure, a))

    def step(carry, _):
        a, state = carry
        updates, state = adam.update(gradient(a), state)
        return (a + updates, state), None

    return jax.lax.scan(step, (a, adam.init(a)), length=_STEPS)[0][0]


def main() -> None:
    """Print the table."""
    jax.config.update("jax_enable_x64", True)
    print(
        "| structure | reward | each edge given others | forbidden | of z |\n|---|---|---|---|---|"
    )
    for text in STRUCTURES:
        d = 3 if text[0].isdigit() else 4
        structure = structures.from_config(text, d).marginal()
        start = 0.9 * np.eye(d) + 0.15 * np.random.default_rng(0).normal(size=(d, d))
        for form in ("node", "pair", "with others", "given others"):
            cov = covariance(trained(form, structure, jnp.asarray(start)))
            found = of_edges("given others", cov, structure)
            cells = ", ".join(f"{abs(x):.2f}" for x in found)
            image = 0.5 * jnp.linalg.slogdet(cov / _NOISE**2)[1]
            kl = abs(forbidden(cov, structure))
            print(f"| `{text}` | {form} | {cells} | {kl:.3f} | {image:.1f} |", flush=True)


if __name__ == "__main__":
    main()
