"""What every program of the package does at its start: allocator, messages, exit codes, options.

Memory that stays mapped: on a CPU, XLA otherwise maps and faults in its buffers at every step.
glibc reads its settings when a process starts, so a program starts itself again with them, once.
They hold for the main thread's heap alone: in other threads glibc maps a large block, as XLA's
temporary memory is one, and unmaps it when it is freed, whatever the settings say.
"""

import argparse
import contextlib
import functools
import logging
import os
import platform
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from cvae_jax import errors, signals
from cvae_jax.errors import DISK, PATH, UserError

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
RESULTS = "cvae_jax.results"  # the logger of tables, which are a program's output


def restart_with_tunables() -> None:
    """Starts the running command again with glibc's allocator tuned; returns where that can't help.

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
        signals.release()  # what the start before this one held
        return
    sys.stdout.flush()
    sys.stderr.flush()
    signals.hold()
    os.execve(sys.executable, sys.orig_argv, {**environment, "GLIBC_TUNABLES": TUNABLES})


def compute_in_calling_thread() -> None:
    """Lets JAX run CPU programs in the thread that calls them, so that they use the main heap.

    For programs, before JAX's first computation. It does so where the inputs are there already, and
    costs nothing where each step is waited for.
    """
    import jax  # not before the restart, which would load it twice

    jax.config.update("jax_cpu_enable_async_dispatch", False)


def keep_programs() -> None:
    """Keeps compiled programs in the user's cache folder, `$XDG_CACHE_HOME/cvae_jax/compiled`.

    For programs, before their first computation. JAX's own settings come first: with
    JAX_COMPILATION_CACHE_DIR another folder serves, with JAX_ENABLE_COMPILATION_CACHE=false none.
    """
    import jax  # not before `restart_with_tunables`, which would load it twice

    if jax.config.jax_compilation_cache_dir is None:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
        if str(caches).startswith("~"):  # no HOME, and no user of this number
            return
        jax.config.update("jax_compilation_cache_dir", str(caches / "cvae_jax" / "compiled"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", _WORTH_SECONDS)


class _AboveBar(logging.Handler):
    """Writes messages to standard error, and results to standard output."""

    def emit(self, record):
        from tqdm import tqdm

        file = sys.stdout if record.name == RESULTS else sys.stderr
        try:
            tqdm.write(errors.printable(self.format(record)), file=file)
            file.flush()
        except OSError:
            # Ctrl-C ends the `tee` that reads messages too: a run still saves.
            if file is sys.stdout:
                raise


def show_messages() -> None:
    """Shows the package's messages on standard error, its tables on standard output.

    For programs and notebooks.
    """
    from absl import logging as absl_logging  # takes a tenth of a second, before a restart twice

    log = logging.getLogger("cvae_jax")
    log.handlers = [_AboveBar()]  # one, however often a notebook's cell is run
    log.setLevel(logging.INFO)
    log.propagate = False
    # orbax logs a full disk's traceback there; what matters comes as a UserError
    absl_logging.set_verbosity(absl_logging.FATAL)


def command(main: Callable) -> Callable:
    """Decorates a command's main: its names of options end with it, also where a program calls it.

    A later remedy in the same process otherwise names an option that its reader does not have.
    """

    @functools.wraps(main)
    def called(argv):
        with errors.own_options():
            return main(argv)

    return called


def run(program: Callable, argv: list[str]) -> int:
    """Runs program(argv) with messages on standard error; returns the exit code.

    0; 2 after a UserError, a refusal of the disk or of a path or want of memory, shown in one line;
    128 + n after the signal n, of which SIGPIPE is what reads the output having ended.
    """
    show_messages()
    log = logging.getLogger("cvae_jax")
    try:
        program(argv)
    except UserError as error:
        _print_error(str(error))
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the exit flushes again
        return 128 + signal.SIGPIPE
    except OSError as error:
        remedies = dict.fromkeys(DISK, "free space or fix it, then run the same command again")
        remedies |= dict.fromkeys(PATH, "name another one, or move what is there")
        if error.errno not in remedies:
            raise
        what = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
        _print_error(f"{what}; {remedies[error.errno]}")
        return 2
    except (MemoryError, RuntimeError) as error:
        if not errors.is_out_of_memory(error):
            raise
        _print_error(
            f"there is not enough memory ({errors.first_line(error)}): end what else uses it, or "
            "lower config.batch_size or config.eval.num_images; what was saved stays"
        )
        return 2
    except signals.Stopped as stopped:
        log.info("Saved. Run the same command again to resume.")
        return 128 + stopped.args[0]
    except KeyboardInterrupt:  # where `signals.end_at_once` was not called
        log.info("Interrupted. Run the same command again to continue.")
        return 128 + signal.SIGINT
    return 0


def _print_error(text: str) -> None:
    line = errors.printable(text).replace("\n", "\\n")  # of a name: the message has one line
    with contextlib.suppress(OSError):  # nobody reads it: the exit code says it too
        print(f"error: {line}", file=sys.stderr)


def show(text: str) -> None:
    """Prints a program's output, whatever names are in it."""
    print(errors.printable(text), flush=True)


def path(text: str) -> str:
    """Returns a path, or KIND:PATH, with ~ expanded: for arguments, as shells leave `--out=~/x`."""
    kind, colon, rest = text.partition(":")
    if colon and rest.startswith("~"):
        return f"{kind}:{os.path.expanduser(rest)}"
    return os.path.expanduser(text)


class Parser(argparse.ArgumentParser):
    """An ArgumentParser of the command `cvae NAME` whose errors are UserErrors of one line."""

    def __init__(self, name: str, description: str, **kwargs):
        super().__init__(prog=f"cvae {name}", description=description, **kwargs)

    def error(self, message):
        raise UserError(f"{message}; {self.prog} --help lists the options")

    def add_run(self, help: str) -> None:
        """Adds the run's folder, by its place or as --workdir=RUN; `parse_run` reads it."""
        self.add_argument("run", nargs="?", metavar="RUN", type=path, help=help)
        self.add_argument("--workdir", metavar="RUN", type=path, help="the same")

    def add_data_dir(self, help: str) -> None:
        """Adds --data_dir, which `datasets.load` names where the data's folder can't be written."""
        self.add_argument("--data_dir", default="", type=path, help=help)
        errors.name_options(data_dir="--data_dir=...")

    def add_data(self, help: str) -> None:
        """Adds --data, a data set's name, of which a trained model sets the size."""
        self.add_argument("--data", default="", type=path, help=help)
        size = "make them {size}x{size}, which the model takes, or a multiple of it"
        errors.name_options(data="--data", size=size)

    def parse_run(self, arguments: list[str]) -> argparse.Namespace:
        """Returns the arguments, with the run's folder as `run`.

        Raises:
          UserError: they can't be read, or name no run or two.
        """
        args = self.parse_args(arguments)
        if args.run and args.workdir:
            self.error(f"name one run, not both {args.run} and {args.workdir}")
        args.run = args.run or args.workdir
        if not args.run:
            self.error(f"name a run's folder: {self.prog} RUN")
        return args
