"""Metrics to metrics.jsonl, and to TensorBoard where the extra is installed."""

import contextlib
import importlib.util
import json
import math
from pathlib import Path

import numpy as np

from cvae_jax import files
from cvae_jax.errors import UserError
from cvae_jax.runs import forms

_LARGEST = 1 << 30  # bytes of a run's curves
_LINE = 1 << 20  # bytes of a line; one of a long run has about a thousand
_NAMES = 10_000  # of metrics
_MOST = 20_000  # lines in memory


def read_metrics(path: Path) -> list[dict]:
    """Returns the whole lines of a metrics.jsonl; a line torn by a kill is left out.

    Of more than 20,000 the first, the last and evenly spaced ones between.

    Raises:
      UserError: it can't be read, or a line is not as `MetricsWriter` writes it.
    """
    kept, every, last = [], 1, None
    for index, last in enumerate(_lines(path)):
        if index % every == 0:
            kept.append(last)
        if len(kept) > _MOST:
            kept, every = kept[::2], 2 * every
    return kept if not kept or kept[-1] is last else [*kept, last]


def training_seconds(metrics: list[dict]) -> float | None:
    """Returns the seconds of the steps that a run's curves cover; None: they have no speed.

        sum_i (step_i - step_{i-1}) / steps_per_second_i

    without evaluations, and without steps that were lost and taken again.

    Args:
      metrics: see `read_metrics`.
    """
    seconds, before = 0.0, 0
    for line in metrics:
        rate = line.get("steps_per_second", 0.0)
        if not isinstance(rate, int | float) or rate <= 0:
            return None
        seconds += (line["step"] - before) / rate
        before = line["step"]
    return seconds if metrics else None


def _lines(path):
    """Each whole line of a metrics.jsonl, checked; see `read_metrics`."""
    if not path.exists():
        return
    try:
        forms.require_file(path, _LARGEST)
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror}; remove it") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): remove it") from None
    try:
        with path.open("rb") as file:
            yield from _checked(path, file)
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror}; remove it") from None


def _checked(path, file):
    number, lengths = 0, {}
    while line := file.readline(_LINE):
        number += 1
        whole = line.endswith(b"\n")
        if not whole and len(line) < _LINE:  # torn
            return
        metrics = _parsed(line) if whole else None
        # a metric is a number in all lines, or as long a vector in all
        if (
            metrics is None
            or any(lengths.setdefault(k, x) != x for k, x in _lengths(metrics))
            or len(lengths) > _NAMES
        ):
            raise UserError(
                f"{path}, line {number} is damaged: remove this line, which only the curves need"
            )
        yield metrics


def _parsed(line: bytes) -> dict | None:
    """A line as `MetricsWriter` writes it; None: it is not such a line."""
    try:
        found = json.loads(line)
        numbers = [x for value in found.values() for x in (value if _vector(value) else [value])]
        if type(found["step"]) is int and all(map(_finite, numbers)):
            return found
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        pass
    return None


def _vector(value):
    return isinstance(value, list) and value


def _finite(value):
    return type(value) in (int, float) and math.isfinite(value)


def _lengths(metrics):
    """(name, length; 0 of a number) of each metric."""
    return [(name, len(x) if isinstance(x, list) else 0) for name, x in metrics.items()]


def scalars(metrics: dict) -> dict:
    """Metrics as numbers by name; those of a short vector are name/1, name/2, ..."""
    found = {}
    for name, value in metrics.items():
        values = np.atleast_1d(value).tolist()
        numbered = {f"{name}/{i}": x for i, x in enumerate(values, 1)}
        found |= numbered if np.ndim(value) else {name: values[0]}
    return found


class MetricsWriter:
    """Appends metrics; at a resume, the lines past the step that is resumed are dropped."""

    def __init__(self, workdir: Path, step: int):
        self._path = path = workdir / "metrics.jsonl"
        kept = (json.dumps(line) + "\n" for line in _lines(path) if line["step"] <= step)
        with self._naming_the_file():
            with files.replacing(path, "w") as file:
                file.writelines(kept)
            self._file = open(path, "a", opener=files.no_link)
        self._board = None
        if importlib.util.find_spec("tensorboardX"):
            from tensorboardX import SummaryWriter

            folder = workdir / "tensorboard"
            if folder.is_symlink():  # what lies behind it may be anyone's
                folder.unlink()
            self._board = SummaryWriter(str(folder), purge_step=step + 1)

    @contextlib.contextmanager
    def _naming_the_file(self):
        try:
            yield
        except OSError as error:
            remedy = "free space or fix the disk, then run the same command again"
            raise files.not_written(self._path, error, remedy) from error

    def write(self, step: int, metrics: dict) -> None:
        """Writes scalars and short vectors of one step.

        Raises:
          UserError: a metric is neither, or the disk is full.
        """
        for name, value in metrics.items():
            if np.ndim(value) > 1 or np.size(value) == 0:
                raise UserError(
                    f"the objective's metric {name!r} has the shape {list(np.shape(value))}: make "
                    "it a number or a vector"
                )
        metrics = {name: np.asarray(value).tolist() for name, value in metrics.items()}
        with self._naming_the_file():
            self._file.write(json.dumps({"step": step, **metrics}) + "\n")
            self._file.flush()
        if self._board:
            for name, value in scalars(metrics).items():
                self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Closes the files."""
        with contextlib.suppress(OSError):  # of a line that could not be written, which was logged
            self._file.close()
        if self._board:
            self._board.close()
