"""What run.py measures, row by row, and the summary of it."""

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

import peers

# Bounds of the checks. The first is in units of what the CPU's f32 loses on the same trajectory; the others are root
# mean squares in the samples' units, where images span [-1, 1].
TRAJECTORY, SAMPLES, SAME_NETWORK = 8.0, 1e-3, 1e-3
AGREEMENT = 0.02  # of 1000 samples: three standard errors of a share of 0.97
FLAT_MB = 4.0
SHOWN = ("ok", "image_steps_per_second", "worst", "rms", "sample_rms", "agreement", "growth_mb", "copies_per_step")


@dataclass
class Task:
    name: str
    kind: str
    measure: object
    facts: dict = field(default_factory=dict)


class Setting:
    """Program, device, sizes, and the models, which are made when they are first asked for."""

    def __init__(self, a, root, out):
        self.dry, self.root, self.out, self.program = a.dry_run_on_cpu, root, out, a.program
        self.bridge, self.classifier, self.rounds = a.bridge, a.classifier, a.rounds
        self.device = "cpu" if self.dry else a.device
        self.batches = [1, 2] if self.dry else [int(batch) for batch in a.batches.split(",")]
        self.compiled = self.batches[:1] if self.dry else [1, 256]
        self.precisions = ["fp16", "fp32"] if self.dry else a.precisions.split(",")
        self.width = 32 if self.dry else 128
        self.env = dict(os.environ)
        library = sorted(Path(a.tools).glob("libonnxruntime.so.*")) if a.tools else []
        if library:
            self.env["ORT_DYLIB_PATH"] = str(library[0].resolve())
        # The program looks for CUDA's libraries among this Python's packages.
        if sys.prefix != sys.base_prefix:
            self.env.setdefault("VIRTUAL_ENV", sys.prefix)
        self.env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{self.env.get('PATH', '')}"

    def describe(self):
        gpu = {}
        if not self.dry:
            free, total = torch.cuda.mem_get_info(self.device)
            gpu = dict(gpu=torch.cuda.get_device_name(self.device), gpu_memory_mb=total / 1e6, gpu_free_mb=free / 1e6)
            gpu |= dict(cuda=torch.version.cuda, cudnn=torch.backends.cudnn.version())
        return dict(dry_run=self.dry, torch=torch.__version__, device=self.device, **gpu)

    def alphabar(self, *arguments, device=None, timeout=540):
        """Runs the program; gives its JSON, if it prints any."""
        line = [self.program, *map(str, arguments)]
        if arguments[0] in ("sample", "bench", "convert"):
            line += ["--device", device or self.device, "--no-install"]
        done = subprocess.run(line, env=self.env, capture_output=True, text=True, timeout=timeout, check=True)
        return json.loads(done.stdout) if "--json" in line else done.stdout

    def steps(self, batch):
        """Enough to measure by, few enough for the time there is."""
        return 2 if self.dry else 50 if batch <= 64 else 20 if batch <= 256 else 10

    def cifar(self):
        folder = self.out / f"cifar10-ddpm-{self.width}"
        if not (folder / "unet/model.onnx").is_file():
            import ddpm

            ddpm.export(ddpm.build(self.width), folder)
        return folder

    def model(self, network, precision):
        folder = self.cifar() if network == "cifar10" else self.root / "fixtures/mnist-unet"
        if precision != "fp16":
            return folder
        half = self.out / f"{network}-fp16"
        if not half.is_dir():
            self.alphabar("convert", folder, "--fp16", "--out", half, "--no-check", "--json")
        return half

    def plan(self, network, steps):
        text = self.alphabar("plan", self.model(network, "fp32"), "--sampler", "ddim", "--steps", steps, "--json")
        return text["steps"]


def tasks(s):
    """In order of worth: correctness first, then speed from small to large, the long ones last."""
    yield Task("check/bridge", "check", lambda: bridge(s))
    yield Task("check/trajectory", "check", lambda: trajectory(s))
    yield Task("check/mnist-cpu-gpu", "check", lambda: cpu_against_device(s))
    for network in ("mnist", "cifar10"):
        yield Task(f"check/fp16/{network}", "check", lambda n=network: deviation(s, n))
    yield Task("check/same-network", "check", lambda: same_network(s))
    yield Task("check/agreement", "check", lambda: agreement(s))
    for network in ("mnist", "cifar10"):
        for precision in s.precisions:
            yield Task(
                f"depth/{network}/{precision}", "depth", lambda n=network, p=precision: depth(s, n, p),
                dict(network=network, precision=precision),
            )  # fmt: skip
    for network in ("cifar10", "mnist"):
        for precision in s.precisions:
            for batch in s.batches:
                for turn in range(s.rounds):
                    for who in ("alphabar", "eager", "compiled"):
                        if who == "compiled" and batch not in s.compiled:
                            continue
                        facts = dict(network=network, precision=precision, batch=batch, contender=who, turn=turn)
                        yield Task(
                            f"speed/{network}/{precision}/{batch}/{who}/{turn}", "speed",
                            lambda f=facts: speed(s, **f), facts,
                        )  # fmt: skip
    yield Task("memory/10000-steps", "check", lambda: memory(s))


def bridge(s):
    """The test program of tests/bridge: whole trajectories against the f64 executor, with bounds from the Jacobian."""
    if not s.bridge:
        return dict(ok=None, note="no test program was given")
    env = s.env | {"ALPHABAR_TEST_DEVICE": s.device, "CARGO_MANIFEST_DIR": str(s.root)}
    done = subprocess.run([s.bridge], env=env, cwd=s.root, capture_output=True, text=True, timeout=540)
    last = [line for line in done.stdout.splitlines() if line.startswith("test result")]
    return dict(ok=done.returncode == 0, result=last, output=done.stdout[-3000:] if done.returncode else "")


def exact_noise(x, at):
    """E[ε | x_t] of the mixture in f64; `at` is (√ᾱ, ᾱ, √(1 − ᾱ), 1 − ᾱ)."""
    mixture = json.loads((Path(__file__).parents[2] / "fixtures/mixture/mixture.json").read_text())
    parts = mixture["components"]
    mean, variance = (np.array([part[key] for part in parts]) for key in ("mean", "variance"))
    signal, signal2, noise, noise2 = at
    spread = signal2 * variance + noise2
    pull = (x[:, None] - signal * mean) / spread
    score = np.log([part["weight"] for part in parts])
    score = score - ((x[:, None] - signal * mean) * pull + np.log(spread)).sum(2) / 2
    share = np.exp(score - score.max(1, keepdims=True))
    share /= share.sum(1, keepdims=True)
    return noise * (share[:, :, None] * pull).sum(1)


def trajectory(s):
    """DDIM on the exact mixture, prefix by prefix: the device in f32 (TF32 off) against f64, in units of the CPU's loss."""
    model, steps, count = s.root / "fixtures/mixture", 5 if s.dry else 50, 64
    plan = s.alphabar("plan", model, "--sampler", "ddim", "--steps", steps, "--json")
    betas = 1e-4 + (0.02 - 1e-4) * np.arange(1000) / 999
    levels, signal2, noise2 = [], 1.0, 0.0
    for beta in betas:
        signal2, noise2 = (1 - beta) * signal2, (1 - beta) * noise2 + beta
        levels.append((signal2**0.5, signal2, noise2**0.5, noise2))
    start = np.random.default_rng(0).standard_normal((count, 1, 2, 2)).astype(np.float32)
    np.save(s.out / "x_T.npy", start)
    x, worst, loss = start.reshape(count, 4).astype(np.float64), {"cpu": 0.0, s.device: 0.0}, []
    for k, step in enumerate(plan["steps"]):
        out = exact_noise(x, levels[int(step["model_timestep"])])
        x0 = step["x0_from_x"] * x + step["x0_from_out"] * out
        x = step["x"] * x + step["x0"] * x0 + step["out"] * out
        if k + 1 not in (1, 2, 5, 10, 20, 30, 40, steps):
            continue
        (s.out / "prefix.json").write_text(json.dumps(plan | {"steps": plan["steps"][: k + 1]}))
        row = dict(step=k + 1)
        for device in worst:
            s.alphabar("sample", model, "--plan", s.out / "prefix.json", "--init-noise", s.out / "x_T.npy",
                       "--out", s.out / "x.npy", "--quiet", device=device)  # fmt: skip
            row[device] = float(np.abs(np.load(s.out / "x.npy").reshape(count, 4) - x).max())
            worst[device] = max(worst[device], row[device])
        loss.append(row)
    bound = TRAJECTORY * worst["cpu"]
    return dict(ok=worst[s.device] <= bound, worst=worst[s.device], bound=bound, max_difference=loss)


def draw(s, model, path, *more, device=None):
    s.alphabar("sample", model, "--out", path, "--quiet", *more, device=device)
    return np.load(path)


def cpu_against_device(s):
    model, more = s.root / "fixtures/mnist-unet", ("--count", 8 if s.dry else 64, "--steps", 3 if s.dry else 50)
    cpu = draw(s, model, s.out / "cpu.npy", *more, device="cpu")
    other = draw(s, model, s.out / "device.npy", *more)
    rms, largest = float(np.sqrt(np.mean((cpu - other) ** 2))), float(np.abs(cpu - other).max())
    return dict(ok=rms <= SAMPLES, rms=rms, max=largest, bound=SAMPLES)


def deviation(s, network):
    """`alphabar convert` with its check, both graphs on the device."""
    target = s.out / f"{network}-fp16-{time.time_ns()}"
    count, steps = (2, 2) if s.dry else (16, 50)
    line = ["convert", s.model(network, "fp32"), "--fp16", "--out", target, "--count", count, "--steps", steps, "--json"]
    if network == "cifar10":  # random weights: the check of samples has no meaning, that of evaluations has
        line += ["--sample-bound", "2"]
    said = s.alphabar(*line)
    (s.out / f"{network}-fp16").exists() or target.rename(s.out / f"{network}-fp16")
    found = said["deviation"]
    worst = max(at["relative_rms"] for at in found["evaluations"])
    return dict(ok=said["ok"], worst=worst, sample_rms=found["sample_rms"], deviation=found, conversion=said["conversion"])


def same_network(s):
    """The exported graph in alphabar and the module in PyTorch, f32, from one x_T: the networks compared are one."""
    steps, count = (2, 2) if s.dry else (10, 4)
    x = torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    np.save(s.out / "x_T.npy", x.numpy())
    more = ("--sampler", "ddim", "--steps", steps, "--init-noise", s.out / "x_T.npy")
    got = draw(s, s.model("cifar10", "fp32"), s.out / "x.npy", *more)
    want = peers.Peer(s, "cifar10", "fp32", False).sample(s.plan("cifar10", steps), x).float().cpu().numpy()
    rms = float(np.sqrt(np.mean((got - want) ** 2)))
    return dict(ok=rms <= SAME_NETWORK, rms=rms, max=float(np.abs(got - want).max()), bound=SAME_NETWORK)


def agreement(s):
    """Class agreement of the MNIST fixture in f32 and fp16: the measure on its card."""
    count = 20 if s.dry else 1000
    more, rows = ("--count", count, "--steps", 3 if s.dry else 50), {}
    for precision in ("fp32", "fp16"):
        path = s.out / f"mnist-{precision}.npz"
        s.alphabar("sample", s.model("mnist", precision), "--out", path, "--quiet", *more)
        if s.classifier:
            sys.path.insert(0, str(s.root / "fixtures/train"))
            import classifier

            net = classifier.build()
            net.load_state_dict(torch.load(s.classifier, map_location="cpu"))
            stored = np.load(path)
            seen = classifier.predict(net, classifier.scale(stored["arr_0"][..., 0])).numpy()
            rows[precision] = float(np.mean(seen == stored["arr_1"]))
    if not rows:
        return dict(ok=None, note="no classifier was given; judge mnist-*.npz with fixtures/train/evaluate.py --samples")
    return dict(ok=abs(rows["fp32"] - rows["fp16"]) <= AGREEMENT, agreement=rows, samples=count, bound=AGREEMENT)


def options(precision):
    return ("--ep-option", "use_tf32=1") if precision == "tf32" else ()


def depth(s, network, precision):
    """Copies, operations, ceilings: `alphabar bench` without --quick."""
    batch = max(batch for batch in s.batches if batch <= 256)
    more = () if s.dry and precision == "tf32" else options(precision)
    said = s.alphabar("bench", s.model(network, precision), "--batch", batch, "--rounds", 2, "--sampler", "ddim",
                      "--steps", s.steps(batch), "--json", *more)  # fmt: skip
    profile = said["depth"]["profile"] or {}
    copies = profile.get("copies_per_step")
    return dict(ok=copies == 0 if profile else None, copies_per_step=copies, batch=batch, bench=said)


def speed(s, network, precision, batch, contender, turn):
    steps = s.steps(batch)
    if contender == "alphabar":
        said = s.alphabar("bench", s.model(network, precision), "--quick", "--batch", batch, "--rounds", 1, "--sampler",
                          "ddim", "--steps", steps, "--json", *options(precision))  # fmt: skip
        row = said["rows"][0]
        return dict(steps=steps, **{key: row[key] for key in row if key != "batch"})
    peer = peers.peer(s, network, precision, contender == "compiled")
    return dict(steps=steps, **peer.measure(s.plan(network, steps), batch))


def memory(s):
    """Device and host memory while one process goes through 10,000 steps of one batch size."""
    batches, steps, batch = (3, 20, 2) if s.dry else (10, 1000, 64)
    used = lambda: 0.0 if s.dry else (lambda free, total: (total - free) / 1e6)(*torch.cuda.mem_get_info(s.device))
    line = [s.program, "sample", str(s.root / "fixtures/mnist-unet"), "--sampler", "ddim", "--steps", str(steps), "--batch",
            str(batch), "--count", str(batch * batches), "--out", str(s.out / "memory.npy"), "--quiet", "--device", s.device,
            "--no-install"]  # fmt: skip
    process = subprocess.Popen(line, env=s.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    # Whoever fills the pipe would wait for ever.
    said = []
    threading.Thread(target=lambda: said.append(process.stderr.read()), daemon=True).start()
    seen, start = [], time.monotonic()
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
            resident = [int(row.split()[1]) for row in status.splitlines() if row.startswith("VmRSS:")]
        except OSError:
            resident = []
        if resident:
            seen.append((time.monotonic() - start, used(), resident[0] / 1e3 * 1.024))
        time.sleep(0.05 if s.dry else 0.25)
        if time.monotonic() - start > 540:
            process.kill()
            raise TimeoutError("10,000 steps took more than 9 minutes")
    if process.returncode:
        raise RuntimeError(f"exit {process.returncode}: {said}")
    # The first quarter holds the loading of the graph.
    late = [row for row in seen if row[0] >= seen[-1][0] / 4]
    half = len(late) // 2
    growth = [max(row[k] for row in late[half:]) - max(row[k] for row in late[: half or 1]) for k in (1, 2)]
    thin = seen[:: max(1, len(seen) // 40)]
    facts = dict(growth_mb=growth, bound=FLAT_MB, steps=batches * steps, batch=batch)
    return dict(ok=max(growth) <= FLAT_MB, **facts, seconds_device_host_mb=[[round(x, 2) for x in row] for row in thin])


def summary(rows):
    """The newest row of every name, as Markdown."""
    rows = {row["name"]: row for row in rows}
    machine = rows.get("machine", {})
    lines = ["# Measured", ""]
    lines += [f"{machine.get('gpu', 'no GPU (a dry run: these figures say nothing)')}, PyTorch {machine.get('torch')}, "
              f"CUDA {machine.get('cuda')}, cuDNN {machine.get('cudnn')}, {machine.get('time')}", ""]  # fmt: skip
    lines += ["| check | result | figures |", "|---|---|---|"]
    for name, row in rows.items():
        if row["kind"] in ("check", "depth"):
            result = "failed to run" if "error" in row else {True: "holds", False: "**does not hold**"}.get(row.get("ok"), "not made")
            figures = {key: row[key] for key in (*SHOWN[2:], "bound", "note") if row.get(key) is not None}
            lines.append(f"| {name} | {result} | {', '.join(f'{key} {compact(value)}' for key, value in figures.items())} |")
    medians = {}
    for row in rows.values():
        if row["kind"] == "speed" and "image_steps_per_second" in row:
            key = (row["network"], row["precision"], row["batch"], row["contender"])
            medians.setdefault(key, []).append(row)
    median = lambda *key: statistics.median([row["image_steps_per_second"] for row in medians[key]]) if key in medians else None
    lines += ["", "Image-steps a second, medians of interleaved turns; in brackets alphabar's time outside the network.", ""]
    lines += ["| network | precision | batch | alphabar | eager | compiled | alphabar / eager | alphabar / compiled |",
              "|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for network, precision, batch in dict.fromkeys(key[:3] for key in medians):
        own, eager, compiled = (median(network, precision, batch, who) for who in ("alphabar", "eager", "compiled"))
        outside = [row["outside_network_percent"] for row in medians.get((network, precision, batch, "alphabar"), [])]
        outside = f" ({statistics.median(outside):.2f} %)" if outside else ""
        number = lambda value: "–" if value is None else f"{value:.0f}"
        ratio = lambda other: "–" if own is None or other is None else f"{own / other:.2f}"
        lines.append(f"| {network} | {precision} | {batch} | {number(own)}{outside} | {number(eager)} | {number(compiled)} "
                     f"| {ratio(eager)} | {ratio(compiled)} |")  # fmt: skip
    return "\n".join(lines) + "\n"


def compact(value):
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list):
        return "[" + ", ".join(map(compact, value)) + "]"
    if isinstance(value, dict):
        return ", ".join(f"{key} {compact(part)}" for key, part in value.items())
    return str(value)
