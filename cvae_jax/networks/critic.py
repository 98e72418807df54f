"""The critic: FactorVAE's discriminator, a perceptron with one logit a row."""

from typing import Any

import jax
from flax import linen as nn

from cvae_jax.networks import scalar_mlp
from cvae_jax.networks.layers import at_least_float32


class Affine(nn.Module):
    """The parameters of `nn.Dense`: kernel [inputs, features] and bias [features]."""

    features: int

    @nn.compact
    def __call__(self, inputs: int):
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (inputs, self.features))
        return kernel, self.param("bias", nn.initializers.zeros, (self.features,))


class Critic(nn.Module):
    """FactorVAE's discriminator: v [B, k] -> logits [B], leaky ReLU of slope 0.2 throughout."""

    layers: int = 6
    width: int = 1000
    dtype: Any = None

    @nn.compact
    def __call__(self, v):
        inputs = (v.shape[1],) + self.layers * (self.width,)
        outputs = self.layers * (self.width,) + (1,)
        layers = [
            Affine(n, name=f"Dense_{i}")(m)
            for i, (m, n) in enumerate(zip(inputs, outputs, strict=True))
        ]
        if self.dtype is not None:
            layers, v = jax.tree.map(lambda x: x.astype(self.dtype), (layers, v))
        return at_least_float32(scalar_mlp.scalar_mlp(0.2, layers, v))
