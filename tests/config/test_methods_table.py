"""The table of methods is the one place that knows them."""

import ast
from pathlib import Path

from cvae_jax.config import build, defaults, methods
from cvae_jax.networks import gan_networks
from cvae_jax.objectives import cascade, decomposition, infogan, likelihoods


def test_no_other_file_compares_with_a_methods_name():
    for path in Path("cvae_jax").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                values = {c.value for c in ast.walk(node) if isinstance(c, ast.Constant)}
                assert not values & set(methods.METHODS), (path, node.lineno)


def test_every_row_has_its_fields():
    config = defaults.get_config()
    limits = defaults.get_limits()
    for name, method in methods.METHODS.items():
        config.objective.name = name
        config.cascade.weight = 1.0
        assert method.prior in ("normal", "uniform")
        assert build.critics(config) == [*method.critics, "cascade"]
        for critic in method.critics:
            assert critic in config.optim
        for field in methods.fields_of(config):
            assert f"objective.{name}.{field}" in limits
    for field in methods.critic_weights().values():
        assert field == "" or field in limits


def test_a_fields_names_are_those_that_the_code_takes():
    names = {name: set(field.names) for name, field in defaults.get_limits().items() if field.names}
    assert names == {
        "compute_dtype": set(methods.COMPUTE_DTYPES),
        "objective.likelihood": set(likelihoods.LIKELIHOODS),
        "objective.beta_tcvae.estimator": set(decomposition.ESTIMATORS),
        "objective.infogan.loss": set(infogan.LOSSES),
        "objective.infogan.networks": set(gan_networks.NETWORKS),
        "cascade.critic_input": set(cascade.CRITIC_INPUTS),
        "cascade.x_hat": set(cascade.X_HATS),
        "cascade.source": set(cascade.SOURCES),
        "cascade.second_pass": set(cascade.SECOND_PASSES),
        "cascade.conditionals": set(cascade.CONDITIONALS),
    }
