"""PyTorch beside alphabar: the same networks, carried through the same plan by the loop that schedulers have.

Run by workers.py as a process that answers one JSON request a line, so that whatever hangs here can be cut off.
"""

import argparse
import ctypes
import json
import os
import signal
import statistics
import sys
import time
import traceback
from pathlib import Path

import numpy as np
import torch

import ddpm

KEPT = {}


def peer(setting, network, precision, compiled):
    """One of each kind is kept, so that compiling is paid for once; the others are let go to free their memory."""
    key = (network, precision, compiled)
    if not any(kept[:2] == key[:2] for kept in KEPT):
        KEPT.clear()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    if key not in KEPT:
        KEPT[key] = Peer(setting, network, precision, compiled)
    return KEPT[key]


class Peer:
    def __init__(self, setting, network, precision, compiled):
        self.device = torch.device(setting.device)
        self.kind = torch.float16 if precision == "fp16" else torch.float32
        # Set for the process, before every use.
        self.tf32 = precision == "tf32"
        self.labelled = network == "mnist"
        if self.labelled:
            sys.path.insert(0, str(Path(setting.root) / "fixtures/train"))
            from train import Epsilon, UNet

            torch.manual_seed(0)
            net, self.shape = Epsilon(UNet()).eval().requires_grad_(False), (1, 28, 28)
        else:
            net, self.shape = ddpm.build(setting.width), (3, 32, 32)
        self.compiled, self.memory_format = compiled, torch.channels_last if compiled else torch.contiguous_format
        self.net = net.to(self.device, self.kind, memory_format=self.memory_format)
        if self.labelled:
            # Its embedding of the timestep is computed in f32, as it should be, and then meets weights of another type.
            self.net.net.time.register_forward_pre_hook(lambda _, given: (given[0].to(self.kind),))
        self.step = self.plain
        if compiled:
            # Reduced overhead is PyTorch's name for CUDA graphs.
            how = dict(backend="aot_eager") if setting.dry_run else dict(mode="reduce-overhead")
            self.step = torch.compile(self.plain, dynamic=False, **how)

    def plain(self, x, t, labels, c):
        """A step of DDIM with a clipped x̂₀; the state is f32, as alphabar's is, and the network takes what it takes."""
        out = self.net(x.to(self.kind), t, *labels).float()
        x0 = (c[0] * x + c[1] * out).clamp(-1, 1)
        return c[2] * x + c[3] * x0 + c[4] * out

    @torch.inference_mode()
    def sample(self, plan, x):
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = self.tf32
        table = torch.tensor(plan["table"], device=self.device)
        times = torch.tensor(plan["times"], device=self.device)
        x = x.to(self.device).contiguous(memory_format=self.memory_format)
        labels = [torch.zeros(len(x), dtype=torch.int64, device=self.device)] * self.labelled
        for k in range(len(times)):
            if self.compiled:
                torch.compiler.cudagraph_mark_step_begin()
            out = self.step(x, times[k].expand(len(x)), labels, table[k])
            x = out.clone() if self.compiled else out
        return x

    def warm(self, plan, batch):
        """CUDA graphs are recorded on the second step of a shape."""
        x = torch.randn(batch, *self.shape, generator=torch.Generator().manual_seed(batch))
        self.sample({name: rows[:3] for name, rows in plan.items()}, x)
        self.wait()
        return x

    def wait(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def measure(self, plan, batch, passes):
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        # Twice, since what is recorded in the first pass may be arranged anew in the second.
        self.warm(plan, batch)
        x, steps, seconds = self.warm(plan, batch), len(plan["times"]), []
        for _ in range(passes):
            start = time.perf_counter()
            made = self.sample(plan, x)
            self.wait()
            seconds.append(time.perf_counter() - start)
        assert torch.isfinite(made).all(), "PyTorch's samples are not finite"
        median = statistics.median_high(seconds)
        memory = torch.cuda.max_memory_allocated(self.device) / 1e6 if self.device.type == "cuda" else None
        return dict(image_steps_per_second=batch * steps / median, milliseconds_per_step=1e3 * median / steps,
                    device_memory_mb=memory)  # fmt: skip


def facts(a):
    said = dict(torch=torch.__version__)
    if not a.dry_run:
        free, total = torch.cuda.mem_get_info(a.device)
        said |= dict(gpu=torch.cuda.get_device_name(a.device), gpu_memory_mb=total / 1e6, gpu_free_mb=free / 1e6)
        said |= dict(cuda=torch.version.cuda, cudnn=torch.backends.cudnn.version())
    return said


def answer(a, do, network=None, precision=None, compiled=False, plan=None, batch=None, passes=1, x=None, out=None):
    if do == "facts":
        return facts(a)
    chosen = peer(a, network, precision, compiled)
    if do == "compile":
        chosen.warm(plan, batch)
        return None
    if do == "sample":
        np.save(out, chosen.sample(plan, torch.from_numpy(np.load(x))).float().cpu().numpy())
        return None
    measured = chosen.measure(plan, batch, passes)
    if not compiled and torch.cuda.is_available():
        torch.cuda.empty_cache()  # for those who are measured next
    return measured


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--root", required=True)
    p.add_argument("--device", required=True)
    p.add_argument("--width", type=int, required=True)
    p.add_argument("--dry-run", action="store_true")
    a = p.parse_args()
    # Answers go where output went; output of libraries goes to the log. Without the parent this process ends.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    for line in sys.stdin:
        try:
            said = dict(value=answer(a, **json.loads(line)))
        except Exception as error:
            said = dict(error=f"{type(error).__name__}: {error}"[:500], detail=traceback.format_exc(limit=-4)[-1500:])
        print(json.dumps(said), file=answers, flush=True)


if __name__ == "__main__":
    main()
