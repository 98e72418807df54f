"""Timings by turns: each contender waits in a process of its own until it is asked for steps."""

import json
import os
import resource
import statistics
import subprocess
import sys
import time

from benchmarks.handover import handover_ns

_WARM_UP = 5


def serve(step, *, steps=1, device_gb=None, **facts):
    """Calls step 5 times, then n times for each line "n" on standard input; answers are JSON lines.

    Args:
      step: a function without arguments that returns when what it does is done.
      steps: training steps that it takes.
      device_gb: returns the GB of the device's memory that were ever in use; None: memory is the
        process's own.
      **facts: functions without arguments; what they return goes into the first answer, with
        first_step, the seconds from the process's start to the end of its first step.
    """
    step()
    first_step = time.time() - _started()
    for _ in range(_WARM_UP - 1):
        step()
    found = {name: fact() for name, fact in facts.items()}
    print(json.dumps(found | {"first_step": first_step}), flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        # Linux counts it in KiB
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        peak = device_gb() if device_gb else own
        answer = {"ms": 1e3 * statistics.median(times) / steps, "peak_gb": peak}
        print(json.dumps(answer), flush=True)


def _started():
    """Returns when this process began, in seconds since the epoch; an execve counts with it."""
    with open("/proc/self/stat") as stream:
        ticks = int(stream.read().rpartition(")")[2].split()[19])
    with open("/proc/uptime") as stream:
        up = float(stream.read().split()[0])
    return time.time() - up + ticks / os.sysconf("SC_CLK_TCK")


def compare(commands: dict, *, rounds: int, steps: int, environments=None, together=False):
    """Runs every command by turns, so that what slows the machine slows them all.

    Args:
      commands: name -> command line of a program that ends in `serve`.
      rounds: turns of each.
      steps: calls of what `serve` was given, a turn.
      environments: name -> variables besides this process's own.
      together: all start at once; else one after the other, so that each first step is its own.

    Returns:
      name -> {"ms": median over rounds, "rounds": all of them, "handover_ns": before and after each
      of them, see `handover`, "peak_gb": memory, its facts}.
    """
    started, found = {}, {}
    for name, command in commands.items():
        more = (environments or {}).get(name, {})
        started[name] = subprocess.Popen(
            command,
            env=os.environ | more,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if not together:
            found[name] = _answer(started[name], name)
    for name, process in started.items():
        if together:
            found[name] = _answer(process, name)
            del found[name]["first_step"]  # they were in each other's way
        found[name] |= {"rounds": [], "handover_ns": []}
    for _ in range(rounds):
        for name, process in started.items():
            before = handover_ns()
            process.stdin.write(f"{steps}\n")
            process.stdin.flush()
            answer = _answer(process, name)
            found[name]["rounds"].append(answer["ms"])
            found[name]["handover_ns"].append([before, handover_ns()])
            found[name]["peak_gb"] = answer["peak_gb"]
    for name, process in started.items():
        process.communicate()
        found[name]["ms"] = statistics.median(found[name]["rounds"])
    return found


def _answer(process, name):
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"{name} ended with code {process.wait()}; what it said stands above")
    return json.loads(line)
