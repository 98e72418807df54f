"""factors.csv: labels of pictures, typed by hand, matched to the pictures by their names."""

import collections
import contextlib
import csv
import itertools
import logging
import math
import pathlib
import posixpath
import unicodedata

import numpy as np

from cvae_jax.errors import UserError, did_you_mean

log = logging.getLogger(__name__)

_SCALE = 20  # pictures, from which many values are a scale
_NEAR = 2_000  # names among which the nearest is looked for


def read(table: pathlib.Path, pictures: list[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Returns the factors' names and the pictures' classes, int32 [N, k].

    A factor's classes are its sorted values, sorted as numbers where all are numbers. Names and
    values are stripped of blanks. A row's name is compared with a picture's as it is, then after
    Unicode normalisation with / for backslashes and without ./, then without regard to case.

    Args:
      table: a CSV file in UTF-8 with a header; its first column is a picture's path.
      pictures: their paths [N].

    Raises:
      UserError: it is no such table, or a picture has no row or several.
    """
    header, rows = _cells(table)
    row_of = _matched(table, pictures, rows)
    columns = zip(*(rows[row_of[name]] for name in pictures), strict=True)
    factors = {}
    for name, column in zip(header, columns, strict=True):
        factors[name] = _classes(column)
        if doubt := _doubt(column):
            log.warning("%s: %s %s", table, name, doubt)
    for name, classes in factors.items():
        count = classes.max() + 1
        if len(pictures) > _SCALE and count > len(pictures) / 2:
            log.warning(
                "%s: %s has %s values in %s pictures, each a class of its own: scores say little; "
                "round a quantity to fewer",
                *(table, name, f"{count:,}", f"{len(pictures):,}"),
            )
    return tuple(factors), np.stack([*factors.values()], axis=1)


def _text(cell: str) -> str:
    return unicodedata.normalize("NFC", cell.strip())


def _cells(table):
    """(factor names, {first cell: the row's other cells})."""
    try:
        with open(table, newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            lines = [(reader.line_num, row) for row in reader if any(map(str.strip, row))]
    except (csv.Error, ValueError) as error:
        raise UserError(f"{table} is no table of text ({error}): write it as CSV, UTF-8") from error
    header = [_text(name) for name in lines[0][1]] if lines else []
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        other = "semicolons" if ";" in header[0] else "tabs"
        raise UserError(f"{table} separates its columns by {other}: write it with commas")
    if len(header) < 2:
        raise UserError(f"{table} needs a header such as file,colour,shape and a row per picture")
    for name in header:
        if not name or header.count(name) > 1:
            what = f"several columns named {name}" if name else "a column without a name"
            raise UserError(f"{table} has {what}: each factor needs one of its own")
    rows = {}
    for number, row in lines[1:]:
        if len(row) != len(header):
            raise UserError(f"{table}, line {number}: {len(row)} values for {len(header)} columns")
        picture, *values = row[0].strip(), *map(_text, row[1:])
        for name, value in zip(header[1:], values, strict=True):
            if value.lower().lstrip("+-") in ("", "nan"):
                raise UserError(f"{table}, line {number}: no value of {name}; fill it in")
        if picture in rows:
            raise UserError(f"{table} has several rows for {picture}: keep one")
        rows[picture] = values
    return header[1:], rows


def _plain(name: str) -> str:
    return posixpath.normpath(_text(name).replace("\\", "/"))


def _any_case(name: str) -> str:
    return _plain(name).casefold()


def _matched(table, pictures, rows) -> dict[str, str]:
    """{picture: the first cell of its row}; rows of no picture are reported."""
    found, left = {}, dict.fromkeys(rows)
    for key in (str, _plain, _any_case):
        open_pictures = collections.defaultdict(list)
        for picture in pictures:
            if picture not in found:
                open_pictures[key(picture)].append(picture)
        open_rows = collections.defaultdict(list)
        for row in left:
            open_rows[key(row)].append(row)
        here = {
            names[0]: open_rows[k][0]
            for k, names in open_pictures.items()
            if len(names) == len(open_rows.get(k, ())) == 1
        }
        for row in here.values():
            del left[row]
        found |= here
        if here and key is _any_case:
            picture, row = next(iter(here.items()))
            log.warning(
                "%s: %s names are those of pictures only without regard to case, such as %s for %s",
                *(table, f"{len(here):,}", row, picture),
            )
    _require_all(table, pictures, found, left)
    return found


def _require_all(table, pictures, found, left):
    """Refuse pictures without a row and second rows; report rows without a picture."""
    taken = {_plain(picture): picture for picture in found}
    for row in left:
        if _plain(row) in taken:
            raise UserError(f"{table} has several rows for {taken[_plain(row)]}: keep one")
    missing = [picture for picture in pictures if picture not in found]
    if missing:
        near = did_you_mean(missing[0], [*left][:_NEAR]).replace("did you mean", "is it")
        raise UserError(
            f"{table} has no row for {missing[0]} ({len(missing)} such pictures)"
            + (f"; {near.strip()}" if near else "")
        )
    if left:
        row = next(iter(left))
        near = did_you_mean(row, pictures[:_NEAR])
        log.warning(
            "%s: %s rows name no picture, such as %s%s",
            *(table, f"{len(left):,}", row, f"; {near.strip()}" if near else ""),
        )


def _number(value: str) -> float | int | None:
    with contextlib.suppress(ValueError):  # exact, also beyond 2^53
        return int(value)
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _doubt(column) -> str:
    """What in a column may be a slip; "": nothing."""
    words = sorted({value for value in column if _number(value) is None})
    if words and len(words) < len({*column}):
        return (
            f"has numbers and words such as {words[0][:40]!r}, so all its values are taken as words"
        )
    for first, second in itertools.pairwise(sorted(words, key=str.casefold)):
        if first.casefold() == second.casefold():
            return f"has classes that differ by case alone, {first!r} and {second!r}"
    return ""


def _classes(column) -> np.ndarray:
    numbers = [_number(value) for value in column]
    column = column if None in numbers else numbers
    place = {value: i for i, value in enumerate(sorted(set(column)))}
    return np.array([place[value] for value in column], np.int32)
