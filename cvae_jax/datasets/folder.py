"""One's own images: a folder of pictures, with factor labels where a factors.csv lies beside."""

import collections
import contextlib
import csv
import hashlib
import pathlib

import numpy as np
from tqdm import tqdm

from cvae_jax.datasets import working_copy
from cvae_jax.datasets.resizing import opened, square
from cvae_jax.errors import UserError, first_line

LABELS = "factors.csv"  # first column: the file's path in the folder; one column a factor
_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
_GREY = ("1", "L", "I", "I;16", "F")
_CHUNK = 256


def load(path: str, size: int, root: pathlib.Path) -> working_copy.WorkingCopy:
    """The central squares of all pictures under `path`, resized, in the order of their names.

    They are grey if all pictures are grey. They are read once and kept in `root`, until a picture,
    or factors.csv, changes.

    Raises:
      UserError: no pictures, one that can't be read, or labels that don't fit them.
    """
    folder = pathlib.Path(path).expanduser()
    if not folder.is_dir():
        raise UserError(f"config.data.name: there is no folder {folder}")
    files = (f for f in folder.rglob("*") if f.suffix.lower() in _SUFFIXES)
    files = sorted(f for f in files if not f.is_dir())
    if not files:
        raise UserError(f"{folder} holds no pictures; those are read: {', '.join(_SUFFIXES)}")
    table = folder / LABELS
    inputs = [*files, table] if table.exists() else files
    for file in inputs:
        if not file.is_file():  # to open a pipe is to wait for ever
            raise UserError(f"{file} is no file that can be read: mend or remove it")
    listing = "\n".join(f"{f} {f.stat().st_size} {f.stat().st_mtime_ns}" for f in inputs)
    key = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:16]
    copy = root / "folders" / f"{key}_{size}"

    def make():
        names, factors = _labels(table, folder, files) if table.exists() else ((), None)
        channels = 1 if all(_mode(f) in _GREY for f in files) else 3
        source = f"{len(files):,} pictures of {folder.absolute().name}"
        content = working_copy.Content(
            (size, size, channels),
            False,
            names,
            source,
            len(files),
            _chunks(files, factors, size, channels),
        )
        working_copy.store(copy, listing, content)

    return working_copy.cached(f"folder:{path}", copy, listing, make, copy.with_suffix(".lock"))


def _mode(file):
    with _opened(file) as picture:
        return picture.mode


@contextlib.contextmanager
def _opened(file):
    try:
        with file.open("rb") as stream:
            yield opened(stream)
    except Exception as error:  # each format raises its own
        reason = first_line(error)
        raise UserError(
            f"{file} is no picture that can be read ({reason}): mend or remove it"
        ) from error


def _chunks(files, factors, size, channels):
    bar = {"desc": "reading pictures", "unit": "chunk", "disable": None, "leave": False}
    for start in tqdm(range(0, len(files), _CHUNK), **bar):
        images = []
        for file in files[start : start + _CHUNK]:
            with _opened(file) as picture:
                images.append(square(picture, size, channels))
        rows = slice(start, start + len(images))
        none = np.zeros((len(images), 0), np.int32)
        yield np.stack(images), none if factors is None else factors[rows]


def _labels(table, folder, files):
    """(factor names, classes int32 [N, k]) of the files; a factor's classes are its sorted values.

    Values are sorted as numbers where all are numbers.
    """
    try:
        with open(table, newline="", encoding="utf-8") as stream:
            header, *rows = [row for row in csv.reader(stream) if row] or [[]]
    except (csv.Error, ValueError) as error:
        raise UserError(f"{table} is no table of text ({error}): write it as CSV, UTF-8") from error
    if len(header) < 2:
        raise UserError(f"{table} needs a header such as file,colour,shape and a row a picture")
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise UserError(f"{table}, line {number}: {len(row)} values for {len(header)} columns")
    values = {row[0]: row[1:] for row in rows}
    if len(values) < len(rows):
        (twice, _), *_ = collections.Counter(row[0] for row in rows).most_common(1)
        raise UserError(f"{table} has several rows for {twice}: keep one")
    names = [f.relative_to(folder).as_posix() for f in files]
    missing = [name for name in names if name not in values]
    if missing:
        raise UserError(f"{table} has no row for {missing[0]} ({len(missing)} such pictures)")
    columns = np.array([values[name] for name in names]).T  # [k, N], text
    return tuple(header[1:]), np.stack([_classes(column) for column in columns], axis=1)


def _classes(column):
    try:
        column = column.astype(float)
    except ValueError:
        pass
    return np.unique(column, return_inverse=True)[1].astype(np.int32)
