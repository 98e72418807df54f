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
    """Strided convolutions of 32 channels down to 4x4, two layers of 256, mean and logvar."""

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
            x = x.reshape(x.shape[0], -1)  # [B, 512]
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

    @nn.compact
    def __call__(self, z):
        dense = [nn.Dense(n, dtype=self.dtype) for n in (256, 256, 512)]
        features = (self.num_convs - 1) * [32] + [self.channels]
        convs = [StridedConvTranspose(n, self.dtype) for n in features]

        def layers(x):  # [B, d]
            for layer in dense:
                x = nn.relu(layer(x))
            x = x.reshape(-1, 4, 4, 32)
            for conv_layer in convs[:-1]:
                x = nn.relu(conv_layer(x))
            return convs[-1](x)

        return by_halves(layers, z, 4 ** (2 + self.num_convs))


def burgess(size: int, channels: int, latents: int, dtype=None) -> Networks:
    """Encoder and decoder of Burgess et al. 2018 (arXiv:1804.03599), the paper's [2].

    Args:
      size: side of the square images in pixels, a power of two from 8 (64: four convolutions).
      channels: of the images, 1 or 3.
      latents: d, the number of latent dimensions.
      dtype: that the layers compute in; None: that of parameters and images.

    Raises:
      ValueError: size is not a power of two of at least 8.
    """
    num_convs = size.bit_length() - 3
    if size < 8 or size != 4 << num_convs:
        raise ValueError(f"image size {size} is not a power of two of at least 8")
    return Networks(
        BurgessEncoder(num_convs, latents, dtype), BurgessDecoder(num_convs, channels, dtype)
    )
