"""What a function is, in a line that is the same in another process and for equal arguments.

All objectives of the package are closures of the same few functions: a name alone does not tell
beta-VAE with 1 from beta-VAE with 500. So the line holds a digest of what a function was made with.
"""

import functools
import hashlib
import re
import types

import jax
import numpy as np

from cvae_jax.objectives.base import Objective

_LETTERS = 12  # of a digest


def described(part) -> str:
    """Returns a module as linen prints it; a function by its name and a digest, `name, DIGEST`.

    The digest is of the numbers, texts, arrays, modules and functions that the function has from
    where it was defined, its defaults and a `functools.partial`'s arguments. A function without any
    has no digest. The code itself is not read: it has another form in each version of Python.
    """
    part = _unwrapped(part)
    name = _name(part)
    if not name:
        return _printed(part)
    made_with = _made_with(part, {})
    digest = hashlib.sha256(made_with.encode()).hexdigest()[:_LETTERS]
    return f"{name}, {digest}" if made_with else name


def of_training(objective: Objective) -> dict:
    """Returns the functions of an objective by name without the optional ones, which may change."""
    names = [name for name in objective._fields if name not in objective._field_defaults]
    return {name: getattr(objective, name) for name in names}


def name_of(text: str) -> str:
    """Returns the name of what `described` gives, which is all that earlier versions kept."""
    return re.sub(rf", [0-9a-f]{{{_LETTERS}}}$", "", text)


def _unwrapped(part):
    """The function under jax.jit and the like."""
    while callable(getattr(part, "__wrapped__", None)):
        part = part.__wrapped__
    return part


def _name(part) -> str:
    if isinstance(part, functools.partial):
        return _name(_unwrapped(part.func))
    name = getattr(part, "__qualname__", "")
    return f"{part.__module__}.{name}" if name else ""


def _printed(part) -> str:
    return re.sub(r" at 0x[0-9a-f]+", "", " ".join(repr(part).split()))


def _made_with(part, seen) -> str:
    """What a function has besides its code, as text; "" for none."""
    if isinstance(part, functools.partial):
        held = [part.func, *part.args, *sorted(part.keywords.items())]
    elif isinstance(part, types.MethodType):
        held = [part.__func__, part.__self__]
    else:
        held = [_content(cell) for cell in getattr(part, "__closure__", None) or ()]
        defaults = (getattr(part, name, None) for name in ("__defaults__", "__kwdefaults__"))
        held += [x for x in defaults if x]
    return " ".join(_value(x, seen) for x in held)


def _content(cell):
    try:
        return cell.cell_contents
    except ValueError:  # a variable that was never set
        return None


def _value(value, seen) -> str:
    """A value as text; one that was met before by its number, as a function may hold itself."""
    value = _unwrapped(value)
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    if id(value) in seen:
        return f"#{seen[id(value)][0]}"
    seen[id(value)] = len(seen), value  # kept, or another could get its id
    if isinstance(value, Objective):
        value = tuple(of_training(value).values())
    if isinstance(value, dict):
        value = list(value.items())
    if isinstance(value, set | frozenset):  # whose order is another in each process
        return f"{{{' '.join(sorted(_value(x, seen) for x in value))}}}"
    if isinstance(value, list | tuple):
        return f"({' '.join(_value(x, seen) for x in value)})"
    if isinstance(value, jax.Array | np.ndarray):
        array = np.asarray(value)
        return f"{array.dtype}{array.shape}{hashlib.sha256(array.tobytes()).hexdigest()}"
    if name := _name(value):
        inside = _made_with(value, seen) if not isinstance(value, type) else ""
        return f"{name}({inside})"
    return _printed(value)
