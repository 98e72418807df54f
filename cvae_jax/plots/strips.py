"""A row of decoded images, one latent moved: the strip that stands for it in other pictures."""

import numpy as np

from cvae_jax.plots.images import rgb


def thinned(steps, room, least) -> np.ndarray:
    """Returns which of a traversal's images have room, evenly spaced, with both ends.

    All of them if each has at least `least` of the room, else every second, third, ...; the first
    and the last alone if not even those have it.

    Args:
      steps: how many there are.
      room: for the strip.
      least: for an image.
    """
    for stride in range(1, steps):
        if (steps - 1) % stride == 0 and ((steps - 1) // stride + 1) * least <= room:
            return np.arange(0, steps, stride)
    return np.arange(0, steps, max(1, steps - 1))


def canvas(images, zoom, gap):
    """Lays images side by side: uint8 [zoom H, steps zoom W + (steps - 1) gap, 3].

    Args:
      images: floats in [0, 1] (others are clipped), [steps, H, W, 1 or 3].
      zoom: pixels of the canvas for one of an image.
      gap: white pixels between two images.
    """
    images = rgb(images).repeat(zoom, axis=1).repeat(zoom, axis=2)
    steps, height, width, _ = images.shape
    found = np.full((height, steps * (width + gap) - gap, 3), 255, np.uint8)
    for i, image in enumerate(images):
        found[:, i * (width + gap) :][:, :width] = image
    return found
