"""What is checked on the GPU, and the two runs that are watched while they go on."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from workers import Failed, end

# Bounds of the checks. The first is in units of what the CPU's f32 loses on the same trajectory; the others are root
# mean squares in the samples' units, where images span [-1, 1].
TRAJECTORY, SAMPLES, SAME_NETWORK = 8.0, 1e-3, 1e-3
AGREEMENT = 0.02  # of 1000 samples: three standard errors of a share of 0.97
FLAT_MB = 4.0


def bridge(s):
    """The test program of tests/bridge: whole trajectories against the f64 executor, with bounds from the Jacobian."""
    env = s.env | {"ALPHABAR_TEST_DEVICE": s.device, "CARGO_MANIFEST_DIR": str(s.root)}
    done = subprocess.run([s.bridge], env=env, cwd=s.root, capture_output=True, text=True, timeout=s.left())
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
    np.save(s.work / "mixture-x_T.npy", start)
    x, states = start.reshape(count, 4).astype(np.float64), {}
    for k, step in enumerate(plan["steps"]):
        out = exact_noise(x, levels[int(step["model_timestep"])])
        x0 = step["x0_from_x"] * x + step["x0_from_out"] * out
        x = step["x"] * x + step["x0"] * x0 + step["out"] * out
        if k + 1 in (1, 2, 5, 10, 20, 30, 40, steps):
            states[k + 1] = x

    def difference(length, kind):
        prefix, out = s.work / f"prefix-{length}-{kind}.json", s.work / f"prefix-{length}-{kind}.npy"
        prefix.write_text(json.dumps(plan | {"steps": plan["steps"][:length]}))
        s.alphabar("sample", model, "--plan", prefix, "--init-noise", s.work / "mixture-x_T.npy", "--out", out, "--quiet",
                   device="cpu" if kind == "cpu" else None)  # fmt: skip
        return float(np.abs(np.load(out).reshape(count, 4) - states[length]).max())

    # A process for each, most of whose time is loading libraries: several at once.
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        found = {kind: [pool.submit(difference, length, kind) for length in states] for kind in ("cpu", "device")}
        loss = {kind: [each.result() for each in row] for kind, row in found.items()}
    bound = TRAJECTORY * max(loss["cpu"])
    worst = max(loss["device"])
    return dict(ok=worst <= bound, worst=worst, bound=bound, steps=list(states), max_difference=loss)


def draw(s, model, path, *more, device=None):
    s.alphabar("sample", model, "--out", path, "--quiet", *more, device=device)
    return np.load(path)


def cpu_against_device(s):
    count, steps = (8, 3) if s.dry else (64, 50)
    model, more = s.root / "fixtures/mnist-unet", ("--sampler", "ddim", "--count", count, "--steps", steps)
    cpu = draw(s, model, s.work / "cpu.npy", *more, device="cpu")
    other = draw(s, model, s.work / "device.npy", *more)
    rms, largest = float(np.sqrt(np.mean((cpu - other) ** 2))), float(np.abs(cpu - other).max())
    return dict(ok=rms <= SAMPLES, rms=rms, max=largest, bound=SAMPLES)


def deviation(s, network, fused=False):
    """`alphabar convert` with its check, both graphs on the device."""
    fused = fused and not s.dry
    target, kept = s.work / f"{network}-fp16-{time.time_ns()}", s.converted(network, fused)
    count, steps = (2, 2) if s.dry else (16, 50 if network == "mnist" else 10)
    line = ["convert", s.model(network, "fp32"), "--fp16", *["--fuse"] * fused, "--out", target, "--count", count, "--sampler",
            "ddim", "--steps", steps, "--json"]  # fmt: skip
    if network == "cifar10":  # random weights: the check of samples has no meaning, that of evaluations has
        line += ["--sample-bound", "2"]
    said = s.alphabar(*line)
    if target.is_dir() and not kept.exists():
        target.rename(kept)
    found = said["deviation"]
    each = [at["relative_rms"] for at in found["evaluations"]]
    # What is not a number is null.
    facts = dict(sample_rms=found["sample_rms"], deviation=found, conversion=said["conversion"])
    return dict(ok=said["ok"], worst=None if None in each else max(each), **facts)


def same_network(s):
    """The exported graph in alphabar and the module in PyTorch, f32, from one x_T: the networks compared are one."""
    steps, count = (2, 2) if s.dry else (10, 4)
    start, want = s.work / "cifar10-x_T.npy", s.work / "cifar10-torch.npy"
    np.save(start, np.random.default_rng(1).standard_normal((count, 3, 32, 32)).astype(np.float32))
    more = ("--sampler", "ddim", "--steps", steps, "--init-noise", start)
    got = draw(s, s.model("cifar10", "fp32"), s.work / "cifar10.npy", *more)
    plan = s.plan("cifar10", steps)
    s.torch(do="sample", network="cifar10", precision="fp32", plan=plan, x=str(start), out=str(want))
    difference = got - np.load(want)
    rms = float(np.sqrt(np.mean(difference**2)))
    return dict(ok=rms <= SAME_NETWORK, rms=rms, max=float(np.abs(difference).max()), bound=SAME_NETWORK)


def agreement(s):
    """Class agreement of the MNIST fixture in f32 and fp16: the measure on its card."""
    count = 20 if s.dry else 1000
    more, rows, images = ("--sampler", "ddim", "--count", count, "--steps", 3 if s.dry else 50), {}, {}
    for precision in ("fp32", "fp16"):
        path = s.work / f"mnist-{precision}.npz"
        s.alphabar("sample", s.model("mnist", precision), "--out", path, "--quiet", *more)
        stored = np.load(path)
        images[precision] = stored["arr_0"].astype(np.float64)
        if s.classifier:
            import torch

            sys.path.insert(0, str(s.root / "fixtures/train"))
            import classifier

            net = classifier.build()
            net.load_state_dict(torch.load(s.classifier, map_location="cpu"))
            seen = classifier.predict(net, classifier.scale(stored["arr_0"][..., 0])).numpy()
            rows[precision] = float(np.mean(seen == stored["arr_1"]))
        else:
            shutil.copy(path, s.out)
    facts = dict(samples=count, rms=float(np.sqrt(np.mean((images["fp32"] - images["fp16"]) ** 2))) / 127.5)
    if not rows:
        return dict(ok=None, note="no classifier was given: fixtures/train/evaluate.py --samples judges mnist-*.npz", **facts)
    return dict(ok=abs(rows["fp32"] - rows["fp16"]) <= AGREEMENT, agreement=rows, bound=AGREEMENT, **facts)


def gauge(s):
    """A function that gives the GPU's memory in use, in MB, and its utilisation in %, and what it goes by."""
    index = int(s.device.rpartition(":")[2]) if ":" in s.device else 0
    if s.dry:
        return None, "a dry run"
    try:
        import pynvml

        pynvml.nvmlInit()
        gpu = pynvml.nvmlDeviceGetHandleByIndex(index)
        look = lambda: (pynvml.nvmlDeviceGetMemoryInfo(gpu).used / 1e6, float(pynvml.nvmlDeviceGetUtilizationRates(gpu).gpu))
        look()
        return look, "NVML"
    except Exception as error:  # not there, or there without being allowed to
        why = f"{type(error).__name__}: {error}"
    line = ["nvidia-smi", f"--id={index}", "--query-gpu=memory.used,utilization.gpu", "--format=csv,noheader,nounits"]

    def ask():
        done = subprocess.run(line, capture_output=True, text=True, timeout=20, check=True)
        used, busy = map(float, done.stdout.split(","))
        return used * 1.048576, busy

    try:
        ask()
        return ask, "nvidia-smi"
    except Exception as error:
        return None, f"{why}; nvidia-smi: {type(error).__name__}: {error}"[:300]


def watched(s, arguments, look, every):
    """Runs `alphabar sample --json` and looks every so often; gives its record and what was seen while it sampled."""
    line = [s.program, "sample", *map(str, arguments), "--device", s.device, "--no-install", "--quiet", "--json",
            *s.extra]  # fmt: skip
    process = subprocess.Popen(line, env=s.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    s.running.add(process)
    said, complaint, seen = [], [], []

    def listen():
        # The record is printed when all is written, and before the libraries are put away.
        first = process.stdout.read(1)
        said.extend([time.monotonic(), first + process.stdout.read()])

    listeners = [threading.Thread(target=listen), threading.Thread(target=lambda: complaint.append(process.stderr.read()))]
    try:
        for listener in listeners:
            listener.start()
        while process.poll() is None:
            if time.monotonic() > s.deadline:
                raise TimeoutError("alphabar sample was cut off")
            seen.append((time.monotonic(), *look(process.pid)))
            time.sleep(every)
    finally:
        end(process)
        s.running.discard(process)
        for listener in listeners:
            listener.join()
    if process.returncode:
        raise Failed(f"alphabar sample: exit {process.returncode}", complaint[0][-1500:])
    record = json.loads(said[1])
    begin = said[0] - record["seconds"]
    return record, [(at - begin, *rest) for at, *rest in seen if begin <= at <= said[0]]


def memory(s):
    """Device and host memory while one process goes through 10,000 steps of one batch size."""
    batches, steps, batch = (4, 30, 1) if s.dry else (10, 1000, 16)
    look, by = gauge(s)

    def both(pid):
        try:
            rows = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            rows = []
        host = [int(row.split()[1]) * 1.024e-3 for row in rows if row.startswith("VmRSS:")]
        return look()[0] if look else 0.0, host[0] if host else None

    out = s.work / "memory.npy"
    sizes = ("--steps", steps, "--batch", batch, "--count", batch * batches)
    model = s.root / "fixtures/mnist-unet"
    _, seen = watched(s, (model, "--sampler", "ddim", *sizes, "--out", out), both, 0.05 if s.dry else 0.2)
    out.unlink()
    # The first quarter holds the making of the loop.
    late = [row for row in seen if row[0] >= seen[-1][0] / 4 and row[2]]
    half = len(late) // 2
    growth = [max(row[k] for row in late[half:]) - max(row[k] for row in late[: half or 1]) for k in (1, 2)]
    thin = seen[:: max(1, len(seen) // 40)]
    ok = max(growth) <= FLAT_MB if look or s.dry else None
    facts = dict(growth_mb=growth, bound=FLAT_MB, steps=batches * steps, batch=batch, gauge=by)
    return dict(ok=ok, **facts, seconds_device_host_mb=[[round(x or 0, 2) for x in row] for row in thin])


def bulk(s):
    """Fifty thousand digits in one call, and how busy the GPU is meanwhile."""
    count, steps = (20, 3) if s.dry else (50_000, 50)
    look, by = gauge(s)
    out = s.work / "bulk.npz"
    arguments = ("--seeds", f"0-{count - 1}", "--sampler", "ddim", "--steps", steps, "--out", out)
    begin = time.monotonic()
    model, busy_now = s.root / "fixtures/mnist-unet", lambda _: (look()[1] if look else 0.0,)
    record, seen = watched(s, (model, *arguments), busy_now, 0.1)
    wall, size = time.monotonic() - begin, out.stat().st_size
    out.unlink()
    facts = dict(samples=count, steps=steps, batch=record["batch"], megabytes=round(size / 1e6, 1), gauge=by)
    facts |= dict(samples_per_second=count / record["seconds"], image_steps_per_second=record["image_steps_per_second"],
                  sampling_seconds=record["seconds"], wall_seconds=wall)  # fmt: skip
    # Loading, and trying how large a batch fits, come before the first reading over one half.
    busy = [k for k, row in enumerate(seen) if row[1] > 50]
    if not look or not busy:
        return facts | dict(note=f"utilisation was not seen: {by}" if not look else "no reading was over one half")
    readings = [row[1] for row in seen[busy[0] : busy[-1] + 1]]
    facts |= dict(utilisation_median=statistics.median(readings), utilisation_p5=float(np.percentile(readings, 5)))
    thin = seen[:: max(1, len(seen) // 60)]
    return facts | dict(readings=len(readings), seconds_utilisation=[[round(at, 1), use] for at, use in thin])
