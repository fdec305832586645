"""The CIFAR-10 U-Net of denoising diffusion, and its export to an ONNX pipeline folder.

Architecture: J. Ho, A. Jain, P. Abbeel, "Denoising Diffusion Probabilistic Models", 2020 (arXiv:2006.11239), appendix B:
width 128, multipliers 1, 2, 2, 2, two residual blocks a level, self-attention at 16×16, sinusoidal timestep embedding.
35,746,307 parameters. Weights are random: speed does not depend on them.
"""

import argparse
import json
import math
from pathlib import Path

import torch
import torch.nn.functional as nnf
from torch import nn

PARAMETERS = 35_746_307
INDEX = {
    "_class_name": "DDIMPipeline",
    "scheduler": ["diffusers", "DDIMScheduler"],
    "unet": ["diffusers", "OnnxRuntimeModel"],
}
SCHEDULER = {
    "_class_name": "DDIMScheduler",
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "beta_start": 0.0001,
    "clip_sample": True,
    "clip_sample_range": 1.0,
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "set_alpha_to_one": True,
    "steps_offset": 0,
    "timestep_spacing": "leading",
}


def norm(channels):
    return nn.GroupNorm(32, channels, eps=1e-6)


class Residual(nn.Module):
    def __init__(self, inside, outside, embedding):
        super().__init__()
        self.norm1, self.conv1 = norm(inside), nn.Conv2d(inside, outside, 3, padding=1)
        self.time = nn.Linear(embedding, outside)
        self.norm2, self.conv2 = norm(outside), nn.Conv2d(outside, outside, 3, padding=1)
        self.skip = nn.Conv2d(inside, outside, 1) if inside != outside else nn.Identity()

    def forward(self, x, time):
        h = self.conv1(nnf.silu(self.norm1(x))) + self.time(nnf.silu(time))[:, :, None, None]
        return self.skip(x) + self.conv2(nnf.silu(self.norm2(h)))


class Attention(nn.Module):
    """One head over all places of the image. Sizes are constants, so that the graph has none to compute."""

    def __init__(self, channels, side):
        super().__init__()
        self.channels, self.side, self.norm = channels, side, norm(channels)
        self.q, self.k, self.v, self.out = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x):
        h = self.norm(x)
        q, k, v = (layer(h).reshape(-1, self.channels, self.side**2) for layer in (self.q, self.k, self.v))
        weight = torch.softmax(q.transpose(1, 2) @ k * self.channels**-0.5, -1)
        return x + self.out((v @ weight.transpose(1, 2)).reshape(-1, self.channels, self.side, self.side))


class UNet(nn.Module):
    def __init__(self, width=128, multipliers=(1, 2, 2, 2), blocks=2, attention=(1,), side=32):
        super().__init__()
        half = width // 2
        self.register_buffer("frequency", torch.exp(-math.log(10000) * torch.arange(half) / (half - 1)), persistent=False)
        embedding = 4 * width
        self.time = nn.Sequential(nn.Linear(width, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        channels, kept = width, [width]
        for level, multiplier in enumerate(multipliers):
            for _ in range(blocks):
                self.down.append(self.block(channels, width * multiplier, embedding, level in attention, side >> level))
                channels = width * multiplier
                kept.append(channels)
            if level + 1 < len(multipliers):
                self.down.append(nn.Conv2d(channels, channels, 3, stride=2))
                kept.append(channels)
        self.middle = nn.ModuleList(
            [
                Residual(channels, channels, embedding),
                Attention(channels, side >> len(multipliers) - 1),
                Residual(channels, channels, embedding),
            ]
        )
        for level, multiplier in reversed(list(enumerate(multipliers))):
            for _ in range(blocks + 1):
                block = self.block(channels + kept.pop(), width * multiplier, embedding, level in attention, side >> level)
                self.up.append(block)
                channels = width * multiplier
            if level:
                self.up.append(nn.Conv2d(channels, channels, 3, padding=1))
        self.last = nn.Sequential(norm(channels), nn.SiLU(), nn.Conv2d(channels, 3, 3, padding=1))

    @staticmethod
    def block(inside, outside, embedding, attend, side):
        parts = [Residual(inside, outside, embedding)]
        return nn.ModuleList(parts + [Attention(outside, side)] if attend else parts)

    def forward(self, sample, timestep):
        phase = timestep[:, None].float() * self.frequency.float()
        time = torch.cat([torch.sin(phase), torch.cos(phase)], 1).to(sample.dtype)
        time = self.time(time)
        x = self.first(sample)
        kept = [x]
        for part in self.down:
            if isinstance(part, nn.Conv2d):
                x = part(nnf.pad(x, (0, 1, 0, 1)))
            else:
                x = part[0](x, time)
                x = part[1](x) if len(part) > 1 else x
            kept.append(x)
        x = self.middle[2](self.middle[1](self.middle[0](x, time)), time)
        for part in self.up:
            if isinstance(part, nn.Conv2d):
                x = part(nnf.interpolate(x, scale_factor=2.0, mode="nearest"))
            else:
                x = part[0](torch.cat([x, kept.pop()], 1), time)
                x = part[1](x) if len(part) > 1 else x
        return self.last(x)


def build(width=128, seed=0):
    """The network with the weights of a seed; at full width its size is that of the paper's."""
    torch.manual_seed(seed)
    net = UNet(width).eval().requires_grad_(False)
    count = sum(p.numel() for p in net.parameters())
    assert width != 128 or count == PARAMETERS, f"{count} parameters; the paper's network has {PARAMETERS}"
    return net


def export(net, folder):
    """Writes a pipeline folder with the graph in f32 and an open batch."""
    folder = Path(folder)
    for name in ("unet", "scheduler"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "model_index.json").write_text(json.dumps(INDEX, indent=2) + "\n")
    (folder / "scheduler/scheduler_config.json").write_text(json.dumps(SCHEDULER, indent=2) + "\n")
    path = folder / "unet/model.onnx"
    names = ["sample", "timestep", "out_sample"]
    torch.onnx.export(
        net,
        (torch.randn(2, 3, 32, 32), torch.tensor([0, 999])),
        str(path),
        input_names=names[:2],
        output_names=names[2:],
        dynamic_axes={name: {0: "batch"} for name in names},
        opset_version=18,
        dynamo=False,
    )
    return path


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", required=True, help="pipeline folder to write")
    p.add_argument("--width", type=int, default=128)
    p.add_argument("--seed", type=int, default=0)
    a = p.parse_args()
    path = export(build(a.width, a.seed), a.out)
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
