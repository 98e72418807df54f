"""The cascade VAE on MPI3D: a robot's arm that holds an object, colour, 64x64.

Variants:
  (none)     mpi3d_toy, simply rendered
  realistic  mpi3d_realistic, realistically rendered
  real       mpi3d_real, photographed

  cvae train --config=mpi3d
  cvae train --config=mpi3d:realistic
  cvae train --config=mpi3d:real

Not yet run to its end. Fields that are not here have the values of cvae_jax/config/defaults.py.
"""

from cvae_jax import defaults


def get_config(variant: str = ""):
    config = defaults.get_config()
    config.data.name = "mpi3d_toy"
    if variant == "realistic":
        config.data.name = "mpi3d_realistic"
    elif variant == "real":
        config.data.name = "mpi3d_real"
    elif variant:
        raise ValueError(f"unknown variant {variant!r}; there are realistic and real")
    return config
