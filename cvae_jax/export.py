"""A trained run as a small folder to pass on: `cvae export runs/dsprites`.

In it: weights.npz, the parameters of encoder and decoder; config.json and data.json, with which
`cvae_jax.load` builds the model; card.md, which says what it is; encoder.bin and decoder.bin,
programs that run with JAX and flatbuffers alone, on CPUs, GPUs and TPUs.
"""

if __name__ == "__main__":  # as `cvae export`, before the imports below
    import sys

    from cvae_jax import __main__ as program

    sys.exit(program.main(["export", *sys.argv[1:]]))

import re
from pathlib import Path

from cvae_jax import cli
from cvae_jax.runs.exporting import FILES, PLATFORMS, export, programs

__all__ = ["FILES", "PLATFORMS", "export", "main", "programs"]


def _name(workdir: Path) -> str:
    """Returns a run's name; of one of several seeds with the run's, as each has a seed_0."""
    seed = re.fullmatch(r"seed_\d+", workdir.name)
    return f"{workdir.parent.name}-{workdir.name}" if seed else workdir.name


@cli.command
def main(argv) -> None:
    """Exports as the command line asks."""
    parser = cli.Parser("export", __doc__.splitlines()[0])
    parser.add_run("a trained run")
    parser.add_argument(
        "--out", default="", type=cli.path, help="a folder; default: models/ and the run's name"
    )
    args = parser.parse_run(argv[1:])
    out = Path(args.out) if args.out else Path("models") / _name(Path(args.run).absolute())
    export(args.run, out)
    sizes = [f"{name} {(out / name).stat().st_size / 1e6:.2f} MB" for name in FILES]
    cli.show(f"{out}: {', '.join(sizes)}; {out / 'card.md'} says what it is")
