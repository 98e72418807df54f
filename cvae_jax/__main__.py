"""The program: `cvae COMMAND`, or `python -m cvae_jax COMMAND`."""

import importlib
import sys

from cvae_jax import signals

COMMANDS = {
    "train": ("main", "train a model, score it and draw its plots; resume an interrupted run"),
    "evaluate": ("evaluate", "score a run and draw its plots again, also by slow metrics"),
    "encode": ("encode", "write the latents of images to a file"),
    "rank": ("rank", "say which of several runs to trust, without labels"),
    "study": ("study", "train a grid of methods, settings and seeds; table and pictures of it"),
    "gather": ("gather", "print the scores of many runs as one table, or draw them"),
    "datasets": ("datasets.__main__", "list the data sets, or prepare one"),
    "report": ("report.__main__", "write a run's page with sliders, or one that compares runs"),
    "export": ("export", "write a trained model as a small folder to pass on"),
    "reproduce": ("reproduce", "run the paper's tables and figures"),
}
_COMPUTE_LONG = ("train", "evaluate")  # for which the allocator's settings are worth a restart


def usage() -> str:
    """Returns a line for each command."""
    lines = [f"  {name:<11}{what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(["usage: cvae COMMAND [options]; cvae COMMAND --help lists them\n", *lines])


def main(argv=None) -> int:
    """Runs the command that argv names; returns the exit code.

    Args:
      argv: the command's name and its arguments; None: those of the process.
    """
    signals.end_at_once()
    from cvae_jax import cli, errors  # after the handler, as all that takes time

    name, *arguments = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in ("-h", "--help", "help"):
        print(usage())
        return 0
    if name not in COMMANDS:
        hint = errors.did_you_mean(name, COMMANDS)
        print(
            f"error: unknown command {name!r}; {hint}there are {', '.join(COMMANDS)}",
            file=sys.stderr,
        )
        return 2
    if name in _COMPUTE_LONG:
        cli.restart_with_tunables()
    module = importlib.import_module(f"cvae_jax.{COMMANDS[name][0]}")
    return cli.run(module.main, [f"cvae {name}", *arguments])


if __name__ == "__main__":
    sys.exit(main())
