"""Encoder and decoder of Burgess et al. 2018: linen modules that hold no state."""

from typing import Any, NamedTuple

from flax import linen as nn

from cvae_jax.networks.conv import by_halves
from cvae_jax.networks.layers import StridedConv, StridedConvTranspose, at_least_float32


class Networks(NamedTuple):
    """An encoder: images [B, H, W, C] -> (mean, logvar), each [B, d]; a decoder: z -> logits."""

    encoder: nn.Module
    decoder: nn.Module


class BurgessEncoder(nn.Module):
    """Strided convolutions of 32 channels, two layers of 256, mean and logvar."""

    num_convs: int
    latents: int
    dtype: Any = None

    @nn.compact
    def __call__(self, images):
        convs = [StridedConv(32, self.dtype) for _ in range(self.num_convs)]
        dense = [nn.Dense(n, dtype=self.dtype) for n in (256, 256, 2 * self.latents)]

        def layers(x):  # [B, H, W, C]
            for conv_layer in convs:
                x = nn.relu(conv_layer(x))
            x = x.reshape(x.shape[0], -1)
            for layer in dense[:-1]:
                x = nn.relu(layer(x))
            return at_least_float32(dense[-1](x))

        x = by_halves(layers, images, images.shape[1] * images.shape[2])
        return x[:, : self.latents], x[:, self.latents :]


class BurgessDecoder(nn.Module):
    """The encoder's mirror: z [B, d] -> logits [B, H, W, C]."""

    num_convs: int
    channels: int
    dtype: Any = None
    side: int = 4  # of the grid that the convolutions begin with

    @nn.compact
    def __call__(self, z):
        dense = [nn.Dense(n, dtype=self.dtype) for n in (256, 256, self.side**2 * 32)]
        features = (self.num_convs - 1) * [32] + [self.channels]
        convs = [StridedConvTranspose(n, self.dtype) for n in features]

        def layers(x):  # [B, d]
            for layer in dense:
                x = nn.relu(layer(x))
            x = x.reshape(-1, self.side, self.side, 32)
            for conv_layer in convs[:-1]:
                x = nn.relu(conv_layer(x))
            return convs[-1](x)

        return by_halves(layers, z, (self.side << self.num_convs) ** 2)


def halvings(size: int) -> tuple[int, int]:
    """Returns how often a side is halved until it is odd or at most 4, and what it then is.

    64 -> (4, 4), 48 -> (4, 3), 80 -> (4, 5), 128 -> (5, 4), 240 -> (4, 15).

    Raises:
      ValueError: size is neither 8 nor a multiple of 16.
    """
    if size != 8 and (size < 16 or size % 16):
        raise ValueError(f"image size {size} is neither 8 nor a multiple of 16")
    count = 0
    while size > 4 and size % 2 == 0:
        size, count = size // 2, count + 1
    return count, size


def burgess(size: int, channels: int, latents: int, dtype=None) -> Networks:
    """Returns encoder and decoder of Burgess et al. 2018 (arXiv:1804.03599), the paper's [2].

    Theirs are for 64x64: four 4x4 convolutions of stride 2 and 32 channels down to 4x4, then dense
    layers. At other sizes the side is halved until it is odd or at most 4: five convolutions to 4x4
    at 128, four to 3x3 at 48 or to 5x5 at 80. The first dense layer takes what remains.

    Args:
      size: side of the square images in pixels, 8 or a multiple of 16 (tested up to 256).
      channels: of the images, 1 or 3.
      latents: d, the number of latent dimensions.
      dtype: that the layers compute in; None: that of parameters and images.

    Raises:
      ValueError: size is neither 8 nor a multiple of 16.
    """
    num_convs, side = halvings(size)
    return Networks(
        BurgessEncoder(num_convs, latents, dtype), BurgessDecoder(num_convs, channels, dtype, side)
    )
