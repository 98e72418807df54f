"""A run's last checkpoint as an exported model: weights, programs, card; whole or not at all.

JAX and what needs it are imported by the functions: the command names a wrong argument at once.
"""

import contextlib
import tempfile
from pathlib import Path

from cvae_jax.errors import UserError, first_line
from cvae_jax.files import expanded, not_written

PLATFORMS = ("cpu", "cuda", "tpu")
FILES = ("config.json", "data.json", "weights.npz", "card.md", "encoder.bin", "decoder.bin")
# By evaluate and report of an earlier export.
_MADE_THERE = ("parts.json", "results.json", ".results.lock", "plots", "report.html")


def programs(model, size: int) -> dict[str, bytes]:
    """Returns the model's encoder and decoder as serialised programs, by file name.

    Args:
      model: see `runs.model.Model`.
      size: of its images, pixels per side.

    Each is read by `jax.export.deserialize(content).call`, for any batch size B:
      encoder.bin: images float32 [B, H, W, C] in [0, 1] -> (mean, logvar), each float32 [B, d].
      decoder.bin: z float32 [B, d] -> images float32 in [0, 1] [B, H, W, C].
    """
    import jax
    from jax import export

    (batch,) = export.symbolic_shape("batch")
    objective, params = model.objective, model.params._replace(critic={})
    made = {
        "encoder.bin": (objective.encode, (batch, size, size, model.channels)),
        "decoder.bin": (objective.decode, (batch, model.config.objective.latents)),
    }
    found = {}
    for name, (function, shape) in made.items():
        # the parameters become constants of the program
        one = export.export(jax.jit(lambda x, f=function: f(params, x)), platforms=PLATFORMS)
        try:
            program = one(jax.ShapeDtypeStruct(shape, jax.numpy.float32))
        except Exception as error:  # whatever networks of one's own raise
            raise UserError(
                f"{name} can't be made for batches of any size ({first_line(error)}): in networks "
                "of your own take the batch size from the input's shape alone"
            ) from error
        found[name] = bytes(program.serialize())
    return found


def _refuse_other_folder(out: Path) -> None:
    """Refuses to replace anything but an earlier export and what was made of it."""
    if not out.exists():
        return
    found = sorted(path.name for path in out.iterdir()) if out.is_dir() else [out.name]
    others = [name for name in found if name not in FILES + _MADE_THERE]
    if others or (found and "weights.npz" not in found):
        raise UserError(
            f"--out {out} holds {(others or found)[0]}, which is no exported model's: name a "
            "folder that is not there yet"
        )


@contextlib.contextmanager
def _whole_or_not_at_all(out: Path):
    """Yields a folder that becomes `out` when all of it is written.

    Killed between the two renames, it leaves no `out`: the old one and the new one then lie in the
    hidden folder .export-* beside it.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as name:
            part, old = Path(name) / "new", Path(name) / "old"
            part.mkdir()
            yield part
            if out.exists():
                out.rename(old)
            try:
                part.rename(out)
            except OSError:
                if old.exists():  # or it would go with the folder
                    old.rename(out)
                raise
    except OSError as error:
        raise not_written(f"--out {out}", error, "name another one") from None


def export(workdir, out, **own) -> None:
    """Writes a run's last checkpoint as an exported model.

    Args:
      workdir: the run's folder.
      out: the folder to write; an exported model that is there is replaced, and with it what
        evaluate and report wrote there.
      **own: networks or objective of a run whose config does not name them, see `loading.load`.

    Raises:
      UserError: the run can't be loaded, `out` is something else, or it can't be written.
    """
    from cvae_jax.config import defaults
    from cvae_jax.config.fields import FREE, flat, to_pass_on
    from cvae_jax.runs import card, loading, parts, weights
    from cvae_jax.runs.workdir import (
        CONFIG,
        WEIGHTS,
        is_exported,
        read_json,
        read_results,
        write_json,
        write_text,
    )

    workdir, out = loading.folder(workdir), expanded(out)
    _refuse_other_folder(out)
    if is_exported(workdir):
        raise UserError(f"{workdir} is an exported model: copy it")
    model = loading.load(workdir, **own)
    results = read_results(workdir / "results.json")
    config = model.config.copy_and_resolve_references()
    standard = dict(flat(defaults.get_config().to_dict()))
    free = {name: standard[name] for name in FREE}  # what only one's own machine knows
    config.update_from_flattened_dict(to_pass_on(config) | free)
    info = read_json(workdir / "data.json")
    with _whole_or_not_at_all(out) as part:
        write_json(part / CONFIG, config.to_dict())
        write_json(part / "data.json", {k: v for k, v in info.items() if k != "data"})
        weights.save(part / WEIGHTS, model.params.model, model.step)
        record = parts.recorded(workdir)
        parts.keep(part, record)
        for name, content in programs(model, info["size"]).items():
            (part / name).write_bytes(content)
        text = card.card(out.absolute().name, config, info, model.step, results, record)
        write_text(part / "card.md", text)
