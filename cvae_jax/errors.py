"""Mistakes and mishaps that the user can fix: one line that names the cause and the remedy."""

import contextlib
import difflib
import errno
import unicodedata

# What a full, forbidden or broken disk answers.
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)
# A file where a folder should be, a folder where a file should be, a name that no disk takes.
PATH = (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG)
# Alike enough to be a slip: towr for tower, but not dip_vae for vae.
_NEAR = 0.65
# How to set which data are read, where they are kept and at which size, a run's folder, and how to
# begin with a run's weights: fields and arguments, while no program says how its command line has
# them.
_options = {
    "data": "config.data.name",
    "data_dir": "data_dir=...",
    "size": "set config.data.size to {size}",
    "workdir": "--workdir",
    "weights": ", with {init_from} to start from its weights",
}


def of_the_disk(error: Exception) -> bool:
    """Returns whether an error is the disk's fault, not that of a file's content.

    What gzip and zip raise is an OSError without a number; a damaged zip can name a place before
    the file's beginning, which is EINVAL.
    """
    return isinstance(error, OSError) and error.errno not in (None, errno.EINVAL)


class UserError(ValueError):
    """Raised with one line: what is wrong, and what to do. Programs print it and exit with 2."""

    def _render_traceback_(self) -> list[str]:
        """Returns what IPython shows in place of a traceback: in a notebook one line as well."""
        return [f"error: {self}"]


def did_you_mean(name, names) -> str:
    """Returns "did you mean 'tower'? " for a name near one of names; "" where none is near."""
    near = [] if "/" in str(name) else difflib.get_close_matches(str(name), names, 1, _NEAR)
    return f"did you mean {near[0]!r}? " if near else ""


def first_line(error: Exception) -> str:
    """Returns what an exception says, in one line; of one that says nothing its name."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def is_out_of_memory(error: Exception) -> bool:
    """Returns whether Python, numpy or XLA found no memory."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


def printable(text: str) -> str:
    r"""Returns text as a terminal may have it: what a name could steer it by is spelt out.

    Control characters and those that change the direction of writing become \x1b or \u202e, as do
    the parts of a path that are no text; line breaks and tabs stay.
    """
    return "".join(
        c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs") else repr(c)[1:-1]
        for c in text
    )


def option(name: str) -> str:
    """Returns how the running program names one of `_options`: for remedies.

    Shared modules ask, as not every program has every option.
    """
    return _options[name]


def name_options(**options: str) -> None:
    """Sets what `option` returns; for programs, within `own_options`."""
    _options.update(options)


@contextlib.contextmanager
def own_options():
    """What `name_options` sets within it holds as long: a caller in Python has no command line."""
    before = dict(_options)
    try:
        yield
    finally:
        _options.update(before)
