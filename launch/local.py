"""Several processes on one machine that train one run together.

  python launch/local.py --processes=2 -- --config=configs/dsprites.py
  python launch/local.py --processes=4 --gpus -- --config=configs/dsprites.py   # one process a GPU
  python launch/local.py --processes=2 --dry_run -- --config=configs/dsprites.py

What stands after -- goes to `python -m cvae_jax.main`. One process uses all local devices by
itself, so this is for trying on a CPU what a cluster will do, and for machines where a process a
GPU is faster. A process that dies or stops answering ends the others; all are started again, from
the last checkpoint. SIGINT (Ctrl-C), SIGTERM and SIGHUP are passed on, and the run is saved. If
this launcher is killed, so are its processes.
"""

import os
import sys

# this checkout, from whatever folder
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from cvae_jax import signals

if __name__ == "__main__":
    signals.end_at_once()  # before what takes time

import argparse
import shlex
import signal
import socket
import subprocess
import time

# done, an error that named its remedy, or one of the signals: starting again is the user's
_NOT_STARTED_AGAIN = (0, 2, *(128 + number for number in signals.STOPPING))
_TO_SAVE = 45  # seconds after a signal
_TO_NOTICE = 15  # that one is gone: more than JAX's heartbeat takes, `processes.HEARTBEAT`


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def visible_gpus(num_processes) -> list[str]:
    """The GPUs of the processes, one each: the first of those that this program may see.

    Raises:
      ValueError: CUDA_VISIBLE_DEVICES names fewer.
    """
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is None:
        return [str(index) for index in range(num_processes)]
    named = [name.strip() for name in allowed.split(",") if name.strip()]
    if len(named) < num_processes:
        raise ValueError(
            f"--processes={num_processes} and CUDA_VISIBLE_DEVICES={allowed} names {len(named)} "
            "GPUs: start as many at most"
        )
    return named[:num_processes]


def commands(arguments, num_processes, port, gpus):
    """(variables, command line) of every process; gpus: one for each, or none."""
    for index in range(num_processes):
        meeting = (
            f"--coordinator_address=127.0.0.1:{port}",
            f"--num_processes={num_processes}",
            f"--process_id={index}",
        )
        variables = {"CUDA_VISIBLE_DEVICES": gpus[index]} if gpus else {}
        yield variables, [sys.executable, "-m", "cvae_jax.main", *arguments, *meeting]


def ended(code: int) -> str:
    """What an exit code says."""
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def say(line: str) -> None:
    """Print a line on standard error, if anybody still reads it.

    Ctrl-C also ends a `2>&1 | tee`. An exception would end this launcher, and with it its
    processes, which are about to save.
    """
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        # what was not written would be tried again at the exit, and change its code
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def attend(processes, stopping) -> int:
    """Wait for all; when one has failed or a signal came, the others get time to end.

    Returns:
      The first code that is not 0, or 0. Why all have ended is the last line on standard error.
    """
    failed, cause, deadline = None, "", None
    while any(process.poll() is None for process in processes):
        time.sleep(0.1)
        for index, process in enumerate(processes):
            if failed is None and process.poll():
                failed = process.returncode
                deadline = deadline or time.monotonic() + _TO_NOTICE
                cause = f"process {index} {ended(failed)}"
                say(cause)
        if stopping and deadline is None:
            deadline = time.monotonic() + _TO_SAVE
        if deadline and time.monotonic() > deadline:
            silent = [i for i, process in enumerate(processes) if process.poll() is None]
            for index in silent:
                processes[index].kill()
                processes[index].wait()
            if silent:
                cause = f"process {', '.join(map(str, silent))} stopped answering and was killed"
    codes = [process.returncode for process in processes]
    failed = failed or next((code for code in codes if code), 0)
    if failed not in _NOT_STARTED_AGAIN and cause:  # again, behind all that JAX says of it
        say(f"the run has ended: {cause}")
    return failed


def run(arguments, num_processes, gpus, stopping) -> int:
    """One start of all processes."""
    processes = []

    def pass_on(number, frame):
        del frame
        stopping.append(number)
        for process in processes:
            if process.poll() is None:
                process.send_signal(number)

    for number in signals.taken():
        signal.signal(number, pass_on)
    for variables, command in commands(arguments, num_processes, free_port(), gpus):
        # In a group of its own, or a terminal's Ctrl-C would reach it twice: the second ends a run
        # that has not saved.
        with signals.held():
            child = subprocess.Popen(
                command,
                env=os.environ | variables | signals.parent_variable(),
                process_group=0,
            )
        processes.append(child)
        if stopping:  # it came while they were started
            child.send_signal(stopping[-1])
    return attend(processes, stopping)


def main() -> int:
    """Start, and start again."""
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], usage="%(prog)s [options] -- flags of cvae_jax.main"
    )
    parser.add_argument("--processes", type=int, required=True)
    parser.add_argument("--gpus", action="store_true", help="each process sees one GPU, its own")
    parser.add_argument("--restarts", type=int, default=3, help="after a process that died")
    parser.add_argument("--dry_run", action="store_true", help="print the commands alone")
    args = parser.parse_args(sys.argv[1:split])
    arguments = sys.argv[split + 1 :]
    if args.processes < 1 or args.restarts < 0:
        parser.error("--processes must be at least 1, --restarts at least 0")
    try:
        gpus = visible_gpus(args.processes) if args.gpus else []
    except ValueError as error:
        parser.error(str(error))
    if args.dry_run:
        for variables, command in commands(arguments, args.processes, free_port(), gpus):
            print(*(f"{name}={value}" for name, value in variables.items()), shlex.join(command))
        return 0
    stopping = []
    for left in range(args.restarts, -1, -1):
        code = run(arguments, args.processes, gpus, stopping)
        if stopping or code in _NOT_STARTED_AGAIN or not left:
            break
        say(f"all are started again, {left} times at most")
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(main())
