"""Image-steps a second on a CPU: alphabar beside Python's onnxruntime in a bare loop and diffusers on PyTorch.

    cargo build --release
    pip install onnxruntime==1.31.1 numpy==2.4.6 torch==2.11.0 diffusers==0.42.1
    python benches/sampler.py --out benches/sampler.json

The contenders take turns, round by round, so that a busy moment falls on all of them; medians count. The bare loop does
DDIM's arithmetic in NumPy and nothing else; without torch or diffusers their rows are left out. Run it on a machine
that does nothing else.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "fixtures/mnist-unet/unet/model.onnx"


def coefficients(program, steps):
    """The plan, as alphabar prints it: timestep, a, b, d, f of x0 = clip(a x + b out), x = d x0 + f out."""
    plan = json.loads(subprocess.check_output([program, "plan", "--steps", str(steps), "--json"]))
    names = ["model_timestep", "x0_from_x", "x0_from_out", "x", "x0", "out"]
    return [[step[name] for name in names] for step in plan["steps"]]


def alphabar(program, steps, threads):
    command = [program, "bench", "--quick", "--rounds", "1", "--steps", str(steps), "--threads", str(threads), "--json"]

    def run(batch):
        out = subprocess.check_output([*command, "--device", "cpu", "--batch", str(batch)], stderr=subprocess.DEVNULL)
        row = json.loads(out)["rows"][0]
        return row["image_steps_per_second"], row["outside_network_percent"], row["peak_memory_mb"]

    return run


def bare_loop(plan, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(MODEL), options, providers=["CPUExecutionProvider"])

    def once(batch):
        rng = np.random.default_rng(0)
        x, labels = rng.standard_normal((batch, 1, 28, 28), dtype=np.float32), np.zeros(batch, np.int64)
        inside, start = 0.0, time.perf_counter()
        for t, a, b, c, d, f in plan:
            feed = {"sample": x, "timestep": np.full(batch, t, np.int64), "class_labels": labels}
            before = time.perf_counter()
            out = session.run(None, feed)[0]
            inside += time.perf_counter() - before
            x0 = np.clip(np.float32(a) * x + np.float32(b) * out, -1, 1)
            x = np.float32(c) * x + np.float32(d) * x0 + np.float32(f) * out
        total = time.perf_counter() - start
        return batch * len(plan) / total, 100 * (1 - inside / total), None

    def run(batch):
        once(batch)
        return once(batch)

    return run


def diffusers_on_torch(steps, threads):
    try:
        import torch
        from diffusers import DDIMScheduler
    except ImportError:
        return None
    sys.path.insert(0, str(ROOT / "fixtures/train"))
    from train import UNet

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network = UNet().eval().to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def once(batch):
        scheduler = DDIMScheduler()
        scheduler.set_timesteps(steps)
        x, labels = torch.randn(batch, 1, 28, 28), torch.zeros(batch, dtype=torch.int64)
        inside, start = 0.0, time.perf_counter()
        for t in scheduler.timesteps:
            before = time.perf_counter()
            out = network(x, t.expand(batch), labels)
            inside += time.perf_counter() - before
            x = scheduler.step(out, t, x).prev_sample
        total = time.perf_counter() - start
        return batch * steps / total, 100 * (1 - inside / total), None

    def run(batch):
        once(batch)
        return once(batch)

    return run


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", default=str(ROOT / "target/release/alphabar"))
    p.add_argument("--batches", default="1,4,16")
    p.add_argument("--steps", type=int, default=50)
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--out", help="JSON file for the results")
    a = p.parse_args()
    contenders = {
        "alphabar": alphabar(a.program, a.steps, a.threads),
        "onnxruntime, bare loop": bare_loop(coefficients(a.program, a.steps), a.threads),
        "diffusers, PyTorch": diffusers_on_torch(a.steps, a.threads),
    }
    contenders = {name: run for name, run in contenders.items() if run}
    batches = [int(b) for b in a.batches.split(",")]
    seen = {(name, batch): [] for name in contenders for batch in batches}
    for _ in range(a.rounds):
        for batch in batches:
            for name, run in contenders.items():
                seen[name, batch].append(run(batch))
    rows = []
    print(f"{'batch':>5}  {'contender':24} {'image-steps/s':>14} {'outside':>9} {'range':>19}")
    for batch in batches:
        for name in contenders:
            speeds, outside, memory = zip(*seen[name, batch])
            speed, share = statistics.median(speeds), statistics.median(outside)
            row = dict(batch=batch, contender=name, image_steps_per_second=speed, outside_percent=share)
            rows.append(row | dict(slowest=min(speeds), fastest=max(speeds), peak_memory_mb=memory[-1]))
            print(f"{batch:5}  {name:24} {speed:14.1f} {share:7.2f} % {min(speeds):9.1f}–{max(speeds):.1f}")
    machine = dict(processor=platform.processor() or platform.machine(), system=platform.platform(), cores=os.cpu_count())
    result = dict(steps=a.steps, rounds=a.rounds, threads=a.threads, onnxruntime=onnxruntime.__version__, rows=rows)
    if a.out:
        Path(a.out).write_text(json.dumps(dict(machine=machine, **result), indent=1) + "\n")


if __name__ == "__main__":
    main()
