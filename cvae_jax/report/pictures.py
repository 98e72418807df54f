"""Images for the page: those of the data, and the plots that an evaluation drew."""

import io
import logging
from pathlib import Path

from PIL import Image

log = logging.getLogger(__name__)

PNG, GIF = b"\x89PNG\r\n\x1a\n", b"GIF8"
_MOST = 16 << 20  # bytes of a picture; an evaluation draws ten times less


def png(pixels) -> bytes:
    """Returns uint8 [H, W, 1 or 3] as a PNG."""
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, "PNG")
    return file.getvalue()


def drawn(file: Path, magic: bytes = PNG) -> bytes:
    """Returns the content of a picture that an evaluation drew; b"": there is none.

    In a run from elsewhere its name may be a link to a file of one's own, which is not passed on.

    Args:
      file: its path.
      magic: what such a file begins with.
    """
    if file.is_symlink() or file.parent.is_symlink() or not file.is_file():
        return b""
    with file.open("rb") as stream:
        content = stream.read(_MOST + 1)
    if len(content) > _MOST:
        log.warning("%s is left out of the page: it has more than %d MB", file, _MOST >> 20)
        return b""
    return content if content.startswith(magic) else b""
