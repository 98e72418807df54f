"""Pictures of any size as square uint8 arrays."""

import warnings

import numpy as np
from PIL import Image

# Of pictures that come from outside: Pillow hands some others to programs, PostScript among them.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")


LARGEST = 40_000_000  # pixels of a picture that is decoded whole: 160 MB, and as much as a copy
_LARGEST_WEBP = LARGEST // 2  # whose decoder holds it four times
_REDUCED = 4  # a larger JPEG is decoded at no less than so many times the side that is wanted


def opened(stream, size: int = 0) -> Image.Image:
    """Returns the picture in a binary stream that can seek; a PNG's checksums are right.

    A JPEG of more than LARGEST pixels is decoded at a smaller scale.

    Args:
      stream: of the file.
      size: pixels a side that are wanted of it; 0: it is looked at alone.

    Raises:
      ValueError: it has more than LARGEST pixels, of WebP half as many, and can't be decoded at a
        smaller scale.
      Exception: of a dozen kinds, for each format its own.
    """
    with warnings.catch_warnings():  # Pillow's own limit is higher
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        picture = Image.open(stream, formats=_FORMATS)
        _require_few_pixels(picture, size)
        picture.verify()  # Pillow decodes without a look at the checksums
        stream.seek(0)
        picture = Image.open(stream, formats=_FORMATS)
        _require_few_pixels(picture, size)
        return picture


def _require_few_pixels(picture, size):
    width, height = picture.size
    most = _LARGEST_WEBP if picture.format == "WEBP" else LARGEST
    if width * height <= most:
        return
    # of a progressive one all coefficients are held, whatever the scale; MPO: a camera's JPEG with
    # more pictures behind it
    if picture.format in ("JPEG", "MPO") and not picture.info.get("progressive"):
        picture.draft(None, (_REDUCED * max(size, 1),) * 2)
    if picture.size[0] * picture.size[1] > most:
        raise ValueError(f"it has {width}x{height} pixels, and at most {most:,} are read")


def is_deep(picture: Image.Image) -> bool:
    """Returns whether a grey picture has 16 bits, in whichever order of bytes."""
    return picture.mode.startswith("I;16")


def is_cut(picture: Image.Image) -> bool:
    """Returns whether the picture has 16 bits of which Pillow gives the upper 8, in colour."""
    return not is_deep(picture) and any(";16" in str(tile[3]) for tile in picture.tile)


def square(
    picture: Image.Image, size: int, channels: int, crop: int = 0, bits: int = 16
) -> np.ndarray:
    """Returns the picture's central square, resized with antialiasing.

    Args:
      picture: a Pillow image.
      size: side of the result, pixels.
      channels: 1 (grey) or 3.
      crop: side of the square; 0: the shorter side.
      bits: that values have, of a picture stored with 16.

    Returns:
      uint8 [size, size, channels].

    Raises:
      ValueError: the picture is smaller than `crop`, or its pixels have no known range.
    """
    if is_deep(picture):  # which Pillow would cut off at 255
        values = np.asarray(picture).astype(np.uint16) >> (bits - 8)
        picture = Image.fromarray(np.minimum(values, 255).astype(np.uint8))
    if picture.mode in ("I", "F"):
        raise ValueError(f"its pixels are of Pillow's mode {picture.mode}: make them 8 or 16 bits")
    width, height = picture.size
    side = crop or min(width, height)
    if side > min(width, height):
        raise ValueError(f"it is {width}x{height}, smaller than {side}x{side}")
    left, top = (width - side) // 2, (height - side) // 2
    # Cropped first: resize(box=...) lets the filter reach beyond the box.
    picture = picture.crop((left, top, left + side, top + side))
    picture = picture.convert("RGB" if channels == 3 else "L")
    resized = picture.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(resized, np.uint8).reshape(size, size, channels)
