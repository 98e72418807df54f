"""What every program of the package shares: messages, exit codes, the config from the flags."""

import contextlib
import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import ml_collections
from absl import flags
from absl import logging as absl_logging
from tqdm import tqdm

from cvae_jax.errors import DISK, PATH, UserError


class Stopped(Exception):
    """A signal asked the program to stop, and its work is saved; holds the signal's number."""


@contextlib.contextmanager
def stop_requests():
    """Collect SIGINT and SIGTERM in the list yielded; a second signal of a kind acts at once."""
    requests, before = [], {}

    def note(number, frame):
        del frame
        requests.append(number)
        signal.signal(number, before[number] or signal.SIG_DFL)

    # Handlers belong to the main thread; in another (a notebook's worker) signals act as they did.
    with contextlib.suppress(ValueError):
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, note)
    try:
        yield requests
    finally:
        for number, handler in before.items():
            # None: it was not set from Python but by jax.distributed
            signal.signal(number, handler or signal.SIG_DFL)


class _AboveBar(logging.Handler):
    def emit(self, record):
        tqdm.write(self.format(record), file=sys.stderr)


def show_messages() -> None:
    """Show the package's messages on standard error; for programs and notebooks."""
    log = logging.getLogger("cvae_jax")
    log.handlers = [_AboveBar()]  # one, however often a notebook's cell is run
    log.setLevel(logging.INFO)
    log.propagate = False
    # orbax logs a full disk's traceback there; what matters comes as a UserError
    absl_logging.set_verbosity(absl_logging.FATAL)


def run(program: Callable, argv: list[str]) -> int:
    """Run program(argv) with messages on standard error; returns the exit code.

    0; 2 after a UserError or a refusal of the disk or of a path, told in one line; 128 + n after
    the signal n.
    """
    show_messages()
    log = logging.getLogger("cvae_jax")
    try:
        program(argv)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        remedies = dict.fromkeys(DISK, "free space or mend it, then run the same again")
        remedies |= dict.fromkeys(PATH, "name another one, or move what is there")
        if error.errno not in remedies:
            raise
        what = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
        print(f"error: {what}; {remedies[error.errno]}", file=sys.stderr)
        return 2
    except Stopped as stopped:
        log.info("stopped and saved; the same command goes on from here")
        return 128 + stopped.args[0]
    except KeyboardInterrupt:
        log.info("interrupted; what is saved is kept, and the same command goes on from there")
        return 128 + signal.SIGINT
    return 0


def _reason(error: Exception) -> str:
    if str(error).startswith(("'", '"')):  # a field's name, quoted once or twice; and a hint
        lines = str(error).replace("\\n", "\n").replace("\\", "").splitlines()
        name, *hint = (line.strip("'\"") for line in lines)
        return ". ".join([f"the config has no field {name}", *hint])
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__


def parse(flag_values: flags.FlagValues, argv: list[str], description: str):
    """The config that the command line asks for, and a name for it such as "dsprites-quick".

    Args:
      flag_values: flags, among them `config` by config_flags.DEFINE_config_file.
      argv: the command line, the program's name first.
      description: for --help, which prints it and exits.

    Raises:
      UserError: a flag or a config field is unknown or of a wrong type, or there is no config.
    """
    if any(arg in ("-h", "--help", "-help") for arg in argv):
        print(description, flag_values.main_module_help(), sep="\n")
        sys.exit(0)
    file = "--config"
    for arg, following in zip(argv, [*argv[1:], ""], strict=True):
        if arg.startswith("--config=") or (arg == "--config" and following):
            value = arg.removeprefix("--config=") if "=" in arg else following
            file = value.partition(":")[0]
            if not Path(file).is_file():
                raise UserError(f"there is no config file {file}; those that ship are in configs/")
    try:
        rest = flag_values(argv)
        config = flag_values.config
    except Exception as error:  # absl, ml_collections, or whatever the config file itself raises
        reason = _reason(error).removeprefix("ValueError: ")
        of_file = not isinstance(error, flags.Error) or "Traceback" in str(error)
        raise UserError(f"{file}: {reason}" if of_file else reason) from error
    if rest[1:]:
        names = ", ".join(f"--{name}" for name in flag_values if "." not in name)
        raise UserError(f"unexpected argument {rest[1]!r}; the options are {names}")
    if config is None:
        raise UserError("which config? for instance --config=configs/dsprites.py:quick")
    path, _, variant = flag_values["config"].config_filename.partition(":")
    if not isinstance(config, ml_collections.ConfigDict):
        kind = type(config).__name__
        raise UserError(f"get_config of {path} returns a {kind}: it must return a ConfigDict")
    return config, "-".join(filter(None, (Path(path).stem, variant)))
