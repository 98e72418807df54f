"""A run on Weights & Biases, where config.wandb names a project: its metrics, and its scores."""

import contextlib
import logging
import secrets
from pathlib import Path

from cvae_jax.errors import UserError, first_line
from cvae_jax.runs.workdir import damaged, read_json, write_json

log = logging.getLogger(__name__)

_FILE = "wandb.json"


def _identity(workdir: Path) -> str:
    """The id by which W&B knows the run of this folder, also when it is resumed."""
    path = workdir / _FILE
    if not path.exists():
        write_json(path, {"id": secrets.token_hex(4)})
    found = read_json(path)
    name = found.get("id") if isinstance(found, dict) else None
    if not isinstance(name, str) or not name.isalnum():
        raise damaged(path, "it holds no id")
    return name


@contextlib.contextmanager
def tracked(config, workdir: Path, group: str | None = None):
    """Yields a run on W&B while its run here lasts; None where config.wandb is "".

    Args:
      config: the run's.
      workdir: its folder, which W&B's own files go to as well.
      group: a name that the runs of several seeds share.

    Yields:
      What `wandb.init` returns.

    Raises:
      UserError: the package is missing, or W&B can't be started.
    """
    if not config.wandb:
        yield None
        return
    try:
        import wandb

        init = wandb.init  # a folder of its files, ./wandb, can be imported as well
    except (ImportError, AttributeError):
        raise UserError(
            f"config.wandb is {config.wandb!r} and the package is missing: pip install wandb, or "
            "leave the field empty"
        ) from None
    try:
        board = init(
            project=config.wandb,
            id=_identity(workdir),
            resume="allow",
            name=workdir.absolute().name,
            group=group,
            dir=str(workdir),
            config=config.to_dict(),
            reinit="create_new",  # several seeds are several runs of one process
            settings=wandb.Settings(console="off"),  # which tears the progress bar
        )
    except UserError:
        raise
    except Exception as error:  # no key, no network, a project of a name that W&B refuses
        raise UserError(
            f"Weights & Biases does not start ({first_line(error)[:160]}): run `wandb login`, set "
            "WANDB_MODE=offline, or leave config.wandb empty"
        ) from error
    failed = True
    try:
        yield board
        failed = False
    finally:
        _attempt(lambda: board.finish(exit_code=int(failed)))


def _attempt(act) -> None:
    """Logs what goes wrong with W&B while a run lasts; the run continues."""
    try:
        act()
    except Exception as error:
        log.warning("Weights & Biases: %s; the run continues", first_line(error))


def log_metrics(board, step: int, scalars: dict) -> None:
    """Logs numbers by name; W&B itself drops the steps that it has from before a resume."""
    if board is not None:
        _attempt(lambda: board.log(scalars, step=step))


def log_scores(board, results: dict) -> None:
    """Puts an evaluation's scores into the summary, which W&B's tables compare runs by."""
    if board is not None:
        scores = {f"scores/{name}": score["value"] for name, score in results["scores"].items()}
        _attempt(lambda: board.summary.update(scores))
