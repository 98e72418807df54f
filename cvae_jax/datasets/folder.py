"""One's own images: a folder of pictures, with factor labels where a factors.csv lies beside."""

import contextlib
import hashlib
import logging
import os
import pathlib

import numpy as np
from PIL import Image, ImageOps

from cvae_jax import errors
from cvae_jax.datasets import arrays, factor_table, progress, resizing, working_copy
from cvae_jax.errors import UserError, first_line
from cvae_jax.files import expanded

log = logging.getLogger(__name__)

LABELS = "factors.csv"  # first column: the file's path in the folder; one column per factor
# Of macOS' zips, of Synology's disks, of Windows' bins.
_OF_SYSTEMS = ("__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN")
_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
_GREY = ("1", "L", "LA", "La", "I", "F")
_CHUNK = 256
_DEPTHS = (8, 10, 12, 16)  # bits that cameras and their programs give
_READ_AS = "4: depth by the largest value, no names of systems"  # another: copies are made again


def names(path: str) -> list[str]:
    """Returns the paths of the pictures under `path`, in the order in which `load` has them.

    Raises:
      UserError: there is no such folder, or no picture in it.
    """
    folder = expanded(path)
    return _names(_pictures(folder)[0], folder)


def _names(files, folder):
    return [f.relative_to(folder).as_posix() for f in files]


def _pictures(folder):
    """(pictures, how many files named like pictures were left out)."""
    if not folder.is_dir():
        raise UserError(f"{errors.option('data')}: there is no folder {folder}")
    files = [f for f in _walk(folder) if f.suffix.lower() in _SUFFIXES]
    pictures = sorted(f for f in files if not is_hidden(f.relative_to(folder)))
    if not pictures:
        raise UserError(f"{folder} holds no pictures; those are read: {', '.join(_SUFFIXES)}")
    return pictures, len(files) - len(pictures)


def is_hidden(path):
    """Returns whether a system or program made a file: .ipynb_checkpoints/a.png, ._a.png."""
    names = [part for part in path.parts if part != ".."]
    return any(name.startswith(".") or name in _OF_SYSTEMS for name in names)


def _walk(folder):
    """All files under a folder; links to folders are followed, each folder once."""
    seen, tops = set(), [folder]
    while tops:  # links come last, so that a folder has its own name
        for root, folders, files in os.walk(tops.pop(0), onerror=_unreadable):
            here, real = pathlib.Path(root), os.path.realpath(root)
            if real in seen or pathlib.Path(real) in folder.resolve().parents:
                log.warning("%s leads to a folder that is read already: left out", root)
                folders.clear()
                continue
            seen.add(real)
            folders.sort()
            tops += [here / name for name in folders if (here / name).is_symlink()]
            yield from (here / name for name in files)


def _unreadable(error):
    raise UserError(f"can't read {error.filename}: {error.strerror}; fix or remove it")


def load(path: str, size: int, root: pathlib.Path) -> working_copy.WorkingCopy:
    """Returns the central squares of all pictures under `path`, resized, in the order of names.

    They are as a viewer shows them, turned as their EXIF says and what is transparent on white, and
    grey if all pictures are stored as grey. Pictures of 16 bits have as many as the largest value
    among them needs. Names with a leading dot in any part, and what systems put beside pictures,
    such as __MACOSX, are left out. They are read once and kept in `root`, until a picture, or
    factors.csv, changes.

    Raises:
      UserError: no pictures, one that can't be read, or labels that don't fit them.
    """
    folder = expanded(path)
    files, skipped = _pictures(folder)
    if skipped:
        log.info(
            "%s: %s files are left out, hidden or put there by a system", folder, f"{skipped:,}"
        )
    table = _table(folder)
    inputs = [*files, table] if table else files
    for file in inputs:
        if not file.is_file():  # to open a pipe is to wait for ever
            raise UserError(f"{file} is no file that can be read: fix or remove it")
    listing = f"{_READ_AS}\n{working_copy.listing(folder, inputs)}"
    key = hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:16]
    copy = root / "folders" / f"{key}_{size}"

    def make():
        names, factors = (), None
        if table:
            names, factors = factor_table.read(table, _names(files, folder))
        channels, bits = _form(folder, files)
        source = f"{len(files):,} pictures of {folder.absolute().name}"
        chunks = _chunks(files, factors, size, channels, bits)
        content = working_copy.Content(
            (size, size, channels),
            False,
            names,
            source,
            len(files),
            arrays.warning_if_flat(f"{len(files)} pictures", chunks),
        )
        working_copy.store(copy, listing, content)

    return working_copy.cached(f"folder:{path}", copy, listing, make, copy.with_suffix(".lock"))


def _table(folder):
    """The table of labels, whatever the case of its name; None: there is none."""
    exact = folder / LABELS
    if exact.exists():
        return exact
    alike = sorted(path for path in folder.iterdir() if path.name.casefold() == LABELS)
    if alike:
        log.warning("%s is taken for %s", alike[0], LABELS)
    return alike[0] if alike else None


def _form(folder, files):
    """(channels of all pictures, bits of those that are stored with 16)."""
    grey, largest, cut = True, -1, 0
    for file in files:
        with _opened(file) as picture:
            grey = grey and _is_grey(picture)
            cut += resizing.is_cut(picture)
            if resizing.is_deep(picture):
                largest = max(largest, int(np.asarray(picture).max()))
    bits = next(bits for bits in _DEPTHS if largest < 1 << bits)
    if largest >= 0:
        log.info(
            "%s: values of its pictures of 16 bits reach %d: read as %d bits", folder, largest, bits
        )
    if cut:
        log.warning(
            "%s: of %s pictures of 16 bits in colour the upper 8 are read", folder, f"{cut:,}"
        )
    return 1 if grey else 3, bits


def _is_grey(picture):
    if picture.mode == "P":
        colours = np.reshape(picture.getpalette("RGB"), (-1, 3))
        return bool((colours == colours[:, :1]).all())
    return picture.mode in _GREY or resizing.is_deep(picture)


def _as_shown(picture):
    """The picture as a viewer shows it."""
    ImageOps.exif_transpose(picture, in_place=True)
    # Of 16 bits `square` makes 8; Pillow would cut them off.
    if resizing.is_deep(picture) or not picture.has_transparency_data:
        return picture
    if picture.mode != "RGBA":  # or it would be copied
        picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)


@contextlib.contextmanager
def _opened(file, size=0):
    try:
        with file.open("rb") as stream:
            yield resizing.opened(stream, size)
    except Exception as error:  # each format raises its own
        reason = first_line(error)
        raise UserError(
            f"{file} is no picture that can be read ({reason}): fix or remove it"
        ) from error


def _chunks(files, factors, size, channels, bits):
    starts = range(0, len(files), _CHUNK)
    for start in progress.watched(starts, "reading", len(files), _CHUNK):
        images = []
        for file in files[start : start + _CHUNK]:
            with _opened(file, size) as picture:
                images.append(resizing.square(_as_shown(picture), size, channels, bits=bits))
        rows = slice(start, start + len(images))
        none = np.zeros((len(images), 0), np.int32)
        yield np.stack(images), none if factors is None else factors[rows]
