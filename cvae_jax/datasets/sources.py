"""Where a data set's files are: put there by hand, downloaded earlier, or downloaded now."""

import contextlib
import gzip
import hashlib
import http.client
import math
import os
import pathlib
import tarfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from cvae_jax.errors import UserError, first_line, of_the_disk
from cvae_jax.files import locked_if_possible, no_link

_CHUNK = 1 << 20
_LARGEST = 1 << 30  # bytes of an array that is read whole; SmallNORB's has 448 million


class File(NamedTuple):
    """A file as it was published."""

    name: str
    urls: tuple[str, ...]  # tried in order; none: only by hand
    digest: str = ""  # "sha256:..." or "md5:..." of the published bytes; "": nobody gives one
    size: int = 0  # bytes; 0: unknown
    page: str = ""  # where people get it, when no url serves it freely


class Found(NamedTuple):
    """A file that is there."""

    path: pathlib.Path
    published: bool  # it has the published digest


def find(file: File, data_dir: pathlib.Path, folder: str = "") -> Found:
    """Finds a file in <data_dir>/downloads/manual/<folder> or downloads/<folder>, or downloads it.

    A file put there by hand may also be unpacked (without its .gz) or other than the published one:
    its form is the caller's to check, and `published` says which it is. An interrupted
    download is resumed; one with other bytes than the published is refused and removed.

    Raises:
      UserError: it is not there and no url gave it: what to fetch, from where, and where to put it.
    """
    manual = data_dir / "downloads" / "manual" / folder / file.name
    for path in (manual, manual.with_name(file.name.removesuffix(".gz"))):
        if path.is_file():
            return Found(path, has_digest(path, file.digest))
    downloaded = data_dir / "downloads" / folder / file.name
    if downloaded.is_file():
        return Found(downloaded, True)
    reasons = _fetch(file, downloaded)
    if downloaded.is_file():
        return Found(downloaded, True)
    where = file.page or (file.urls[0] if file.urls else "its owners")
    remedy = f"fetch it from {where} yourself, put it at {manual}, and run the same command again"
    tried = f" and did not download ({'; '.join(reasons)})" if reasons else ""
    raise UserError(f"{file.name} is missing{tried}: {remedy}")


def note(*found: Found) -> str:
    """Returns what a source of these files adds to its name: "" if all are the published ones."""
    if all(one.published for one in found):
        return ""
    return f", not the published {'files' if len(found) > 1 else 'file'}"


def _fetch(file: File, path: pathlib.Path) -> list[str]:
    """Downloads a file to path from the first url that gives it; returns why others did not.

    Processes that want the same file wait for the first, as two would write into one another.
    """
    reasons, part = [], path.with_name(file.name + ".part")
    with contextlib.suppress(OSError):  # the download names what a disk refuses
        path.parent.mkdir(parents=True, exist_ok=True)
    with locked_if_possible(path.with_name(f".{file.name}.lock")):
        for url in file.urls:
            if path.is_file():  # another process has fetched it in the meantime
                break
            try:
                download(url, part)
            except (OSError, http.client.HTTPException) as error:
                reasons.append(f"{url}: {error or type(error).__name__}")
                continue
            found, size = _digest(part, file.digest), part.stat().st_size
            if found == file.digest and size == (file.size or size):
                os.replace(part, path)
            else:
                part.unlink()
                reasons.append(f"{url} now gives another file, of {size:,} bytes, {found}")
    return reasons


def download(url: str, part: pathlib.Path) -> None:
    """Writes the content at url to `part`, going on where an earlier attempt broke off.

    Raises:
      OSError or HTTPException: no answer, or the connection ended early; `part` is kept.
    """
    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        response = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if start and error.code == 416:  # nothing is left to send
            return
        raise
    with response:
        goes_on = start and response.status == 206
        total = response.length and response.length + (start if goes_on else 0)
        bar = tqdm(
            desc=part.name.removesuffix(".part"),
            initial=start if goes_on else 0,
            total=total,
            unit="B",
            unit_scale=True,
            disable=None,
            leave=False,
        )
        with bar, open(part, "ab" if goes_on else "wb", opener=no_link) as out:
            while chunk := response.read(_CHUNK):
                out.write(chunk)
                bar.update(len(chunk))
        if response.length:
            raise OSError(f"the connection ended {response.length:,} bytes early")


def _digest(path: pathlib.Path, like: str) -> str:
    """The file's digest of the same kind; "" where none is known."""
    if not like:
        return ""
    kind = like.partition(":")[0]
    with open(path, "rb") as stream:
        return f"{kind}:{hashlib.file_digest(stream, lambda: hashlib.new(kind)).hexdigest()}"


def has_digest(path: pathlib.Path, digest: str) -> bool:
    """Returns whether a file has a digest such as "sha256:..."; none has the digest ""."""
    return bool(digest) and _digest(path, digest) == digest


@contextlib.contextmanager
def unpacked(path: pathlib.Path) -> Iterator:
    """Returns a file's content as a stream, gunzipped where its name ends in .gz.

    Raises:
      ValueError: the gzip file is damaged.
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb") as stream:
            yield stream
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"its gzip is damaged: {error}") from error


def read_array(stream, dtype, shape: tuple[int, ...]) -> np.ndarray:
    """Returns the rest of a stream, which must be an array's values.

    Memory is taken as bytes arrive, whatever the header claims.

    Raises:
      ValueError: there are more or fewer bytes, or too many for an array of this package's data.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if not 0 <= size <= _LARGEST:
        raise ValueError(f"an array of {shape}: at most {_LARGEST:,} bytes are read")
    content = bytearray()
    while chunk := stream.read(min(_CHUNK, size + 1 - len(content))):
        content += chunk
    if len(content) != size:
        raise ValueError(f"not the {size:,} bytes of an array of {shape}")
    return np.frombuffer(content, dtype).reshape(shape)


def require_tar_end(archive: tarfile.TarFile) -> None:
    """Refuses an archive that ends before its end, once all its members have been visited.

    Of a damaged header tarfile says nothing: it ends there. Of a gzipped one this compares the
    checksum as well.

    Raises:
      ValueError: there is no end where it stopped.
    """
    archive.fileobj.seek(archive.offset)
    end = archive.fileobj.read(tarfile.BLOCKSIZE)
    if len(end) < tarfile.BLOCKSIZE or any(end):
        raise ValueError("it is cut off or damaged within")
    while archive.fileobj.read(_CHUNK):
        pass


def refusing(path: pathlib.Path, what: str, rows: Iterator) -> Iterator:
    """Yields the rows of a file; whatever goes wrong in reading them is raised as one UserError."""
    try:
        yield from rows
    except Exception as error:  # zlib, zip, tar, pickle and Pillow raise a dozen kinds
        if isinstance(error, UserError) or of_the_disk(error):
            raise
        raise _refusal(path, what, error) from error


def _refusal(path, what, error):
    reason = first_line(error)
    return UserError(
        f"{path} is not {what} ({reason}): put a good one in its place and run the same command "
        "again"
    )
