"""Exports a diffusers pipeline with a UNet2DModel (DDPM, DDIM; class labels or none) to a folder that alphabar samples.

    pip install diffusers torch onnx
    python examples/export_from_diffusers.py path/to/pipeline exported --check alphabar
    alphabar sample exported

PIPELINE is what `DiffusionPipeline.save_pretrained` wrote, or a name that diffusers can fetch. With --check, both draw
four samples from the same noise (DDIM, 10 steps), and the difference must be that of rounding.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from diffusers import DDIMScheduler, DiffusionPipeline, UNet2DModel

READ = {"DDPMScheduler", "DDIMScheduler", "DPMSolverMultistepScheduler"}
TOLERANCE = 1e-3


class Plain(torch.nn.Module):
    """The network with tensors in and a tensor out."""

    def __init__(self, unet):
        super().__init__()
        self.unet = unet

    def forward(self, sample, timestep, class_labels=None):
        return self.unet(sample, timestep, class_labels).sample


def image(unet):
    """Channels, height, width."""
    size = unet.config.sample_size
    return unet.config.in_channels, *(size if isinstance(size, (tuple, list)) else (size, size))


def export(unet, path):
    """Writes `path`: sample and timestep (and class_labels) in, out_sample out, any batch."""
    inputs = {"sample": torch.randn(2, *image(unet)), "timestep": torch.tensor([7, 500])}
    if unet.config.class_embed_type is not None and unet.config.class_embed_type != "timestep":
        raise SystemExit(f"class embeddings of type {unet.config.class_embed_type!r} take no labels")
    if unet.config.num_class_embeds is not None:
        inputs["class_labels"] = torch.tensor([0, unet.config.num_class_embeds - 1])
    names = [*inputs, "out_sample"]
    torch.onnx.export(
        Plain(unet), tuple(inputs.values()), str(path), input_names=names[:-1], output_names=names[-1:],
        opset_version=18, dynamo=False, dynamic_axes={name: {0: "batch"} for name in names},
    )


def pipeline_folder(pipeline, out):
    """The network, the scheduler's configuration and an index, as diffusers lays them out."""
    unet, scheduler = pipeline.unet.eval().float(), pipeline.scheduler
    if not isinstance(unet, UNet2DModel):
        raise SystemExit(f"the network is a {type(unet).__name__}; a UNet2DModel is wanted")
    if type(scheduler).__name__ not in READ:
        print(f"{type(scheduler).__name__} is not read by alphabar: DDIMScheduler with the same options takes its place")
        scheduler = DDIMScheduler.from_config(scheduler.config)
    (out / "unet").mkdir(parents=True)
    model = out / "unet/model.onnx"
    export(unet, model)
    if unet.config.num_class_embeds is not None:
        graph = onnx.load(model)
        names = json.dumps([str(k) for k in range(unet.config.num_class_embeds)])
        onnx.helper.set_model_props(graph, {"class_names": names})
        onnx.save(graph, model)
    scheduler.save_pretrained(out / "scheduler")
    index = {
        "_class_name": type(pipeline).__name__,
        "scheduler": ["diffusers", type(scheduler).__name__],
        "unet": ["diffusers", "OnnxRuntimeModel"],
    }
    (out / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    return scheduler


def difference(program, folder, unet, scheduler, steps=10, count=4):
    """The largest difference between alphabar's samples and those of diffusers' own loop."""
    ddim = DDIMScheduler.from_config(scheduler.config, clip_sample=True, thresholding=False)
    ddim.set_timesteps(steps)
    labels = [k % unet.config.num_class_embeds for k in range(count)] if unet.config.num_class_embeds else None
    with tempfile.TemporaryDirectory() as temporary, torch.no_grad():
        noise, samples = Path(temporary) / "noise.npy", Path(temporary) / "samples.npy"
        x = torch.randn(count, *image(unet), generator=torch.Generator().manual_seed(0))
        np.save(noise, x.numpy())
        options = ["--sampler", "ddim", "--steps", str(steps), "--previous", "stride", "--clip"]
        options += ["--count", str(count), "--init-noise", noise]
        if labels is not None:
            options += ["--label", ",".join(map(str, labels))]
        subprocess.run([program, "sample", folder, "--out", samples, "--quiet", *options], check=True)
        for t in ddim.timesteps:
            classes = None if labels is None else torch.tensor(labels)
            predicted = unet(x, t, classes).sample[:, : x.shape[1]]  # a learned variance follows it
            x = ddim.step(predicted, t, x, eta=0.0).prev_sample
        return float(np.abs(np.load(samples) - x.numpy()).max())


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("pipeline", help="a folder, or a name that diffusers can fetch")
    p.add_argument("out", type=Path, help="the folder to write; must not exist")
    p.add_argument("--check", metavar="ALPHABAR", help="the program to compare with diffusers")
    a = p.parse_args()
    if a.out.exists():
        sys.exit(f"{a.out} exists already; name another folder or remove it")

    pipeline = DiffusionPipeline.from_pretrained(a.pipeline)
    partial = a.out.with_name(a.out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    scheduler = pipeline_folder(pipeline, partial)
    if a.check:
        off = difference(a.check, partial, pipeline.unet, scheduler)
        print(f"alphabar and diffusers differ by at most {off:.1e}")
        if not off <= TOLERANCE:
            sys.exit(f"that is more than {TOLERANCE:g}; the export stays in {partial}")
    partial.rename(a.out)
    print(f"{a.out}: {(a.out / 'unet/model.onnx').stat().st_size} bytes")


if __name__ == "__main__":
    main()
