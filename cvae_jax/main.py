"""Train and evaluate: `python -m cvae_jax.main --config=configs/dsprites.py`."""

import logging
import sys
from pathlib import Path

from absl import flags
from absl import logging as absl_logging
from ml_collections import config_flags
from tqdm import tqdm

from cvae_jax import allocator
from cvae_jax.errors import UserError

FLAGS = flags.FlagValues()
config_flags.DEFINE_config_file("config", None, "A file of configs/.", flag_values=FLAGS)
flags.DEFINE_string(
    "workdir",
    None,
    "The run's folder; a run in it is resumed. Default: runs/ and the config's name.",
    flag_values=FLAGS,
)


class _AboveBar(logging.Handler):
    def emit(self, record):
        tqdm.write(self.format(record), file=sys.stderr)


def _parse(argv):
    """The config and the workdir that the command line asks for."""
    if any(arg in ("-h", "--help", "-help") for arg in argv):
        print(__doc__, FLAGS.main_module_help(), sep="\n")
        sys.exit(0)
    try:
        rest = FLAGS(argv)
        config = FLAGS.config
    except (flags.Error, AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        lines = [line for line in str(error).strip("'\"").splitlines() if line.strip()]
        raise UserError(lines[-1].strip()) from error
    if rest[1:]:
        raise UserError(f"unexpected argument {rest[1]!r}; options are --config and --workdir")
    if config is None:
        raise UserError("which config? for instance --config=configs/dsprites.py:quick")
    name, _, variant = FLAGS["config"].config_filename.partition(":")
    if not Path(name).is_file():
        raise UserError(f"there is no config file {name}; the configs that ship are in configs/")
    default = "-".join(filter(None, (Path(name).stem, variant)))
    return config, FLAGS.workdir or str(Path("runs") / default)


def main(argv) -> int:
    """Run the command line; returns 0, 2 after a UserError, 128 + n after the signal n."""
    logger = logging.getLogger("cvae_jax")
    logger.addHandler(_AboveBar())
    logger.setLevel(logging.INFO)
    logger.propagate = False
    # orbax logs a full disk's traceback there; what matters comes as a UserError
    absl_logging.set_verbosity(absl_logging.FATAL)
    try:
        config, workdir = _parse(argv)
        from cvae_jax import train  # after the flags: a wrong one is told at once

        try:
            train.train_and_evaluate(config, workdir)
        except train.Stopped as stopped:
            logger.info("stopped and saved; the same command goes on from here")
            return 128 + stopped.args[0]
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    allocator.restart_with_tunables()
    sys.exit(main(sys.argv))
