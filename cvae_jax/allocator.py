"""Memory that stays mapped: on a CPU, XLA otherwise maps and faults in its buffers at every step.

glibc reads its settings when a process starts, so `main` starts itself anew with them, once. They
hold for the main thread's heap alone: in other threads glibc maps a large block, as XLA's temporary
memory is one, and unmaps it when it is freed, whatever the settings say.
"""

import os
import platform
import sys
from pathlib import Path

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
