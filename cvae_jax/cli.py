"""What every program of the package does at its start: allocator, messages, exit codes, flags.

Memory that stays mapped: on a CPU, XLA otherwise maps and faults in its buffers at every step.
glibc reads its settings when a process starts, so a program starts itself again with them, once.
They hold for the main thread's heap alone: in other threads glibc maps a large block, as XLA's
temporary memory is one, and unmaps it when it is freed, whatever the settings say.
"""

import logging
import os
import platform
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import ml_collections
from absl import flags
from absl import logging as absl_logging
from tqdm import tqdm

from cvae_jax.errors import DISK, PATH, UserError
from cvae_jax.signals import Stopped

# Huge pages for the heap, no separate mappings for large blocks, and no return of freed memory.
TUNABLES = ":".join(
    (
        "glibc.malloc.hugetlb=1",
        "glibc.malloc.mmap_max=0",
        "glibc.malloc.trim_threshold=8589934592",
        "glibc.malloc.top_pad=1073741824",
    )
)
_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_OFF = "CVAE_JAX_MALLOC"
# A program that compiles faster is not worth a file.
_WORTH_SECONDS = 0.2


def restart_with_tunables() -> None:
    """Start the running command anew with glibc's allocator tuned; returns where that can't help.

    It can't where the C library is not glibc, huge pages are off, GLIBC_TUNABLES or a preloaded
    allocator is set already, or the environment says CVAE_JAX_MALLOC=off.
    """
    environment = os.environ
    if (
        platform.libc_ver()[0] != "glibc"
        or not _HUGE_PAGES.exists()
        or "[never]" in _HUGE_PAGES.read_text()
        or "GLIBC_TUNABLES" in environment
        or "LD_PRELOAD" in environment
        or environment.get(_OFF) == "off"
        or not getattr(sys, "orig_argv", None)
    ):
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, sys.orig_argv, {**environment, "GLIBC_TUNABLES": TUNABLES})


def compute_in_calling_thread() -> None:
    """Let JAX run CPU programs in the thread that calls them, so that they use the main heap.

    For programs, before JAX's first computation. It does so where the inputs are there already, and
    costs nothing where each step is waited for.
    """
    import jax  # not before the restart, which would load it twice

    jax.config.update("jax_cpu_enable_async_dispatch", False)


def keep_programs() -> None:
    """Keep compiled programs in the user's cache folder, `$XDG_CACHE_HOME/cvae_jax/compiled`.

    For programs, before their first computation. JAX's own settings come first: with
    JAX_COMPILATION_CACHE_DIR another folder serves, with JAX_ENABLE_COMPILATION_CACHE=false none.
    """
    import jax  # not before `restart_with_tunables`, which would load it twice

    if jax.config.jax_compilation_cache_dir is None:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(caches / "cvae_jax" / "compiled"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", _WORTH_SECONDS)


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
