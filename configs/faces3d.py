"""The cascade VAE on 3D Faces: grey 64x64 renders of the Basel face model.

The renders can't be downloaded: the model's licence forbids passing them on. configs/heads3d.py
trains on a stand-in with the same factors that is rendered here.

  cvae train --config=faces3d

Not yet run to its end. Fields that are not here have the values of cvae_jax/config/defaults.py.
"""

from cvae_jax import defaults


def get_config():
    config = defaults.get_config()
    config.data.name = "faces3d"
    return config
