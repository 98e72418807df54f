"""Trains and evaluates: `cvae train --config=dsprites:quick [RUN]`."""

if __name__ == "__main__":  # as `cvae train`, before the imports below
    import sys

    from cvae_jax import __main__ as program

    sys.exit(program.main(["train", *sys.argv[1:]]))

import logging
from pathlib import Path

from absl import flags
from ml_collections import config_flags

from cvae_jax import cli, errors
from cvae_jax.config import command_line

log = logging.getLogger(__name__)

FLAGS = flags.FlagValues()
config_flags.DEFINE_config_file(
    "config",
    None,
    "A config that ships or a file of one's own, with :VARIANT behind it where it has some. "
    "--config.FIELD=VALUE changes a field; --config=NAME --help lists the fields.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "workdir",
    None,
    "The run's folder, also without --workdir=; a run in it is resumed. Default: runs/ and the "
    "config's name.",
    flag_values=FLAGS,
)

flags.DEFINE_string(
    "coordinator_address",
    None,
    "host:port of process 0, where several processes share a run and neither srun, Open MPI 4 nor "
    "a TPU pod starts them: launch/README.md",
    flag_values=FLAGS,
)
flags.DEFINE_integer("num_processes", 0, "All processes of the run.", flag_values=FLAGS)
flags.DEFINE_integer("process_id", -1, "This process, from 0.", flag_values=FLAGS)
flags.DEFINE_bool(
    "multihost", False, "Let JAX find the run's other processes (TPU pods).", flag_values=FLAGS
)


@cli.command
def main(argv) -> None:
    """Trains as the command line asks."""
    from cvae_jax.config import fields

    fields.refuse_retired(argv[1:])
    config, name = command_line.parse(FLAGS, argv, __doc__)
    errors.name_options(
        data="--config.data.name",
        data_dir="--config.data.dir=...",
        size="set --config.data.size={size}",
    )
    # after the flags: a wrong one is reported at once
    from cvae_jax.config import checks
    from cvae_jax.devices import processes
    from cvae_jax.training import loop

    checks.check_types(config)
    cli.keep_programs()
    cli.compute_in_calling_thread()
    processes.join(
        FLAGS.coordinator_address, FLAGS.num_processes, FLAGS.process_id, FLAGS.multihost
    )
    given = [arg[len("--config.") :].partition("=")[0] for arg in argv if "--config." in arg]
    with processes.ended_together():
        for field in checks.without_effect(config, given):
            log.warning("config.%s has no effect with this objective.name and cascade", field)
        workdir = FLAGS.workdir or str(Path("runs") / name)
        loop.train_and_evaluate(config, workdir)
