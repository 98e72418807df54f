"""What each reading of the paper's regulariser says of linear-Gaussian latents, in nats.

z ~ N(0, I) has 3 dimensions; z_hat = M z + 0.1 noise. Of q(z, z_hat) each reading takes the KL to
a law that the structure makes:

  z_hat, own    the critic sees z_hat; q's own conditionals given the parents among z_hat
  joint, own    it sees (z, z_hat); q's own conditionals given all parents
  z_hat, given  it sees z_hat; given conditionals: roots N(0, 1), children N(m, s^2), where m is the
                sum of the parents divided by the root of their number
  joint, given  it sees (z, z_hat); roots N(z_j, s^2), children as before; s is 0.1

The first two are what `sample_joint` samples (cascade.critic_input z_hat and joint). Under
`independent` all z_hat are roots; under `compose2` z_hat_3 has the parents 1 and 2.

  python -m tests.closed_forms.readings
"""

import numpy as np

from cvae_jax import structures

from . import linear_gaussian

_NOISE = 0.1  # standard deviation of z_hat given z, and of the given conditionals
_TURN = np.sqrt(0.5)

# name -> M
MAPS = {
    "z_hat = z": np.eye(3),
    "z_hat = -z": -np.eye(3),
    "z_hat a permutation of z": np.eye(3)[[1, 2, 0]],
    "two of z turned by 45 degrees": np.array([[_TURN, -_TURN, 0], [_TURN, _TURN, 0], [0, 0, 1]]),
    "z_hat_3 = (z_1 + z_2) / root of 2": np.array([[1, 0, 0], [0, 1, 0], [_TURN, _TURN, 0]]),
    "z_3 moves all of z_hat": np.array([[1, 0, 0.7], [0, 1, 0.7], [0, 0, 1]]),
}
COLLAPSE = "z_hat noise of variance 1"


def covariance(name: str):
    """Of (z_hat, z), [6, 6]."""
    if name == COLLAPSE:
        return np.eye(6)
    m = MAPS[name]
    return np.block([[m @ m.T + _NOISE**2 * np.eye(3), m], [m.T, np.eye(3)]])


def gaussian_kl(q, p) -> float:
    """KL(N(0, q) || N(0, p)) in nats, covariances [n, n]."""
    ratio = np.linalg.solve(p, q)
    return 0.5 * float(np.trace(ratio) - len(q) - np.linalg.slogdet(ratio)[1])


def given(structure, roots_from_z: bool):
    """The covariance of (z_hat, z) down the DAG by given conditionals, [6, 6].

    Args:
      structure: of 3 latents.
      roots_from_z: roots are N(z_j, s^2), else N(0, 1).
    """
    d = structure.latents
    weights, variances = np.zeros((2 * d, 2 * d)), np.ones(2 * d)
    for j in range(d):
        parents = structure.z_hat_parents(j)
        if parents:
            weights[j, parents] = 1 / np.sqrt(len(parents))
        elif roots_from_z:
            weights[j, d + j] = 1.0
        if parents or roots_from_z:
            variances[j] = _NOISE**2
    inverse = np.linalg.inv(np.eye(2 * d) - weights)
    return inverse @ np.diag(variances) @ inverse.T


def readings(name: str, text: str) -> dict[str, float]:
    """What the readings say of a map by name under a preset or a structure's text, nats."""
    q, structure = covariance(name), structures.from_config(text, 3)
    d = structure.latents
    return {
        "z_hat, own": linear_gaussian.kl(q, structure.marginal()),
        "joint, own": linear_gaussian.kl(q, structure),
        "z_hat, given": gaussian_kl(q[:d, :d], given(structure, roots_from_z=False)[:d, :d]),
        "joint, given": gaussian_kl(q, given(structure, roots_from_z=True)),
    }


def _shown(value: float) -> str:
    if abs(value) < 1e-9:  # rounding
        return "0"
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def main() -> None:
    """Print the table."""
    readings_of = readings("z_hat = z", "independent")
    print(f"| structure | latents | {' | '.join(readings_of)} |\n|---|---|---|---|---|---|")
    for structure in ("independent", "compose2", "3>1 3>2"):
        for name in (*MAPS, COLLAPSE):
            cells = " | ".join(map(_shown, readings(name, structure).values()))
            print(f"| `{structure}` | {name} | {cells} |")


if __name__ == "__main__":
    main()
