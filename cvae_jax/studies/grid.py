"""The grid of a study, read from its TOML file: methods, settings and seeds; docs/study.md.

    config = "dsprites:quick"
    seeds = 3

    [fields]                                  # of all methods
    cascade.weight = 0.0

    [methods.beta_vae]
    objective.name = "beta_vae"
    objective.beta_vae.beta = [2.0, 4.0]      # a list: a setting for each value

Settings are all combinations of the values of lists, the last list changing first.
"""

import itertools
import os
import tomllib
from pathlib import Path
from typing import NamedTuple

from cvae_jax import datasets
from cvae_jax.config import command_line, shipped
from cvae_jax.config.checks import check, one_of, without_effect
from cvae_jax.config.fields import FREE, RETIRED, flat
from cvae_jax.errors import UserError
from cvae_jax.metrics.scores import SCORES, known
from cvae_jax.studies import record

_KEYS = ("config", "seeds", "scores", "fields", "methods")
_LONGEST = 255
_OF_SEEDS = ("seed", "num_seeds")


class Cell(NamedTuple):
    """A run of a study."""

    method: str
    setting: str  # "beta=2.0"; "" of a method with one setting
    seed: int
    given: str  # as --config= takes it
    fields: tuple  # (field, value) on top of it

    @property
    def key(self) -> Path:
        """Returns the path of its folder under the study's."""
        return Path(self.method, self.setting.replace("/", "_"), f"seed_{self.seed}")

    def arguments(self, out: Path, num_seeds: int = 1) -> list[str]:
        """Returns the arguments of `cvae train` for this run, or for so many seeds from its own.

        Several seeds have the same folders as alone.
        """
        fields = dict(self.fields) | {"seed": self.seed}
        if num_seeds > 1:
            fields["num_seeds"] = num_seeds
        workdir = out / (self.key if num_seeds == 1 else self.key.parent)
        return [
            f"--config={self.given}",
            *(f"--config.{field}={value}" for field, value in fields.items()),
            f"--workdir={workdir}",
        ]


class Grid(NamedTuple):
    """A study."""

    cells: list[Cell]
    configs: dict  # cell -> its ConfigDict
    scores: tuple[str, ...]  # that tables and pictures show; (): those that `gather` shows


def read(path: Path) -> Grid:
    """Returns the grid that a file describes, method by method, settings within, seeds innermost.

    Raises:
      UserError: one line that names the file and what is wrong: it can't be read, has an unknown
        key or field, a value beyond its limits or without effect, or two runs that are the same.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror}") from None
    except ValueError as error:  # of TOML, and of what is no text
        raise UserError(f"{path} is no TOML file: {error}") from None
    try:
        return _grid(content)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _grid(content) -> Grid:
    for key in content:
        one_of("key", key, _KEYS)
    seeds, scores = _seeds(content.get("seeds", 1)), _scores(content.get("scores", []))
    shared, methods = content.get("fields", {}), content.get("methods", {})
    if not isinstance(methods, dict) or not methods:
        raise UserError("it has no methods: add [methods.NAME] with the fields of each")
    if not isinstance(shared, dict):
        raise UserError("fields is no table: begin it with [fields]")
    configs, bases, folders, contents = {}, {}, {}, {}
    for method, own in methods.items():
        _check_name(method, own)
        given = own.get("config", content.get("config"))
        if not isinstance(given, str):
            raise UserError('which config? for instance config = "dsprites:quick"')
        if given not in bases:
            bases[given] = shipped.load(given)
        fields = dict(flat(shared)) | {k: v for k, v in flat(own) if k != "config"}
        for setting, chosen, listed in _settings(method, fields, bases[given]):
            for seed in seeds:
                cell = Cell(method, setting, seed, given, chosen)
                _check_folder(cell)
                config = _config(cell, bases[given], listed)
                content_of_run = str([x for x in flat(config.to_dict()) if x[0] not in FREE])
                for known_as, what in ((folders, cell.key), (contents, content_of_run)):
                    if what in known_as:
                        raise UserError(f"{cell.key} and {known_as[what]} are the same run")
                    known_as[what] = cell.key
                configs[cell] = config
    return Grid([*configs], configs, scores)


def _check_name(method, own):
    """Refuses a method that has no table, or a name that is no folder's."""
    if not isinstance(own, dict):
        raise UserError(f"methods.{method} is no table: begin it with [methods.{method}]")
    if not method.isprintable() or not method.strip() or "/" in method or method[0] == ".":
        raise UserError(f"a method is named {method!r}: it names a folder, leave out / and dots")


def _check_folder(cell) -> None:
    """Refuses a method or setting whose folder's name no disk takes."""
    for part in cell.key.parts:
        if len(os.fsencode(part)) > _LONGEST:
            raise UserError(
                f"{part[:80]}... would be a folder's name of {len(os.fsencode(part))} bytes, and "
                f"{_LONGEST} is the most: give its list shorter values, or make it two methods"
            )


def _seeds(given) -> list[int]:
    """Returns the seeds: given themselves, or as a number of them."""
    seeds = given if isinstance(given, list) else [given]
    if not seeds or any(type(seed) is not int or seed < 0 for seed in seeds) or given == 0:
        raise UserError(f"seeds is {given}: give their number, or a list such as [0, 1, 2]")
    if len({*seeds}) < len(seeds):
        raise UserError(f"seeds is {given}: each once")
    return seeds if isinstance(given, list) else [*range(given)]


def _scores(given) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise UserError(f'scores is {given!r}: give a list such as ["mig", "sap"]')
    for name in given:
        if known(name) is None:
            one_of("score", name, SCORES)
    return tuple(given)


def _settings(method, fields, base):
    """Yields (name, fields, names of lists) of each setting of a method: a value of each list."""
    known_fields = dict(flat(base.to_dict()))
    for name in fields:
        if name in RETIRED:
            raise UserError(f"{method}: {name} is retired: {RETIRED[name][1]}")
        if name in _OF_SEEDS:
            raise UserError(f"{method}: {name} is the study's: set seeds")
        if name not in known_fields:
            like = command_line.fields_like(name)
            hint = f"; did you mean {' or '.join(like)}?" if like else ""
            raise UserError(f"{method}: the config has no field {name}{hint}")
    lists = {name: values for name, values in fields.items() if isinstance(values, list)}
    for name, values in lists.items():
        if not values:
            raise UserError(f"{method}: {name} is an empty list: give it values")
    for values in itertools.product(*lists.values()):
        chosen = fields | dict(zip(lists, values, strict=True))
        chosen = {k: _of_kind(v, known_fields[k]) for k, v in chosen.items()}
        name = record.setting((k, chosen[k]) for k in lists)
        yield name, (*chosen.items(),), [*lists]


def _of_kind(value, default):
    """A whole number for a field of numbers becomes one: 4 is 4.0, as a folder is named by it."""
    return float(value) if type(value) is int and isinstance(default, float) else value


def _config(cell, base, listed):
    """Returns a cell's config, as its run will have it; refuses a list without effect."""
    config = base.copy_and_resolve_references()
    with config.ignore_type():  # the check says it better
        config.update_from_flattened_dict(dict(cell.fields) | {"seed": cell.seed})
    where = ", ".join(filter(None, (cell.method, cell.setting)))
    try:
        check(config, 1)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    if config.num_seeds > 1:
        raise UserError(f"{where}: num_seeds of {cell.given} is {config.num_seeds}: set seeds here")
    idle = without_effect(config, listed)
    if idle:
        raise UserError(f"{where}: {idle[0]} has no effect: its values would be the same run")
    config.data.name = datasets.absolute(config.data.name)
    return config
