"""Parts of a run that are not the package's: networks or a whole objective of one's own.

A run that has any keeps them in parts.json, described by `functions.described` and the shapes of
their parameters, so that it is resumed and loaded with the same ones alone.
"""

import logging
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax.config import build, methods, own_networks
from cvae_jax.errors import UserError
from cvae_jax.networks import Networks
from cvae_jax.objectives.base import Objective, Players
from cvae_jax.runs.functions import described, name_of, of_training
from cvae_jax.runs.workdir import damaged, read_json, write_json

log = logging.getLogger(__name__)

PARTS = "parts.json"
_PRIORS = {"normal": "N(0, 1)", "uniform": "U(-1, 1)"}
_DRAWS = 4096
_FAR = 0.05  # of distribution functions; so many draws of the right law are this far once in 1e8


class Built(NamedTuple):
    """A run's method, and what identifies its own parts."""

    objective: Objective
    optimizers: Players
    record: dict  # the content of parts.json; {}: all parts are the package's


def build_with(config, info, networks: Networks | None = None, objective=None) -> Built:
    """Returns the method of a config with parts of one's own.

    Args:
      config: of the run.
      info: `build.DataInfo`.
      networks: encoder and decoder in place of the built-in ones; None: as config.networks says.
      objective: an `Objective` in place of the config's method and cascade.

    Raises:
      UserError: both are given, or one of them does not fit the config or the data.
    """
    check(config, networks, objective)
    if objective is not None:
        _warn_of_another_prior(config, objective)
        record = {"objective": {k: described(x) for k, x in of_training(objective).items()}}
    else:
        own = own_networks.of(config, info, networks)
        if own is None:
            return Built(build.objective(config, info), build.optimizers(config), {})
        objective = build.objective(config, info, own)
        record = {"networks": {name: described(part) for name, part in own._asdict().items()}}
    like = _shapes(config, info, objective)
    critics = [*methods.critic_weights()]  # that config.optim has rates of
    unknown = sorted({*like.critic} - {*critics})
    if unknown:
        raise UserError(
            f"objective= has a critic {unknown[0]!r}, for which config.optim has no rate: name it "
            f"{', '.join(critics[:-1])} or {critics[-1]}"
        )
    record["parameters"] = {
        jax.tree_util.keystr(path): f"{leaf.dtype} {list(leaf.shape)}"
        for path, leaf in jax.tree_util.tree_leaves_with_path(like)
    }
    return Built(objective, build.optimizers(config, tuple(like.critic)), record)


def check(config, networks: Networks | None = None, objective=None) -> None:
    """Refuses parts of one's own of which that can be said without the data.

    Raises:
      UserError: see `build_with`.
    """
    if objective is None:
        own_networks.function_of(config, networks)
    else:
        _require_whole(config, networks, objective)


def _require_whole(config, networks, objective) -> None:
    if networks is not None or config.networks:
        raise UserError("objective= has its networks: leave networks out, here and in the config")
    if not isinstance(objective, Objective):
        raise UserError(
            f"objective= is {type(objective).__name__}: it must be a cvae_jax.Objective"
        )
    if config.cascade.weight:
        raise UserError(
            f"config.cascade.weight is {config.cascade.weight} and objective= is the whole method: "
            "set it to 0, and for the cascade pass cvae_jax.cascade(objective, ...)"
        )


def _warn_of_another_prior(config, objective) -> None:
    """Logs that scores take z to have another law than the objective draws it from."""
    from scipy import stats  # it takes half a second

    prior = methods.method_of(config).prior
    distribution = stats.norm.cdf if prior == "normal" else stats.uniform(-1, 2).cdf
    z = np.asarray(objective.prior(jax.random.key(0), _DRAWS))  # [n, d]
    far = [stats.kstest(latent, distribution).statistic for latent in z.T]
    if max(far) > _FAR:
        log.warning(
            "objective= does not draw z_%d from %s: nats of latents, held-out likelihoods and all "
            "else that rests on the prior are computed as if it did",
            np.argmax(far) + 1,
            _PRIORS[prior],
        )


def _shapes(config, info, objective) -> Players:
    """The shapes of all parameters; refuses latents that are not the config's."""
    shape = (config.batch_size, info.size, info.size, info.channels)
    images = jax.ShapeDtypeStruct(shape, jnp.float32)
    like = jax.eval_shape(objective.init, jax.random.key(0), images)
    mean, _ = jax.eval_shape(objective.encode, like, images)
    if mean.shape != (config.batch_size, config.objective.latents):
        raise UserError(
            f"encode gives a mean of shape {mean.shape} for a batch of {config.batch_size}: set "
            "config.objective.latents to its second number"
        )
    return like


def recorded(workdir) -> dict:
    """Returns the content of a run's parts.json; {}: all its parts are the package's.

    Raises:
      UserError: it is damaged.
    """
    path = Path(workdir) / PARTS
    if not path.exists():
        return {}
    found = read_json(path)
    groups = found.values() if isinstance(found, dict) else [None]
    texts = [x for group in groups if isinstance(group, dict) for x in group.values()]
    if not all(isinstance(x, dict) for x in groups) or not all(isinstance(x, str) for x in texts):
        raise damaged(path, "it names no parts")
    return found


def require_same(workdir, record: dict) -> None:
    """Refuses other parts than a run began with.

    Raises:
      UserError: names the first difference.
    """
    if not (Path(workdir) / "data.json").exists():  # nothing has begun
        return
    was = {f"{kind} {k}": v for kind, group in recorded(workdir).items() for k, v in group.items()}
    now = {f"{kind} {k}": v for kind, group in record.items() for k, v in group.items()}
    for name in [*was, *now]:
        before, after = was.get(name, "the package's own"), now.get(name, "the package's own")
        if before not in (after, name_of(after)):  # the name alone was kept by earlier versions
            raise UserError(
                f"{workdir} began with other parts than there are now ({name}: {before[:100]} -> "
                f"{after[:100]}): pass the same, or name another --workdir"
            )


def keep(workdir, record: dict) -> None:
    """Writes the parts of a run that begins."""
    if record and not (Path(workdir) / PARTS).exists():
        write_json(Path(workdir) / PARTS, record)


def load(workdir, config, info, networks=None, objective=None) -> Built:
    """Returns the method of a run's folder, its own parts passed or named by its config.

    Raises:
      UserError: they are neither, with the argument to pass; or they are others.
    """
    record = recorded(workdir)
    named = config.networks or networks is not None or objective is not None
    if record and not named:
        what = "objective" if "objective" in record else "networks"
        raise UserError(
            f"{workdir} was trained with {what} of its own, which its config does not name: load "
            f"it by cvae_jax.load({str(workdir)!r}, {what}=...)"
        )
    built = build_with(config, info, networks, objective)
    require_same(workdir, built.record)
    return built
