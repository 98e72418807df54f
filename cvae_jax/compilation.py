"""Compiled programs kept on the disk: a run started again begins to train within seconds."""

import os
from pathlib import Path

import jax

# A program that compiles faster is not worth a file.
_WORTH_SECONDS = 0.2


def keep_programs() -> None:
    """Keep compiled programs in the user's cache folder, `$XDG_CACHE_HOME/cvae_jax/compiled`.

    For programs, before their first computation. JAX's own settings come first: with
    JAX_COMPILATION_CACHE_DIR another folder serves, with JAX_ENABLE_COMPILATION_CACHE=false none.
    """
    if jax.config.jax_compilation_cache_dir is None:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(caches / "cvae_jax" / "compiled"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", _WORTH_SECONDS)
