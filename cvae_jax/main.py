"""Train and evaluate: `python -m cvae_jax.main --config=configs/dsprites.py`."""

import sys
from pathlib import Path

from absl import flags
from ml_collections import config_flags

from cvae_jax import allocator, command_line

FLAGS = flags.FlagValues()
config_flags.DEFINE_config_file("config", None, "A file of configs/.", flag_values=FLAGS)
flags.DEFINE_string(
    "workdir",
    None,
    "The run's folder; a run in it is resumed. Default: runs/ and the config's name.",
    flag_values=FLAGS,
)


def main(argv) -> None:
    """Train as the command line asks."""
    config, name = command_line.parse(FLAGS, argv, __doc__)
    from cvae_jax import compilation, train  # after the flags: a wrong one is told at once

    compilation.keep_programs()
    allocator.compute_in_calling_thread()
    train.train_and_evaluate(config, FLAGS.workdir or str(Path("runs") / name))


if __name__ == "__main__":
    allocator.restart_with_tunables()
    sys.exit(command_line.run(main, sys.argv))
