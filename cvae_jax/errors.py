"""Mistakes and mishaps that the user can mend: one line that names the cause and the remedy."""


class UserError(ValueError):
    """Raised with one line: what is wrong, and what to do. `main` prints it and exits with 2."""
