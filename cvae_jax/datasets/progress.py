"""How far the preparation of data is: a bar in a terminal, a line now and then elsewhere."""

import contextlib
import io
import logging
import time
import warnings
from collections.abc import Iterable, Iterator

from tqdm import tqdm

log = logging.getLogger(__name__)

_LIBRARIES = r"(absl|array_record|etils|tensorflow_datasets)\b"
_SHOW_EVERY = 20  # seconds between lines where there is no terminal for a bar


def watched(items: Iterable, what: str, total: int | None = None, each: int = 1) -> Iterator:
    """Yields the items, and shows how many images have been done.

    In a terminal a bar, which is removed at the end; in a file or a notebook a line every 20
    seconds, so that work of a few seconds shows nothing.

    Args:
      items: images, or chunks of them.
      what: the work, for instance "reading".
      total: images in all; None: unknown.
      each: images in an item; the last may have fewer.
    """
    of = f" of {total:,}" if total is not None else ""
    done, shown = 0, time.monotonic()
    bar = {"desc": what, "unit": "image", "disable": None, "leave": False, "dynamic_ncols": True}
    with tqdm(total=total, **bar) as bar:
        for item in items:
            yield item
            count = each if total is None else min(each, total - done)
            done += count
            bar.update(count)
            if bar.disable and time.monotonic() - shown > _SHOW_EVERY:
                log.info("%s: %s%s images", what, f"{done:,}", of)
                shown = time.monotonic()


@contextlib.contextmanager
def without_that_of_tfds() -> Iterator[None]:
    """Keeps tensorflow-datasets' bars, prints, log lines and warnings off the screen.

    Its errors are raised as ever. Messages of this package go to standard error, and are shown.
    """
    from absl import logging as absl_logging
    from tensorflow_datasets.core.utils import tqdm_utils

    bars, verbosity = tqdm_utils._active, absl_logging.get_verbosity()
    tqdm_utils.disable_progress_bar()
    absl_logging.set_verbosity(absl_logging.FATAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=_LIBRARIES)
            yield
    finally:
        tqdm_utils.display_progress_bar(bars)
        absl_logging.set_verbosity(verbosity)
