"""What a run's JSON files must look like, whoever wrote them: kind, size, numbers, results."""

import json
import math
import stat
from pathlib import Path

_LARGEST = 16 << 20  # bytes of a JSON file that is read; parsed it takes twenty times as much


def parsed(path: Path, finite: bool):
    """Returns the content of a JSON file.

    Args:
      path: of the file.
      finite: whether NaN and Infinity, which only Python's JSON has, are refused.

    Raises:
      OSError: it is not there or can't be read.
      ValueError, RecursionError: it is no JSON, too large, or has such a number.
    """
    require_file(path, _LARGEST)
    hooks = {"parse_constant": _refuse, "parse_float": _finite} if finite else {}
    return json.loads(path.read_text(encoding="utf-8"), **hooks)


def require_file(path: Path, most: int) -> None:
    """Raises ValueError for a pipe, which has no end, or for more bytes than `most`."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise ValueError("it is no file")
    if found.st_size > most:
        raise ValueError(f"it has {found.st_size:,} bytes, and at most {most:,} are read")


def _refuse(text: str):
    raise ValueError(f"{text} is no number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text[:20])


def require_results(found) -> None:
    """Raises KeyError, TypeError... unless results are as an evaluation writes them."""
    if type(found["step"]) is not int:
        raise TypeError(f"step is a {type(found['step']).__name__}, no whole number")
    _number(found.get("evaluation_seconds", 0.0))
    for score in found["scores"].values():
        for number in (score["value"], score["samples"], score.get("std", 0.0)):
            _number(number)
        _text(score["definition"])
    for text in (found["data"]["name"], found["data"]["source"], found["device"]):
        _text(text)
    for version in found["versions"].values():
        _text(version)
    for diverged in found.get("diverged", {}).values():
        _text(diverged["reason"])


def _text(value) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} in place of text")
    return value


def _number(value) -> float:
    if type(value) not in (int, float):
        raise TypeError(f"{type(value).__name__} in place of a number")
    return float(value)
