"""Builds a method once, however many seeds of it a process handles."""

import functools
import json

from cvae_jax.config.fields import FREE, flat

_NOT_THE_PROGRAM = (*FREE, "seed", "num_seeds", "init_from")


def once_per_method(build):
    """Returns `build` with one object for all configs that differ by seed or folder alone.

    jax.jit remembers a program by the function that it was traced from: with an objective built
    again each time, every seed would be traced and compiled again.
    """
    built = {}

    @functools.wraps(build)
    def wrapper(config, *args, **kwargs):
        fields = {k: v for k, v in flat(config.to_dict()) if k not in _NOT_THE_PROGRAM}
        key = (json.dumps(fields, sort_keys=True), args, tuple(sorted(kwargs.items())))
        try:
            hash(key)
        except TypeError:  # a network of one's own with a list in a field
            return build(config, *args, **kwargs)
        if key not in built:
            built[key] = build(config, *args, **kwargs)
        return built[key]

    return wrapper
