"""One's own images: a folder of pictures, with factor labels where a factors.csv lies beside."""

import collections
import contextlib
import csv
import hashlib
import logging
import pathlib

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from cvae_jax.datasets import working_copy
from cvae_jax.datasets.resizing import opened, square
from cvae_jax.errors import UserError, first_line

log = logging.getLogger(__name__)

LABELS = "factors.csv"  # first column: the file's path in the folder; one column a factor
_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
_GREY = ("1", "L", "LA", "La", "I", "I;16", "F")
_CHUNK = 256
_SCALE = 20  # pictures, from which many values are a scale
_READ_AS = "2: turned by EXIF, transparency on white"  # another: copies are made anew


def names(path: str) -> list[str]:
    """The pictures under `path` by their paths in it, in the order in which `load` has them.

    Raises:
      UserError: there is no such folder, or no picture in it.
    """
    folder = pathlib.Path(path).expanduser()
    return _names(_pictures(folder), folder)


def _names(files, folder):
    return [f.relative_to(folder).as_posix() for f in files]


def _pictures(folder):
    if not folder.is_dir():
        raise UserError(f"config.data.name: there is no folder {folder}")
    files = (f for f in folder.rglob("*") if f.suffix.lower() in _SUFFIXES)
    files = sorted(f for f in files if not f.is_dir())
    if not files:
        raise UserError(f"{folder} holds no pictures; those are read: {', '.join(_SUFFIXES)}")
    return files


def load(path: str, size: int, root: pathlib.Path) -> working_copy.WorkingCopy:
    """The central squares of all pictures under `path`, resized, in the order of their names.

    They are as a viewer shows them, turned as their EXIF says and what is transparent on white, and
    grey if all pictures are stored as grey. They are read once and kept in `root`, until a picture,
    or factors.csv, changes.

    Raises:
      UserError: no pictures, one that can't be read, or labels that don't fit them.
    """
    folder = pathlib.Path(path).expanduser()
    files = _pictures(folder)
    table = folder / LABELS
    inputs = [*files, table] if table.exists() else files
    for file in inputs:
        if not file.is_file():  # to open a pipe is to wait for ever
            raise UserError(f"{file} is no file that can be read: mend or remove it")
    stats = [(f.relative_to(folder), f.stat()) for f in inputs]
    listing = "\n".join([_READ_AS, *(f"{f} {s.st_size} {s.st_mtime_ns}" for f, s in stats)])
    key = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:16]
    copy = root / "folders" / f"{key}_{size}"

    def make():
        names, factors = _labels(table, folder, files) if table.exists() else ((), None)
        channels = 1 if all(map(_is_grey, files)) else 3
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


def _is_grey(file):
    with _opened(file) as picture:
        if picture.mode == "P":
            colours = np.reshape(picture.getpalette("RGB"), (-1, 3))
            return bool((colours == colours[:, :1]).all())
        return picture.mode in _GREY


def _as_shown(picture):
    """The picture as a viewer shows it."""
    picture = ImageOps.exif_transpose(picture)
    # Of 16 bits `square` makes 8; Pillow would cut them off.
    if picture.mode.startswith("I;16") or not picture.has_transparency_data:
        return picture
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)


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
                images.append(square(_as_shown(picture), size, channels))
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
    for name in header:
        if not name.strip() or header.count(name) > 1:
            what = f"several columns named {name}" if name.strip() else "a column without a name"
            raise UserError(f"{table} has {what}: each factor needs one of its own")
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise UserError(f"{table}, line {number}: {len(row)} values for {len(header)} columns")
        for name, value in zip(header, row, strict=True):
            if value.strip().lower() in ("", "nan"):
                raise UserError(f"{table}, line {number}: no value of {name}; fill it in")
    values = {row[0]: row[1:] for row in rows}
    if len(values) < len(rows):
        (twice, _), *_ = collections.Counter(row[0] for row in rows).most_common(1)
        raise UserError(f"{table} has several rows for {twice}: keep one")
    named = _names(files, folder)
    missing = [name for name in named if name not in values]
    if missing:
        raise UserError(f"{table} has no row for {missing[0]} ({len(missing)} such pictures)")
    columns = np.array([values[name] for name in named]).T  # [k, N], text
    factors = dict(zip(header[1:], map(_classes, columns), strict=True))
    for name, classes in factors.items():
        count = classes.max() + 1
        if len(files) > _SCALE and count > len(files) / 2:
            log.warning(
                "%s: %s has %d values in %d pictures, each a class of its own: scores tell little; "
                "round a quantity to fewer",
                *(table, name, count, len(files)),
            )
    return tuple(factors), np.stack([*factors.values()], axis=1)


def _classes(column):
    try:
        column = column.astype(float)
    except ValueError:
        pass
    return np.unique(column, return_inverse=True)[1].astype(np.int32)
