"""Whether the cascade can have the structure, latents and critic that a config names."""

from cvae_jax.config import methods
from cvae_jax.config.build import structure
from cvae_jax.errors import UserError
from cvae_jax.objectives import bayesian_joint
from cvae_jax.structures import wholes


def check_cascade(config, begins: bool) -> None:
    """Refuses a cascade that can't be had; of a run that begins, also what earlier versions took.

    Those are edges from z that no critic sees, and a reward that marks below the noise would earn.

    Raises:
      UserError: one line that names the field, its value and what it must be.
    """
    cascade, posterior = config.cascade, config.cascade.source == "posterior"
    if posterior and not methods.method_of(config).likelihood:
        raise UserError(
            f"config.cascade.source is posterior, and {config.objective.name} encodes no data: "
            "set it to prior"
        )
    if posterior and cascade.prior_batch_size:
        raise UserError(
            f"config.cascade.prior_batch_size is {cascade.prior_batch_size}; it adds prior "
            "latents: set it to 0, or config.cascade.source to prior"
        )
    joint, network = cascade.critic_input == "joint", structure(config)
    if cascade.weight and cascade.conditionals == "given":
        _check_given(config, network)
    if cascade.weight and cascade.second_pass == "none" and (joint or not posterior):
        raise UserError(
            "config.cascade.second_pass is none, so z of the images is all there is: set "
            "config.cascade.source to posterior and config.cascade.critic_input to z_hat"
        )
    if begins and cascade.weight and not joint and not network.has_own_z_alone:
        raise UserError(
            f"config.cascade.structure {cascade.structure} names edges from z, and the "
            "critic sees z_hat alone: set config.cascade.critic_input to joint, or leave them out"
        )
    marginal = network.marginal()
    if cascade.edge_reward and not (cascade.weight and any(marginal.parents)):
        raise UserError(
            f"config.cascade.edge_reward is {cascade.edge_reward}; it rewards edges between "
            "z_hat nodes: give config.cascade.structure some and config.cascade.weight above 0, "
            "or set it to 0"
        )
    if begins and cascade.edge_reward and not methods.method_of(config).likelihood:
        raise UserError(
            f"config.cascade.edge_reward is {cascade.edge_reward}, and {config.objective.name} has "
            "no noise of pixels: marks too faint to be seen would earn it; set it to 0"
        )
    if cascade.edge_reward and cascade.second_pass != "none" and cascade.x_hat != "sample":
        raise UserError(
            f"config.cascade.edge_reward is {cascade.edge_reward} and config.cascade.x_hat "
            f"{cascade.x_hat}: marks too faint to be seen would earn it; set x_hat to sample, or "
            "second_pass to none"
        )
    if cascade.additive:
        _check_additive(config, network)
    rows = cascade.prior_batch_size or config.batch_size
    if rows < config.batch_size:
        raise UserError(
            f"config.cascade.prior_batch_size {rows} is under batch_size {config.batch_size}; "
            "0 makes it as large as batch_size"
        )
    plan = bayesian_joint.plan(network if joint else marginal, with_z=joint)
    needed = bayesian_joint.rows_needed(plan)
    # of samples that q's rows are put together to; given conditionals are drawn
    if cascade.weight and cascade.conditionals == "own" and rows < needed:
        raise UserError(
            f"a sample of p_B needs {needed} rows and gets {rows}: raise "
            "config.batch_size or config.cascade.prior_batch_size"
        )


def _check_given(config, network):
    """Whether given conditionals are those of the network, and can be met."""
    cascade = config.cascade
    if cascade.critic_input != "joint":
        raise UserError(
            "config.cascade.conditionals is given, and the critic sees z_hat alone: set "
            "config.cascade.critic_input to joint"
        )
    if not network.has_own_z_alone:
        raise UserError(
            f"config.cascade.structure {cascade.structure} names edges from z, which "
            "given conditionals do not know: leave them out"
        )
    if methods.method_of(config).prior != "normal":
        raise UserError(
            f"config.cascade.conditionals is given, and {config.objective.name} reads latents "
            "more coarsely than to a tenth: set it to own"
        )
    if cascade.prior_batch_size:
        raise UserError(
            f"config.cascade.prior_batch_size is {cascade.prior_batch_size}, and given "
            "conditionals need none: set it to 0"
        )


def _check_additive(config, network):
    """Whether there are wholes that can be added to their parts in a decoder."""
    if not methods.method_of(config).likelihood:
        raise UserError(
            f"config.cascade.additive is True, and {config.objective.name} has no decoder of a "
            "VAE: set it to False"
        )
    try:
        wholes.sums(network.parents)
    except ValueError as error:
        raise UserError(
            f"config.cascade.additive is True, and {error}: set it to False, or "
            "config.cascade.structure to one with wholes, such as compose3"
        ) from None
