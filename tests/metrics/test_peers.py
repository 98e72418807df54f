"""Our scores against those of other packages on the same numbers.

They need PyTorch, which nothing else here does: `pip install torch torchvision pytorch-fid disent`.
"""

import types

import jax
import numpy as np
import pytest
from fixtures.inception_weights import torch_state

from cvae_jax import metrics
from cvae_jax.metrics.inputs import split
from cvae_jax.networks import inception

pytestmark = pytest.mark.slow

SIZES = (3, 6, 8)


@pytest.fixture(scope="module")
def data():
    """(codes, factors): 3,000 rows of a code that is neither perfect nor noise."""
    rng = np.random.default_rng(0)
    factors = np.stack([rng.integers(size, size=3_000) for size in SIZES], axis=1)
    mixing = np.array([[1, 0.3, 0, 0], [0, 1, 0.2, 0], [0.2, 0, 1, 0.1]])
    codes = factors / factors.std(axis=0) @ mixing + 0.3 * rng.normal(size=(3_000, 4))
    return codes, factors


def disent(module):
    return pytest.importorskip(f"disent.metrics.{module}", reason="pip install disent torch")


def test_mig_is_disents(data):
    codes, factors = data
    theirs = disent("_mig")._compute_mig(codes.T, factors.T)["mig.discrete_score"]
    assert metrics.mig(codes, factors) == pytest.approx(theirs, rel=1e-9)


def test_sap_is_disents(data):
    codes, factors = data
    (x, y), (x_test, y_test) = split(codes, factors, 2_000, 1_000, 0)
    peer = disent("_sap")
    theirs = peer._compute_sap(x.T, y.T, x_test.T, y_test.T, continuous_factors=False)["sap.score"]
    # Its solver draws its own seed
    ours = metrics.sap(codes, factors, seed=0, train=2_000, test=1_000)
    assert ours == pytest.approx(theirs, abs=1e-3)


def test_dci_is_disents(data):
    codes, factors = data
    (x, y), (x_test, y_test) = split(codes, factors, 1_000, 500, 0)
    theirs = disent("_dci")._compute_dci(x.T, y.T, x_test.T, y_test.T)
    ours = metrics.dci(codes, factors, seed=0, train=1_000, test=500)
    # Its trees draw their own seed, for the order in which equal splits are tried
    assert ours.disentanglement == pytest.approx(theirs["dci.disentanglement"], abs=5e-3)
    assert ours.completeness == pytest.approx(theirs["dci.completeness"], abs=5e-3)
    assert ours.informativeness == pytest.approx(theirs["dci.informativeness_test"], abs=5e-3)


class Grid:
    """The part of disent's data sets that its FactorVAE score asks for, with codes as images."""

    def __init__(self, codes):
        self.codes, self.rng = codes, np.random.default_rng(0)
        self.gt_data = types.SimpleNamespace(num_factors=3, sample_factors=self.sample_factors)

    def sample_factors(self, count):
        return np.stack([self.rng.integers(size, size=count) for size in SIZES], axis=1)

    def dataset_batch_from_factors(self, factors, mode):
        del mode
        return self.codes[np.ravel_multi_index(factors.T, SIZES)]

    def dataset_sample_batch(self, count, mode):
        return self.dataset_batch_from_factors(self.sample_factors(count), mode)


def test_factor_score_is_disents_on_a_whole_grid(monkeypatch):
    factors = np.stack(np.unravel_index(np.arange(np.prod(SIZES)), SIZES), axis=1)
    rng = np.random.default_rng(1)
    codes = factors / factors.std(axis=0) @ rng.normal(size=(3, 4)) + rng.normal(size=(144, 4))
    module = disent("_factor_vae")
    monkeypatch.setattr(module, "to_numpy", np.asarray)
    monkeypatch.setattr(module.utils, "obtain_representation", lambda x, f, batch: f(x).T)

    def theirs(codes):
        np.random.seed(0)  # noqa: NPY002 (disent draws the factors from numpy's global generator)
        scores = module.metric_factor_vae(
            Grid(codes), lambda x: x, num_train=5_000, num_eval=5_000, num_variance_estimate=10_000
        )
        return scores["factor_vae.eval_accuracy"]

    ours = metrics.factor_score(codes, factors, seed=0, train_votes=5_000, eval_votes=5_000)
    # Two shares of 5,000 votes each
    assert ours == pytest.approx(theirs(codes), abs=4 * (0.5 / 5_000) ** 0.5)
    # It has no threshold for collapsed dimensions, where disentanglement_lib and we have .05: a
    # dimension that whispers a factor is heard by it and not by us.
    whisper = np.hstack([rng.normal(size=(144, 2)), 1e-3 * factors[:, :1]])
    assert theirs(whisper) > metrics.factor_score(whisper, factors, seed=0) + 0.1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # scipy's, of what it calls
@pytest.mark.parametrize("p", [3, 192])
def test_frechet_distance_is_pytorch_fids(p):
    peer = pytest.importorskip("pytorch_fid.fid_score", reason="pip install pytorch-fid")
    rng = np.random.default_rng(p)
    x, y = (rng.normal(size=(500, p)) @ rng.normal(size=(p, p)) + rng.normal() for _ in range(2))
    moments = [m for f in (x, y) for m in (f.mean(axis=0), np.cov(f, rowvar=False))]
    theirs = peer.calculate_frechet_distance(*moments)
    assert metrics.frechet_distance(*moments) == pytest.approx(theirs, rel=1e-6)


def peer_inception(peer, state, monkeypatch):
    """pytorch-fid's public network; its weights are ours instead of the ones that it downloads."""
    import torch

    whole = peer._inception_v3(num_classes=1008, aux_logits=False, weights=None)
    whole.Mixed_5b = peer.FIDInceptionA(192, pool_features=32)
    whole.Mixed_5c = peer.FIDInceptionA(256, pool_features=64)
    whole.Mixed_5d = peer.FIDInceptionA(288, pool_features=64)
    whole.Mixed_6b = peer.FIDInceptionC(768, channels_7x7=128)
    whole.Mixed_6c = peer.FIDInceptionC(768, channels_7x7=160)
    whole.Mixed_6d = peer.FIDInceptionC(768, channels_7x7=160)
    whole.Mixed_6e = peer.FIDInceptionC(768, channels_7x7=192)
    whole.Mixed_7b = peer.FIDInceptionE_1(1280)
    whole.Mixed_7c = peer.FIDInceptionE_2(2048)
    tensors = {name: torch.from_numpy(value) for name, value in state.items()}
    missing, unexpected = whole.load_state_dict(tensors, strict=False)
    assert not unexpected
    assert {name for name in missing if not name.endswith("num_batches_tracked")} == {"fc.bias"}
    monkeypatch.setattr(peer, "fid_inception_v3", lambda: whole)
    return peer.InceptionV3([peer.InceptionV3.BLOCK_INDEX_BY_DIM[2048]]).eval()


@pytest.mark.parametrize(("size", "channels"), [(64, 3), (32, 1), (299, 3), (320, 3)])
def test_inception_features_are_pytorch_fids(size, channels, monkeypatch):
    peer = pytest.importorskip("pytorch_fid.inception", reason="pip install pytorch-fid")
    import torch

    state = torch_state()
    network = peer_inception(peer, state, monkeypatch)
    images = np.random.default_rng(size).random((2, size, size, channels)).astype(np.float32)
    three = np.repeat(images, 3 // channels, axis=-1).transpose(0, 3, 1, 2)
    with torch.no_grad():
        theirs = network(torch.from_numpy(three))[0].squeeze(3).squeeze(2).numpy()
    params = inception.params_from_torch(state)
    apply = jax.jit(lambda x: inception.InceptionV3().apply({"params": params}, x))
    ours, probabilities = apply(images)
    assert np.abs(np.asarray(ours) - theirs).max() < 1e-3 * np.abs(theirs).max()
    logits = theirs.astype(float) @ state["fc.weight"].T
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, expected, rtol=2e-2, atol=1e-5)
