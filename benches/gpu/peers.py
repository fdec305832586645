"""PyTorch beside alphabar: the same networks, carried through the same plan by the loop that schedulers have."""

import sys
import time

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
        # Set for the process: rows of one precision follow each other.
        self.tf32 = precision == "tf32"
        self.labelled = network == "mnist"
        if self.labelled:
            sys.path.insert(0, str(setting.root / "fixtures/train"))
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
            how = dict(backend="aot_eager") if setting.dry else dict(mode="reduce-overhead")
            self.step = torch.compile(self.plain, dynamic=False, **how)

    def plain(self, x, t, labels, c):
        """A step of DDIM with a clipped x̂₀; the state is f32, as alphabar's is, and the network takes what it takes."""
        out = self.net(x.to(self.kind), t, *labels).float()
        x0 = (c[0] * x + c[1] * out).clamp(-1, 1)
        return c[2] * x + c[3] * x0 + c[4] * out

    @torch.inference_mode()
    def sample(self, plan, x):
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = self.tf32
        names = ["x0_from_x", "x0_from_out", "x", "x0", "out"]
        table = torch.tensor([[step[name] for name in names] for step in plan], device=self.device)
        times = torch.tensor([int(step["model_timestep"]) for step in plan], device=self.device)
        x = x.to(self.device).contiguous(memory_format=self.memory_format)
        labels = [torch.zeros(len(x), dtype=torch.int64, device=self.device)] * self.labelled
        for k in range(len(plan)):
            if self.compiled:
                torch.compiler.cudagraph_mark_step_begin()
            out = self.step(x, times[k].expand(len(x)), labels, table[k])
            x = out.clone() if self.compiled else out
        return x

    def measure(self, plan, batch):
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        x = torch.randn(batch, *self.shape, generator=torch.Generator().manual_seed(batch))
        wait = (lambda: torch.cuda.synchronize(self.device)) if self.device.type == "cuda" else (lambda: None)
        # Twice: CUDA graphs are recorded on the second pass over a shape.
        for _ in range(2):
            self.sample(plan[:3], x)
        wait()
        start = time.perf_counter()
        made = self.sample(plan, x)
        wait()
        seconds = time.perf_counter() - start
        assert torch.isfinite(made).all(), "PyTorch's samples are not finite"
        memory = torch.cuda.max_memory_allocated(self.device) / 1e6 if self.device.type == "cuda" else None
        return dict(image_steps_per_second=batch * len(plan) / seconds, milliseconds_per_step=1e3 * seconds / len(plan),
                    device_memory_mb=memory)  # fmt: skip
