"""Milliseconds of a training step of every method, ours and PyTorch's by turns.

Batch 64, one grey image size; every contender as a user starts it: ours as main does, PyTorch in
its modes, float32, as it is and, on a CPU, with our allocator's settings too. The critic of the
cascade sees (z, z_hat). PyTorch's rows need `pip install torch` and say so where it is missing.
Ours are made for every combination of the numbers of seeds, steps per call, types, forms of the
convolutions and devices.

  python -m benchmarks.steps
  python -m benchmarks.steps --size=32 --methods=cascade --out=steps.json
  python -m benchmarks.steps --methods=cascade --seeds=1,2,4
  python -m benchmarks.steps --methods=cascade --steps_per_call=1,10,50 --dtypes=float32,bfloat16
  python -m benchmarks.steps --methods=cascade --convs=lax,products
"""

import argparse
import importlib.util
import itertools
import json
import os
import platform
import sys
import time
from pathlib import Path

from benchmarks import handover, turns
from benchmarks.our_step import METHODS
from cvae_jax import cli

PEERS = {"vae": "vae", "factor_vae": "factor_vae", "cascade": "cascade", "tower": "cascade"}


def _devices(n):
    """Returns variables with which JAX sees n devices."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={n}"
    return {
        "CUDA_VISIBLE_DEVICES": ",".join(map(str, range(n))),
        "XLA_FLAGS": flags,
        "NPROC": "16",  # threads, or the devices of a CPU wait for each other
    }


def contenders(method, args, modes):
    """Returns (commands, environments) of all that take this method's step."""
    shape = (f"--size={args.size}", f"--batch={args.batch}")
    step = [sys.executable, "-m", "benchmarks.our_step", *shape]
    ours = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # a GPU is shared by all
    commands, environments = {}, {}
    for dtype in args.dtypes.split(","):
        commands[f"matmul {dtype}"] = [*step, "--method=matmul", f"--dtype={dtype}"]
        environments[f"matmul {dtype}"] = ours
    varied = (args.dtypes, args.convs, args.devices, args.steps_per_call, args.seeds)
    for dtype, convs, devices, calls, seeds in itertools.product(*(x.split(",") for x in varied)):
        name = f"ours, {seeds} seeds" if seeds != "1" else "ours"
        name += f", {calls} per call" if calls != "1" else ""
        name += f", {devices} devices" if devices else ""
        name += ", bfloat16" if dtype == "bfloat16" else ""
        name += f", {convs}" if convs else ""
        flags = (f"--seeds={seeds}", f"--steps_per_call={calls}", f"--dtype={dtype}")
        flags = (*flags, f"--convs={convs}")
        commands[name] = [*step, f"--method={method}", *flags]
        environments[name] = ours | (_devices(int(devices)) if devices else {})
    for mode in modes if method in PEERS else ():
        peer = (f"--method={PEERS[method]}", f"--mode={mode}", f"--device={args.torch_device}")
        command = [sys.executable, "-m", "benchmarks.torch_step", *peer, *shape]
        commands[f"torch {mode}"] = command
        if args.torch_device == "cpu":
            commands[f"torch {mode}, our allocator"] = command
            environments[f"torch {mode}, our allocator"] = {"GLIBC_TUNABLES": cli.TUNABLES}
    return commands, environments


def report(method, found):
    """Prints a method's rows; returns them."""
    peaks = {}
    for name in [name for name in found if name.startswith("matmul")]:
        row = found.pop(name)
        peaks[name.split()[1]] = row["gflop"] / row["ms"] * 1e3
    ours = min(row["ms"] for name, row in found.items() if name.startswith("ours"))
    for name, row in found.items():
        text = f"{method:<14}{name:<36}{row['ms']:>9.3f}{row['peak_gb']:>8.2f}"
        text += f"{row['first_step']:>8.1f}" if "first_step" in row else f"{'-':>8}"
        if "gflop" in row:
            speed = row["gflop"] / row["ms"] * 1e3
            row["share_of_peak"] = speed / peaks["bfloat16" if "bfloat16" in name else "float32"]
            text += f"{speed:>9.0f}{100 * row['share_of_peak']:>6.1f} %"
        else:
            row["ours_is_faster"] = row["ms"] / ours
            text += f"{row['ours_is_faster']:>9.2f} times ours"
        print(text, flush=True)
    return found | {"matmul_gflops": peaks}


def peers(args):
    """Returns PyTorch's modes that can be run here."""
    if not importlib.util.find_spec("torch"):
        print("PyTorch's rows are left out: pip install torch")
        return ()
    return [mode for mode in args.peers.split(",") if mode]


def main():
    """Times the methods one after the other; prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seeds", default="1", help="numbers of seeds trained at once")
    parser.add_argument("--steps_per_call", default="1")
    parser.add_argument("--dtypes", default="float32", help="float32,bfloat16")
    parser.add_argument("--convs", default="", help="lax,products; default: as the platform has it")
    parser.add_argument("--devices", default="", help="numbers of devices; default: all there are")
    parser.add_argument("--peers", default="eager,channels_last,compile", help="and graphs on cuda")
    parser.add_argument("--torch_device", default="cpu", help="or cuda")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=10, help="of a round")
    parser.add_argument(
        "--together",
        action="store_true",
        help="start all at once, which a GPU beside many cores does sooner; no first step is timed",
    )
    parser.add_argument("--out", default="", help="a JSON file")
    args = parser.parse_args()
    modes = peers(args)
    print(
        f"{args.size}x{args.size}, batch {args.batch}, {os.cpu_count()} CPUs, {platform.machine()}"
    )
    print(f"{'method':<14}{'':<36}{'ms':>9}{'GB':>8}{'first':>8}{'GFLOP/s':>9}{'of matmul':>9}")
    results = {"size": args.size, "batch": args.batch, "time": time.strftime("%F"), "methods": {}}
    for method in args.methods.split(","):
        commands, environments = contenders(method, args, modes)
        found = turns.compare(
            commands,
            rounds=args.rounds,
            steps=args.calls,
            environments=environments,
            together=args.together,
        )
        parts = handover.by_distance(found)
        rows = results["methods"][method] = report(method, found)
        for place, part in parts.items():
            print(f"{method}, the rounds with {place}:")
            rows[place] = report(method, part)
        if args.out:
            Path(args.out).write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
