"""Correlated factors and held-out combinations: which images of a labelled set training draws.

`data.correlate="shape~scale:0.2"` draws images so that two factors go together (Träuble et al.
2021); `data.hold_out="shape=heart,x>16"` keeps a combination of their values from training
(Montero et al. 2021).
"""

import math
import operator
import re
from typing import NamedTuple

import numpy as np

from cvae_jax import datasets
from cvae_jax.datasets import catalogue
from cvae_jax.datasets.dataset import Dataset
from cvae_jax.errors import UserError, did_you_mean

_SIGNS = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CONDITION = re.compile(r"([^=!<>]+)(!=|<=|>=|=|<|>)([^=!<>]+)")
_PAIR = re.compile(r"([^~]+)~([^~]+):([^:~]+)")


class Condition(NamedTuple):
    """What a factor's class must be."""

    factor: str
    sign: str
    value: str  # a class by its number from 0, or by its word


class Pair(NamedTuple):
    """Two factors that go together."""

    first: str
    second: str
    sigma: float  # of the normal density of their difference, each factor from 0 to 1


class Rows:
    """Some rows of stored images, read as they are asked for: a copy may not fit into memory."""

    def __init__(self, pixels: np.ndarray, rows: np.ndarray):
        self._pixels, self._rows = pixels, rows
        self.shape = (len(rows), *pixels.shape[1:])
        self.dtype = pixels.dtype
        self.nbytes = math.prod(self.shape) * pixels.dtype.itemsize

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, index):
        return self._pixels[self._rows[index]]

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[:], dtype)


def parse_hold_out(text: str) -> list[list[Condition]]:
    """Returns combinations of conditions, "a=1,b>2; c<3": of each combination all must hold.

    Raises:
      UserError: the text has another form.
    """
    combinations = []
    for part in text.split(";") if text.strip() else ():
        combinations.append([])
        for item in part.split(","):
            match = _CONDITION.fullmatch(item)
            words = [word.strip() for word in match.groups()] if match else [""]
            if not all(words):
                raise UserError(
                    f"config.data.hold_out has {item.strip()[:80]!r}: write conditions such as "
                    "shape=heart,x>16, and semicolons between combinations"
                )
            combinations[-1].append(Condition(*words))
    return combinations


def parse_correlate(text: str) -> list[Pair]:
    """Returns pairs of factors, "a~b:0.2, c~d:0.4".

    Raises:
      UserError: the text has another form, or a number is not above 0.
    """
    pairs = []
    for item in text.split(",") if text.strip() else ():
        match = _PAIR.fullmatch(item)
        first, second, number = (word.strip() for word in match.groups()) if match else [""] * 3
        try:
            sigma = float(number)
        except ValueError:
            sigma = 0.0
        if not (first and second and first != second and 0 < sigma < math.inf):
            raise UserError(
                f"config.data.correlate has {item.strip()[:80]!r}: write two factors and a number "
                "above 0, such as shape~scale:0.2, and commas between pairs"
            )
        pairs.append(Pair(first, second, sigma))
    return pairs


def load(data, name: str = "", data_dir: str = "") -> Dataset:
    """Returns the data that a run was trained on, `filtered` as its config says.

    Args:
      data: config.data of the run.
      name: of the data where they are now; "": as the config names them.
      data_dir: where data are kept; "": the config's.
    """
    dataset = datasets.load(name or data.name, data.size, data_dir or data.dir)
    return filtered(dataset, data.correlate, data.hold_out)


def words(data) -> list[str]:
    """Returns what config.data leaves of a data set, in words; []: all of it, each as often."""
    part = [f"without {data.hold_out}"] if data.hold_out else []
    return part + ([f"drawn by {data.correlate}"] if data.correlate else [])


def filtered(dataset: Dataset, correlate: str = "", hold_out: str = "") -> Dataset:
    """Returns the part of a data set that training draws, with its weights and its held-out part.

    Classes of a factor that do not occur in a part are left out of its labels, which count on.

    Args:
      dataset: with labels.
      correlate: see `parse_correlate`. The images' weights are, over all pairs, the product of
        exp(-(a - b)^2 / (2 sigma^2)), with the two factors' classes a and b from 0 to 1.
      hold_out: see `parse_hold_out`. The images of any combination are held out.

    Raises:
      UserError: the data have no such factor or class, or a part has no image.
    """
    combinations, pairs = parse_hold_out(hold_out), parse_correlate(correlate)
    weights = _weights(dataset, pairs) if pairs else None
    trained = dataset
    if combinations:
        held = np.zeros(dataset.num_images, bool)
        for combination in combinations:
            held |= np.all([_holds(dataset, condition) for condition in combination], axis=0)
        if held.all() or not held.any():
            what = "every image" if held.all() else "no image"
            raise UserError(f"config.data.hold_out {hold_out!r} is {what} of {dataset.name}")
        trained = _part(dataset, ~held, f"{dataset.source}, without {hold_out}")
        part = _part(dataset, held, f"{dataset.source}, {hold_out} alone")
        trained = trained._replace(held_out=part)
        weights = None if weights is None else weights[~held]
    if weights is None:
        return trained
    if not weights.any():
        raise UserError(f"config.data.correlate {correlate!r} gives every image the weight 0")
    source = f"{trained.source}, drawn by {correlate}"
    return trained._replace(weights=weights / weights.sum(), source=source)


def _part(dataset, chosen, source):
    rows = np.flatnonzero(chosen)
    factors = [np.unique(column, return_inverse=True)[1] for column in dataset.factors[rows].T]
    return dataset._replace(
        source=source,
        factors=np.stack(factors, axis=1).astype(np.int32),
        pixels=Rows(dataset.pixels, rows),
    )


def _column(dataset, field, factor) -> np.ndarray:
    """A factor's classes [N]."""
    names = dataset.factor_names
    if factor not in names:
        raise UserError(
            f"config.data.{field} names a factor {factor!r}: {did_you_mean(factor, names)}"
            f"{dataset.name} has {', '.join(names) or 'no labels'}"
        )
    return dataset.factors[:, names.index(factor)]


def _holds(dataset, condition) -> np.ndarray:
    """Whether each image's class is as a condition asks, bool [N]."""
    factor, sign, value = condition
    column = _column(dataset, "hold_out", factor)
    words, last = catalogue.words(dataset.name).get(factor, ()), int(column.max())
    numbers = [str(number) for number in range(last + 1)]
    if value not in words and value not in numbers:
        named = f"{', '.join(words)} or " if words else ""
        raise UserError(
            f"config.data.hold_out has {factor}{sign}{value[:80]}: {did_you_mean(value, words)}"
            f"classes of {factor} are {named}0 to {last}"
        )
    number = words.index(value) if value in words else int(value)
    return _SIGNS[sign](column, number)


def _weights(dataset, pairs) -> np.ndarray:
    """Relative weights of all images, float64 [N]."""
    exponent = np.zeros(dataset.num_images)
    for first, second, sigma in pairs:
        a, b = (_from_0_to_1(dataset, factor) for factor in (first, second))
        exponent += np.square((a - b) / sigma) / 2
    return np.exp(exponent.min() - exponent)


def _from_0_to_1(dataset, factor):
    column = _column(dataset, "correlate", factor)
    if not column.max():
        raise UserError(f"config.data.correlate names {factor}: all images have one class of it")
    return column / column.max()
