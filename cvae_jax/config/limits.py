"""A config field's default and its limits in one expression, as defaults.py writes them."""

import dataclasses
from typing import Any

import ml_collections


@dataclasses.dataclass(frozen=True)
class Field:
    """A default with what its values must be; None: no such limit."""

    default: Any
    above: float | None = None  # greater than this
    least: float | None = None
    below: float | None = None  # less than this
    most: float | None = None
    names: tuple = ()  # the value is one of these


def positive(default, most=None) -> Field:
    """Returns a field above 0, and at most `most`."""
    return Field(default, above=0, most=most)


def not_negative(default, most=None) -> Field:
    """Returns a field of 0 or more, and at most `most`."""
    return Field(default, least=0, most=most)


def one_of(default: str, *others: str) -> Field:
    """Returns a field that has one of these names."""
    return Field(default, names=(default, *others))


def defaults_of(declared: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
    """Returns a config with each field's default in place of its `Field`."""
    config = ml_collections.ConfigDict()
    for name, value in declared.items():
        if isinstance(value, ml_collections.ConfigDict):
            config[name] = defaults_of(value)
        else:
            config[name] = value.default if isinstance(value, Field) else value
    return config


def limits_of(declared: ml_collections.ConfigDict, prefix: str = "") -> dict[str, Field]:
    """Returns the fields that have limits, by their dotted names."""
    found = {}
    for name, value in declared.items():
        if isinstance(value, ml_collections.ConfigDict):
            found |= limits_of(value, f"{prefix}{name}.")
        elif isinstance(value, Field):
            found[prefix + name] = value
    return found


def required(field: Field, value) -> str | None:
    """Returns what a number must be and is not, such as "above 0"; None: it is within limits."""
    if field.above is not None and not value > field.above:
        return f"above {field.above}"
    if field.below is not None:
        inside = field.least <= value < field.below
        return None if inside else f"in [{field.least}, {field.below})"
    if field.least is not None and not value >= field.least:
        return f"{field.least} or more"
    if field.most is not None and not value <= field.most:
        return f"at most {field.most:,}"
    return None
