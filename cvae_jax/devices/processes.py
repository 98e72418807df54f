"""Several processes, one run: how they meet, agree, and end together.

Each trains on its own rows of every batch. Process 0 alone touches the run's folder and tells the
others what it found there, so they need nothing in common but the data set. With one process all
of this does nothing.
"""

import contextlib
import logging
import os
import signal
import socket
import sys
import time
import traceback

import jax
import numpy as np

from cvae_jax.errors import DISK, UserError, first_line
from cvae_jax.signals import Stopped

log = logging.getLogger(__name__)

# Seconds without a sign of life after which JAX takes a process for dead and ends the others.
HEARTBEAT = 10
PEER_LOST = 75  # exit code, sysexits.h's "try again"; JAX's own end after a heartbeat is an abort
_TEXT = 2048  # bytes of a message from one process to the others


def _number(variable: str) -> int:
    text = os.environ.get(variable, "")
    return int(text) if text.isdigit() else 0


def detected() -> bool:
    """Returns whether srun, Open MPI 4's mpirun or a TPU pod started several processes."""
    tasks = _number("SLURM_STEP_NUM_TASKS")
    if "OMPI_MCA_orte_hnp_uri" in os.environ:  # by which JAX knows it; Open MPI 5 has it no more
        tasks = max(tasks, _number("OMPI_COMM_WORLD_SIZE"))
    return tasks > 1 or "," in os.environ.get("TPU_WORKER_HOSTNAMES", "")


def _own_devices() -> dict:
    """Of a SLURM task that is alone on its node: all its GPUs, where JAX would take one."""
    alone = _number("SLURM_STEP_NUM_TASKS") == _number("SLURM_STEP_NUM_NODES")
    gpus = _number("SLURM_GPUS_ON_NODE")
    return {"local_device_ids": list(range(gpus))} if alone and gpus else {}


def join(
    coordinator: str = "", num_processes: int = 0, process_id: int = -1, multihost=False
) -> None:
    """Joins the other processes of the run before JAX's first computation; a single one returns.

    Args:
      coordinator: host:port of process 0; "": what srun, mpirun or the TPU pod says.
      num_processes: of all, where coordinator is given.
      process_id: of this one, from 0, where coordinator is given.
      multihost: JAX is to find the others where `detected` sees none (a pod without its variables).

    Raises:
      UserError: the numbers don't fit, or the others did not come.
    """
    if coordinator:
        if not 0 <= process_id < num_processes:
            raise UserError(
                f"--coordinator_address needs --num_processes and --process_id from 0 to one below "
                f"it, not {num_processes} and {process_id}"
            )
        where = {
            "coordinator_address": coordinator,
            "num_processes": num_processes,
            "process_id": process_id,
        }
    elif num_processes or process_id >= 0:
        raise UserError("--num_processes and --process_id need --coordinator_address=host:port")
    elif multihost or detected():
        where = _own_devices()
    else:
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        jax.distributed.initialize(**where, heartbeat_timeout_seconds=HEARTBEAT)
    except Exception as error:  # RuntimeError, ValueError, or the service's own
        reason = first_line(error)
        raise UserError(
            f"the processes could not meet ({reason}): start all of them, with the same "
            "--coordinator_address, a host and a free port of process 0's machine"
        ) from error
    # JAX's own handler would swallow it for as long as ours is not set, in training.
    signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
    index, host = jax.process_index(), socket.gethostname()
    log.info("process %d of %d on %s", index, jax.process_count(), host)
    if index:
        logging.getLogger("cvae_jax").setLevel(logging.ERROR)  # process 0 speaks for all


def count() -> int:
    """Returns the number of processes."""
    return jax.process_count()


def first() -> bool:
    """Returns whether this is the process that reads and writes the run's folder."""
    return jax.process_index() == 0


def devices() -> list:
    """Returns the devices of all processes, in their order; of one process its local ones."""
    return jax.devices() if count() > 1 else jax.local_devices()


def _gather(array):
    """[...] of each process -> [processes, ...], in each."""
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(array))


def _gather_texts(text: str) -> list[str]:
    """A short text of each process, in each."""
    buffer = np.zeros(_TEXT, np.uint8)
    content = np.frombuffer(text.encode(errors="backslashreplace")[:_TEXT], np.uint8)
    buffer[: len(content)] = content
    return [bytes(row).rstrip(b"\0").decode(errors="ignore") for row in _gather(buffer)]


def any_of(flag: bool) -> bool:
    """Returns whether the flag is set in any process."""
    return flag if count() == 1 else bool(_gather(np.array(flag)).any())


@contextlib.contextmanager
def together():
    """Raises a UserError of the block in one process, or a disk's refusal, in all of them."""
    error = None
    try:
        yield
    except (UserError, OSError) as found:
        if count() == 1 or (isinstance(found, OSError) and found.errno not in DISK):
            raise
        error = found
    if count() > 1:
        for index, text in enumerate(_gather_texts(str(error) if error else "")):
            if text:
                raise UserError(f"{text} (process {index})" if index else text) from error


def require_same(what: str, text: str) -> None:
    """Raises UserError unless all processes have the same text, of which 2,048 bytes count."""
    texts = _gather_texts(text) if count() > 1 else [text]
    for index, other in enumerate(texts):
        if other != texts[0]:
            raise UserError(f"process {index} has another {what} than process 0: start all alike")


def from_first(tree):
    """Process 0's arrays, bit for bit; the tree has the same shapes in all."""
    if count() == 1:
        return tree
    from jax.experimental import multihost_utils

    def bits(leaf):
        if jax.dtypes.issubdtype(getattr(leaf, "dtype", None), jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        leaf = np.asarray(leaf)
        return leaf.view(f"u{leaf.itemsize}")  # a sum with zeros would turn -0.0 into 0.0

    def back(leaf, found):
        found = np.asarray(found)
        if jax.dtypes.issubdtype(getattr(leaf, "dtype", None), jax.dtypes.prng_key):
            return jax.random.wrap_key_data(found)
        return found.view(np.asarray(leaf).dtype)

    return jax.tree.map(back, tree, multihost_utils.broadcast_one_to_all(jax.tree.map(bits, tree)))


def share(num_rows: int) -> np.ndarray:
    """Returns this process's rows [num_rows / processes, rounded up]; the last wrap."""
    each = -(-num_rows // count())
    return (jax.process_index() * each + np.arange(each)) % num_rows


def joined(tree, num_rows: int):
    """Joins what all processes made of their `share`: arrays [num_rows, ...]."""
    if count() == 1:
        return tree
    return jax.tree.map(lambda x: _gather(x).reshape(-1, *x.shape[1:])[:num_rows], tree)


@contextlib.contextmanager
def ended_together():
    """Ends this process in one line after an error that a dead process left in it.

    A process that dies closes its connections: on CPUs the others' next sum over devices fails at
    once, elsewhere it hangs. JAX notices after HEARTBEAT seconds, prints the dead one's number and
    ends this one, so there is nothing to do but to wait for it.
    """
    try:
        yield
    except Exception as error:
        if count() == 1 or isinstance(error, (UserError, Stopped)):
            raise  # by all of them: see `together`
        reason = first_line(error)[:200]
        if "Gloo" not in reason and "UNAVAILABLE" not in reason:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)  # no farewell to the others, who wait for this one's rows
        log.error(
            "process %d: another process of the run has ended (%s). Start all of them again: they "
            "resume from the last checkpoint. JAX names it below; its leader task is process 0",
            jax.process_index(),
            reason,
        )
        time.sleep(2 * HEARTBEAT)
        os._exit(PEER_LOST)
