"""The picture of heads3d in docs/data.md: heads, each turned, tilted and lit from the sides.

python -m benchmarks.heads_picture --out=docs/pictures/heads3d.png
"""

import argparse

import numpy as np
from PIL import Image

from cvae_jax.datasets import heads

_VIEWS = [(a, 0, 0) for a in (-75, -35, 0, 35, 75)]
_VIEWS += [(0, e, 0) for e in (-30, 30)] + [(0, 0, light) for light in (-80, -30, 30, 80)]


def main():
    """Writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="docs/pictures/heads3d.png")
    args = parser.parse_args()
    rows = []
    for number in range(5):
        head = heads.identity(number)
        rows.append(np.hstack([heads.render(head, a, e, [li])[0, ..., 0] for a, e, li in _VIEWS]))
    Image.fromarray(np.vstack(rows)).save(args.out)


if __name__ == "__main__":
    main()
