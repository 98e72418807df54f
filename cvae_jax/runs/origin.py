"""When a run began, and by which commit of this program: kept in data.json."""

import datetime
import subprocess
from pathlib import Path

_CHECKOUT = Path(__file__).parents[2]
_SECONDS = 10  # that git may take


def origin() -> dict[str, str]:
    """Returns {"began": the time now in UTC, "commit": of the checkout; "": it is none}."""
    now = datetime.datetime.now(datetime.UTC)
    return {"began": now.isoformat(timespec="seconds"), "commit": commit()}


def commit(checkout: Path = _CHECKOUT) -> str:
    """Returns the commit of a checkout, with -dirty if its files differ; "": it is none.

    A package that pip installed lies in no checkout of its own.
    """
    if not (checkout / ".git").exists():
        return ""
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(
            [*command, "--exclude=*"],  # tags: the commit alone
            capture_output=True,
            text=True,
            check=True,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):  # no git, or it refuses the folder
        return ""
    return done.stdout.strip()
