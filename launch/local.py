"""Several processes on one machine that train one run together.

  python launch/local.py --processes=2 -- --config=configs/dsprites.py
  python launch/local.py --processes=4 --gpus -- --config=configs/dsprites.py   # one process a GPU
  python launch/local.py --processes=2 --dry_run -- --config=configs/dsprites.py

What stands after -- goes to `python -m cvae_jax.main`. One process uses all local devices by
itself, so this is for trying on a CPU what a cluster will do, and for machines where a process a
GPU is faster. A process that dies ends the others; all are started again, from the last checkpoint.
SIGTERM and Ctrl-C are passed on, and the run is saved.
"""

import argparse
import os
import shlex
import signal
import socket
import subprocess
import sys
import time

# done, an error that told its remedy, Ctrl-C, SIGTERM: starting again is the user's
_NOT_STARTED_AGAIN = (0, 2, 128 + signal.SIGINT, 128 + signal.SIGTERM)
_PATIENCE = 45  # seconds in which the others notice that one is gone, or that they save


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def commands(arguments, num_processes, port, gpus):
    """(variables, command line) of every process."""
    for index in range(num_processes):
        meeting = (
            f"--coordinator_address=127.0.0.1:{port}",
            f"--num_processes={num_processes}",
            f"--process_id={index}",
        )
        variables = {"CUDA_VISIBLE_DEVICES": str(index)} if gpus else {}
        yield variables, [sys.executable, "-m", "cvae_jax.main", *arguments, *meeting]


def ended(code: int) -> str:
    """What an exit code says."""
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def attend(processes, stopping) -> int:
    """Wait for all; the first code that is not 0, after which the others get time to end, or 0."""
    failed, deadline = None, None
    while any(process.poll() is None for process in processes):
        time.sleep(0.1)
        for index, process in enumerate(processes):
            if failed is None and process.poll():
                failed = process.returncode
                deadline = time.monotonic() + _PATIENCE
                print(f"process {index} {ended(failed)}", file=sys.stderr, flush=True)
        if stopping and deadline is None:
            deadline = time.monotonic() + _PATIENCE
        if deadline and time.monotonic() > deadline:
            for process in processes:
                process.kill()
    codes = [process.returncode for process in processes]
    return failed or next((code for code in codes if code), 0)


def run(arguments, num_processes, gpus, stopping) -> int:
    """One start of all processes."""
    processes = []

    def pass_on(number, frame):
        del frame
        stopping.append(number)
        for process in processes:
            if process.poll() is None:
                process.send_signal(number)

    signal.signal(signal.SIGTERM, pass_on)
    # A terminal sends Ctrl-C to all of them itself.
    signal.signal(signal.SIGINT, lambda number, frame: stopping.append(number))
    for variables, command in commands(arguments, num_processes, free_port(), gpus):
        processes.append(subprocess.Popen(command, env=os.environ | variables))
    if stopping:  # it came while they were started
        pass_on(stopping[-1], None)
    return attend(processes, stopping)


def main() -> int:
    """Start, and start again."""
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], usage="%(prog)s [options] -- flags of cvae_jax.main"
    )
    parser.add_argument("--processes", type=int, required=True)
    parser.add_argument("--gpus", action="store_true", help="process i sees GPU i alone")
    parser.add_argument("--restarts", type=int, default=3, help="after a process that died")
    parser.add_argument("--dry_run", action="store_true", help="print the commands alone")
    args = parser.parse_args(sys.argv[1:split])
    arguments = sys.argv[split + 1 :]
    if args.processes < 1 or args.restarts < 0:
        parser.error("--processes must be at least 1, --restarts at least 0")
    if args.dry_run:
        for variables, command in commands(arguments, args.processes, free_port(), args.gpus):
            print(*(f"{name}={value}" for name, value in variables.items()), shlex.join(command))
        return 0
    stopping = []
    for left in range(args.restarts, -1, -1):
        code = run(arguments, args.processes, args.gpus, stopping)
        if stopping or code in _NOT_STARTED_AGAIN or not left:
            break
        print(f"all are started again, {left} times at most", file=sys.stderr, flush=True)
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(main())
