"""An encoder and decoder of one's own, which a config names as package.module:function."""

import importlib
import os
import sys

from cvae_jax.config import methods
from cvae_jax.errors import UserError, first_line
from cvae_jax.networks import Networks


def of(config, info, given: Networks | None = None) -> Networks | None:
    """Returns the networks that a run has in place of the built-in ones; None: it has none.

    Args:
      config: of the run; config.networks is "package.module:function", and function(size, channels,
        latents) gives `Networks`, or an encoder and a decoder.
      info: `build.DataInfo`.
      given: networks that were passed and come first.

    Raises:
      UserError: the function can't be had, gives something else, or the method takes no networks.
    """
    function = function_of(config, given)
    if given is None and function is None:
        return None
    if given is None:
        try:
            given = function(info.size, info.channels, config.objective.latents)
        except Exception as error:  # whatever the user's function raises
            raise UserError(
                f"config.networks: {config.networks} failed, called with size {info.size}, "
                f"channels {info.channels} and latents {config.objective.latents} "
                f"({first_line(error)}): correct it"
            ) from error
    if not isinstance(given, tuple) or len(given) != 2:
        raise UserError(
            f"networks are {type(given).__name__}: they must be networks.Networks(encoder, decoder)"
        )
    own = Networks(*given)
    latents = getattr(own.encoder, "latents", config.objective.latents)
    if latents != config.objective.latents:
        raise UserError(
            f"the encoder has latents {latents} and config.objective.latents is "
            f"{config.objective.latents}: make them equal"
        )
    return own


def function_of(config, given: Networks | None = None):
    """Returns the function that config.networks names; None: it names none, or some were passed.

    Raises:
      UserError: see `of`; all that can be said without the data.
    """
    if given is None and not config.networks:
        return None
    method = methods.method_of(config)
    if not method.likelihood:
        raise UserError(
            f"{method.name} has a generator in place of encoder and decoder: choose another method "
            "for networks of your own"
        )
    return _function(config.networks) if given is None else None


def _function(name):
    module, _, function = name.partition(":")
    if not module or not function:
        raise UserError(f"config.networks is {name!r}: write it as package.module:function")
    if os.getcwd() not in sys.path:  # `python -m` has it, a console script has not
        sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(module), function, None)
    except Exception as error:  # whatever the user's module raises
        raise UserError(
            f"config.networks: {module} can't be imported ({first_line(error)}): run in the folder "
            "that holds it, or put that folder on PYTHONPATH"
        ) from error
    if not callable(found):
        raise UserError(f"config.networks: {module} has no function {function}")
    return found
