"""How long one core waits for another: near cores share a cache, cores that lie apart do not.

A virtual machine's cores move. Where two come to lie in different parts of the processor, a
program whose cores work on each other's data becomes slower, and one whose cores keep to their own
does not, so that which of two programs is faster may depend on it. Linux alone.
"""

import mmap
import os
import statistics
import time

_BLOCKS, _TRIPS = 20, 200  # of a few milliseconds together
APART = 1.25  # times the shortest; some 300 and 460 ns where near and apart were both seen


def handover_ns():
    """Measures nanoseconds of one trip of a number between this process's first two cores and back.

    Python's own time for it is part of that. The least of 20 means over 200 trips; None where the
    process may use one core alone.
    """
    mine = os.sched_getaffinity(0)
    if len(mine) < 2:
        return None
    shared = mmap.mmap(-1, mmap.PAGESIZE)
    other = os.fork()
    os.sched_setaffinity(0, {sorted(mine)[0 if other else 1]})
    means = []
    for _ in range(_BLOCKS):
        start = time.perf_counter_ns()
        for i in range(_TRIPS):
            there, back = (2 * i + 1) % 256, (2 * i + 2) % 256
            if other:
                shared[0] = there
            while shared[0] != (back if other else there):
                pass
            if not other:
                shared[0] = back
        means.append((time.perf_counter_ns() - start) / _TRIPS)
    if not other:
        os._exit(0)
    os.waitpid(other, 0)
    os.sched_setaffinity(0, mine)
    return min(means)


def by_distance(found: dict) -> dict:
    """Splits the rounds of `turns.compare` by where the cores lay.

    Args:
      found: name -> {"ms", "rounds", "handover_ns": [before, after] of each round, ...}.

    Returns:
      {"cores near": rows, "cores apart": rows} as `found`, each with its rounds alone; rounds in
      which they moved are in neither. Empty where not both were seen by every row.
    """
    pairs = [pair for row in found.values() for pair in row["handover_ns"]]
    if any(None in pair for pair in pairs):
        return {}
    limit = APART * min(min(pair) for pair in pairs)
    places = {
        "cores near": lambda pair: max(pair) < limit,
        "cores apart": lambda pair: min(pair) >= limit,
    }
    split = {}
    for place, holds in places.items():
        for name, row in found.items():
            pairs = zip(row["rounds"], row["handover_ns"], strict=True)
            rounds = [ms for ms, pair in pairs if holds(pair)]
            if not rounds:
                return {}
            ours = {"rounds": rounds, "ms": statistics.median(rounds)}
            split.setdefault(place, {})[name] = row | ours
    return split
