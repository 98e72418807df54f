"""The peer of benchmarks/steps.py: one training step in PyTorch, in a process of its own.

The same work as ours: encoder and decoder of Burgess et al. 2018, batch 64, float32, Adam; for
factor_vae a critic of 6 x 1000 on z; for cascade a second pass that decodes prior samples and
encodes them again, and the critic on (z, z_hat). Its samples of p_B are permuted columns, the
cheapest structure. Modes: eager, channels_last, compile (channels_last too), graphs (compile with
mode="reduce-overhead": CUDA graphs). On a GPU products may use TF32, as JAX's do by default.

Waits for numbers of steps on standard input and answers each with a line of JSON.
"""

import argparse

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks import turns

METHODS = ("vae", "factor_vae", "cascade")
MODES = ("eager", "channels_last", "compile", "graphs")
LATENTS = 10


class Encoder(nn.Module):
    """Images [B, 1, H, W] -> (mean, logvar), each [B, 10]."""

    def __init__(self, num_convs):
        super().__init__()
        convs = [nn.Conv2d(1 if i == 0 else 32, 32, 4, 2, 1) for i in range(num_convs)]
        self.convs = nn.ModuleList(convs)
        self.dense = nn.Sequential(
            nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(),
            nn.Linear(256, 2 * LATENTS),
        )  # fmt: skip

    def forward(self, x):
        for conv in self.convs:
            x = F.relu(conv(x))
        return self.dense(x.flatten(1)).chunk(2, dim=1)


class Decoder(nn.Module):
    """Latents [B, 10] -> logits [B, 1, H, W]."""

    def __init__(self, num_convs, memory_format):
        super().__init__()
        self.memory_format = memory_format
        self.dense = nn.Sequential(
            nn.Linear(LATENTS, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(),
            nn.Linear(256, 512), nn.ReLU(),
        )  # fmt: skip
        channels = [32] * (num_convs - 1) + [1]
        self.convs = nn.ModuleList(nn.ConvTranspose2d(32, c, 4, 2, 1) for c in channels)

    def forward(self, z):
        x = self.dense(z).view(-1, 32, 4, 4).contiguous(memory_format=self.memory_format)
        for conv in self.convs[:-1]:
            x = F.relu(conv(x))
        return self.convs[-1](x)


def make_critic(inputs):
    """V [B, inputs] -> logits [B, 1]."""
    layers = []
    for i in range(6):
        layers += [nn.Linear(inputs if i == 0 else 1000, 1000), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Linear(1000, 1))


def make_step(method, mode, size, batch, device):
    """Returns a function that takes one step on the same images again."""
    torch.manual_seed(0)
    if device != "cpu":
        torch.set_float32_matmul_precision("high")
    memory_format = torch.contiguous_format if mode == "eager" else torch.channels_last
    num_convs = size.bit_length() - 3
    encoder = Encoder(num_convs).to(device, memory_format=memory_format)
    decoder = Decoder(num_convs, memory_format).to(device, memory_format=memory_format)
    critic = make_critic(2 * LATENTS if method == "cascade" else LATENTS).to(device)
    parameters = [*encoder.parameters(), *decoder.parameters()]
    model_optimizer = torch.optim.Adam(parameters, 1e-4, fused=True)
    critic_optimizer = torch.optim.Adam(critic.parameters(), 1e-4, betas=(0.5, 0.9), fused=True)
    images = (torch.rand(batch, 1, size, size, device=device) > 0.9).float()
    images = images.contiguous(memory_format=memory_format)

    def sample(mean, logvar):
        return mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)

    def model_loss():
        mean, logvar = encoder(images)
        v = sample(mean, logvar)
        recon = F.binary_cross_entropy_with_logits(decoder(v), images, reduction="sum") / batch
        loss = recon + 0.5 * (logvar.exp() + mean**2 - 1 - logvar).sum(1).mean()
        if method == "cascade":
            z = torch.randn(batch, LATENTS, device=device)
            v = torch.cat([z, sample(*encoder(torch.sigmoid(decoder(z))))], 1)
        if method != "vae":
            loss = loss + critic(v).mean()
        return loss, v

    def critic_loss(v):
        rows = torch.argsort(torch.rand(batch, LATENTS, device=device), 0)
        permuted = v.gather(0, rows.repeat(1, v.shape[1] // LATENTS))
        logits = critic(torch.cat([v, permuted]))[:, 0]
        labels = (torch.arange(2 * batch, device=device) < batch).float()
        return F.binary_cross_entropy_with_logits(logits, labels)

    if mode in ("compile", "graphs"):
        how = {"mode": "reduce-overhead"} if mode == "graphs" else {}
        model_loss = torch.compile(model_loss, **how)
        critic_loss = torch.compile(critic_loss, **how)

    def step():
        torch.compiler.cudagraph_mark_step_begin()
        critic.requires_grad_(False)  # the model's loss needs no gradient of the critic's weights
        loss, v = model_loss()
        model_optimizer.zero_grad()
        loss.backward()
        model_optimizer.step()
        critic.requires_grad_(True)
        if method != "vae":
            loss = critic_loss(v.detach())
            critic_optimizer.zero_grad()
            loss.backward()
            critic_optimizer.step()
        if device != "cpu":
            torch.cuda.synchronize()

    return step


def main():
    """Serves turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", choices=METHODS, required=True)
    parser.add_argument("--mode", choices=MODES, required=True)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    step = make_step(args.method, args.mode, args.size, args.batch, args.device)
    gpu = args.device != "cpu"
    turns.serve(step, device_gb=(lambda: torch.cuda.max_memory_allocated() / 1e9) if gpu else None)


if __name__ == "__main__":
    main()
