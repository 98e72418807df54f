"""Mistakes and mishaps that the user can mend: one line that names the cause and the remedy."""

import errno

# What a full, forbidden or broken disk answers.
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)


class UserError(ValueError):
    """Raised with one line: what is wrong, and what to do. `main` prints it and exits with 2."""
