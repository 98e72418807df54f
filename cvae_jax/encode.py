"""Latents of images: `cvae encode runs/dsprites --data=folder:PATH`."""

if __name__ == "__main__":  # as `cvae encode`, before the imports below
    import sys

    from cvae_jax import __main__ as program

    sys.exit(program.main(["encode", *sys.argv[1:]]))

from pathlib import Path

from cvae_jax import cli, files
from cvae_jax.errors import UserError
from cvae_jax.runs.encoding import encode, save

__all__ = ["encode", "main", "save"]


@cli.command
def main(argv) -> None:
    """Encodes as the command line asks."""
    parser = cli.Parser("encode", __doc__)
    parser.add_run("a trained run, or a model as load takes it")
    parser.add_data("a data set or folder:PATH; default: the run's")
    parser.add_data_dir("where data are kept; default: the run's")
    parser.add_argument("--split", default="train", help="of the data set")
    parser.add_argument(
        "--out", default="codes.npz", type=cli.path, help="an .npz or .csv file to write"
    )
    args = parser.parse_run(argv[1:])
    out = _writable(Path(args.out))
    cli.keep_programs()
    count, latents = encode(args.run, out, args.data, args.data_dir, args.split)
    cli.show(f"{count:,} images, {latents} latents each: {out}")


def _writable(out: Path) -> Path:
    """Returns the file of --out, before the work for it."""
    if out.suffix not in (".npz", ".csv"):
        raise UserError(f"--out {out} must end in .npz or .csv")
    if out.is_dir() or not out.parent.is_dir():
        reason = "is a folder" if out.is_dir() else f"there is no folder {out.parent}"
        raise UserError(f"--out {out}: {reason}; name a file to write")
    files.require_writable(out)
    return out
