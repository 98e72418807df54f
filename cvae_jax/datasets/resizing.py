"""Pictures of any size as square uint8 arrays."""

import numpy as np
from PIL import Image

# Of pictures that come from outside: Pillow hands some others to programs, PostScript among them.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")


def opened(stream) -> Image.Image:
    """The picture in a binary stream that can seek; a PNG's checksums are right.

    Raises:
      Exception: of a dozen kinds, for each format its own.
    """
    Image.open(stream, formats=_FORMATS).verify()  # Pillow decodes without a look at them
    stream.seek(0)
    return Image.open(stream, formats=_FORMATS)


def square(picture: Image.Image, size: int, channels: int, crop: int = 0) -> np.ndarray:
    """The picture's central square, resized with antialiasing.

    Args:
      picture: a Pillow image.
      size: side of the result, pixels.
      channels: 1 (grey) or 3.
      crop: side of the square; 0: the shorter side.

    Returns:
      uint8 [size, size, channels].

    Raises:
      ValueError: the picture is smaller than `crop`, or its pixels have no known range.
    """
    if picture.mode.startswith("I;16"):  # which Pillow would cut off at 255
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode in ("I", "F"):
        raise ValueError(f"its pixels are of Pillow's mode {picture.mode}: make them 8 or 16 bits")
    width, height = picture.size
    side = crop or min(width, height)
    if side > min(width, height):
        raise ValueError(f"it is {width}x{height}, smaller than {side}x{side}")
    picture = picture.convert("RGB" if channels == 3 else "L")
    left, top = (width - side) // 2, (height - side) // 2
    # Cropped first: resize(box=...) lets the filter reach beyond the box.
    picture = picture.crop((left, top, left + side, top + side))
    resized = picture.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(resized, np.uint8).reshape(size, size, channels)
