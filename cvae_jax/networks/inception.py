"""The Inception-v3 of FID: the TensorFlow graph of 2015-12-05 as pytorch-fid rebuilt it, in linen.

It differs from later Inception-v3: average pools leave the padding out, the last block pools by
maximum, and there are 1,008 classes. Layers have the names of pytorch-fid's, so that its weights
need no table; each batch normalisation is folded into the convolution before it.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

_SIDE = 299  # pixels


class BasicConv2d(nn.Module):
    """Convolution, the folded normalisation, relu."""

    features: int
    kernel: tuple
    stride: int = 1
    padding: tuple = (0, 0)

    @nn.compact
    def __call__(self, x):
        padding = [(p, p) for p in self.padding]
        return nn.relu(nn.Conv(self.features, self.kernel, self.stride, padding, name="conv")(x))


def _conv(name, features, kernel=(1, 1), **kwargs):
    return BasicConv2d(features, kernel, name=name, **kwargs)


def _average(x):
    return nn.avg_pool(x, (3, 3), (1, 1), [(1, 1), (1, 1)], count_include_pad=False)


def _maximum(x, stride, padding):
    return nn.max_pool(x, (3, 3), (stride, stride), [(padding, padding)] * 2)


class BlockA(nn.Module):
    """35x35."""

    pool_features: int

    @nn.compact
    def __call__(self, x):
        a = _conv("branch1x1", 64)(x)
        b = _conv("branch5x5_1", 48)(x)
        b = _conv("branch5x5_2", 64, (5, 5), padding=(2, 2))(b)
        c = _conv("branch3x3dbl_1", 64)(x)
        c = _conv("branch3x3dbl_2", 96, (3, 3), padding=(1, 1))(c)
        c = _conv("branch3x3dbl_3", 96, (3, 3), padding=(1, 1))(c)
        d = _conv("branch_pool", self.pool_features)(_average(x))
        return jnp.concatenate([a, b, c, d], axis=-1)


class BlockB(nn.Module):
    """35x35 to 17x17."""

    @nn.compact
    def __call__(self, x):
        a = _conv("branch3x3", 384, (3, 3), stride=2)(x)
        b = _conv("branch3x3dbl_1", 64)(x)
        b = _conv("branch3x3dbl_2", 96, (3, 3), padding=(1, 1))(b)
        b = _conv("branch3x3dbl_3", 96, (3, 3), stride=2)(b)
        return jnp.concatenate([a, b, _maximum(x, 2, 0)], axis=-1)


class BlockC(nn.Module):
    """17x17, with `width` channels between convolutions of 1x7 and 7x1."""

    width: int

    @nn.compact
    def __call__(self, x):
        row = {"kernel": (1, 7), "padding": (0, 3)}
        column = {"kernel": (7, 1), "padding": (3, 0)}
        a = _conv("branch1x1", 192)(x)
        b = _conv("branch7x7_1", self.width)(x)
        b = _conv("branch7x7_2", self.width, **row)(b)
        b = _conv("branch7x7_3", 192, **column)(b)
        c = _conv("branch7x7dbl_1", self.width)(x)
        c = _conv("branch7x7dbl_2", self.width, **column)(c)
        c = _conv("branch7x7dbl_3", self.width, **row)(c)
        c = _conv("branch7x7dbl_4", self.width, **column)(c)
        c = _conv("branch7x7dbl_5", 192, **row)(c)
        d = _conv("branch_pool", 192)(_average(x))
        return jnp.concatenate([a, b, c, d], axis=-1)


class BlockD(nn.Module):
    """17x17 to 8x8."""

    @nn.compact
    def __call__(self, x):
        a = _conv("branch3x3_1", 192)(x)
        a = _conv("branch3x3_2", 320, (3, 3), stride=2)(a)
        b = _conv("branch7x7x3_1", 192)(x)
        b = _conv("branch7x7x3_2", 192, (1, 7), padding=(0, 3))(b)
        b = _conv("branch7x7x3_3", 192, (7, 1), padding=(3, 0))(b)
        b = _conv("branch7x7x3_4", 192, (3, 3), stride=2)(b)
        return jnp.concatenate([a, b, _maximum(x, 2, 0)], axis=-1)


class BlockE(nn.Module):
    """8x8; `maximum` pools by maximum, as the last block of that graph does."""

    maximum: bool

    @nn.compact
    def __call__(self, x):
        row = {"kernel": (1, 3), "padding": (0, 1)}
        column = {"kernel": (3, 1), "padding": (1, 0)}
        a = _conv("branch1x1", 320)(x)
        b = _conv("branch3x3_1", 384)(x)
        b = [_conv("branch3x3_2a", 384, **row)(b), _conv("branch3x3_2b", 384, **column)(b)]
        c = _conv("branch3x3dbl_1", 448)(x)
        c = _conv("branch3x3dbl_2", 384, (3, 3), padding=(1, 1))(c)
        c = [_conv("branch3x3dbl_3a", 384, **row)(c), _conv("branch3x3dbl_3b", 384, **column)(c)]
        d = _conv("branch_pool", 192)(_maximum(x, 1, 1) if self.maximum else _average(x))
        return jnp.concatenate([a, *b, *c, d], axis=-1)


class InceptionV3(nn.Module):
    """Images [B, H, W, 1 or 3] in [0, 1] -> (features [B, 2048], class probabilities [B, 1008]).

    Grey is repeated to three channels; resized to 299 bilinearly without aligned corners and
    without smoothing; scaled to [-1, 1]. The probabilities are the softmax of features . W, without
    the bias, as the inception score has them.
    """

    @nn.compact
    def __call__(self, images):
        x = jnp.broadcast_to(images, (*images.shape[:3], 3))
        x = jax.image.resize(x, (len(x), _SIDE, _SIDE, 3), "bilinear", antialias=False)
        x = 2 * x - 1
        x = _conv("Conv2d_1a_3x3", 32, (3, 3), stride=2)(x)
        x = _conv("Conv2d_2a_3x3", 32, (3, 3))(x)
        x = _conv("Conv2d_2b_3x3", 64, (3, 3), padding=(1, 1))(x)
        x = _maximum(x, 2, 0)
        x = _conv("Conv2d_3b_1x1", 80)(x)
        x = _conv("Conv2d_4a_3x3", 192, (3, 3))(x)
        x = _maximum(x, 2, 0)
        for name, pool_features in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
            x = BlockA(pool_features, name=name)(x)
        x = BlockB(name="Mixed_6a")(x)
        for name, width in (
            ("Mixed_6b", 128),
            ("Mixed_6c", 160),
            ("Mixed_6d", 160),
            ("Mixed_6e", 192),
        ):
            x = BlockC(width, name=name)(x)
        x = BlockD(name="Mixed_7a")(x)
        x = BlockE(maximum=False, name="Mixed_7b")(x)
        x = BlockE(maximum=True, name="Mixed_7c")(x)
        features = jnp.mean(x, axis=(1, 2))  # [B, 2048]
        logits = nn.Dense(1008, use_bias=False, name="fc")(features)
        return features, nn.softmax(logits)


def params_from_torch(state: dict) -> dict:
    """Parameters of `InceptionV3` from pytorch-fid's state dict: names to arrays.

    Raises:
      ValueError: a weight is missing or has another shape; it is named.
    """
    if not isinstance(state, dict):
        raise ValueError(f"the file holds no weights but a {type(state).__name__}")
    shapes = jax.eval_shape(
        InceptionV3().init, jax.random.key(0), jax.ShapeDtypeStruct((1, 8, 8, 3), jnp.float32)
    )["params"]

    def weight(name):
        if name not in state:
            raise ValueError(f"the weights have no {name}")
        return np.asarray(state[name], np.float64)

    def convert(path, shape):
        *layers, leaf = (key.key for key in path)
        if layers == ["fc"]:
            value = weight("fc.weight").T
        else:
            name = ".".join(layers[:-1])  # without linen's "conv"
            scale = weight(f"{name}.bn.weight")
            scale = scale / np.sqrt(weight(f"{name}.bn.running_var") + 1e-3)
            if leaf == "kernel":
                value = weight(f"{name}.conv.weight").transpose(2, 3, 1, 0) * scale
            else:
                value = weight(f"{name}.bn.bias") - weight(f"{name}.bn.running_mean") * scale
        if value.shape != shape.shape:
            raise ValueError(f"{'.'.join(layers)} {leaf} is {value.shape}, not {shape.shape}")
        return value.astype(np.float32)

    return jax.tree_util.tree_map_with_path(convert, shapes)
