"""q_sample and the posterior mean on 64 x 3 x 32 x 32 f32: alphabar beside NumPy and the machine's memory, in one run.

    pip install numpy==2.4.6
    python benches/oracle.py --out benches/oracle.json

Starts the bench `oracle` as a worker and lets the contenders take turns, round by round, so that a busy moment falls on
all of them; medians count, one thread each. One pair of arrays stays in the cache, a hundred and twenty-eight do not. The
triad a x + b y into an array at hand, compiled like the rest, is what the machine can do; every row moves three arrays'
bytes. Run it on a machine that does nothing else.
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

ROOT = Path(__file__).resolve().parent.parent
SHAPE = (64, 3, 32, 32)
BYTES = 3 * 4 * np.prod(SHAPE)
PLACES = {"in the cache": 1, "in memory": 128}


def build():
    command = ["cargo", "bench", "--bench", "oracle", "--no-default-features", "--no-run", "--message-format", "json"]
    lines = subprocess.check_output(command, cwd=ROOT, text=True).splitlines()
    messages = (json.loads(line) for line in lines if line.startswith("{"))
    return [m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "oracle"][-1]


def compiled(worker, what):
    def seconds(pairs, count):
        worker.stdin.write(f"{what};{pairs};{count}\n")
        worker.stdin.flush()
        return float(worker.stdout.readline())

    return seconds


def numpy_of(step):
    made = {}

    def seconds(pairs, count):
        if len(made.get("pairs", [])) != pairs:
            rng = np.random.default_rng(0)
            normal = lambda: rng.standard_normal(SHAPE, dtype=np.float32)
            made["pairs"] = [(normal(), normal()) for _ in range(pairs)]
        start = time.perf_counter()
        for k in range(count):
            step(*made["pairs"][k % pairs])
        return time.perf_counter() - start

    return seconds


def numpy_at_hand():
    out, other = np.empty(SHAPE, np.float32), np.empty(SHAPE, np.float32)
    a, b = np.float32(0.25), np.float32(0.97)

    def step(x, y):
        np.multiply(x, a, out=out)
        np.multiply(y, b, out=other)
        np.add(out, other, out=out)

    return step


def main():
    # The allocators keep what they have; otherwise NumPy's expression measures the system handing out fresh pages.
    keep = {"MALLOC_MMAP_THRESHOLD_": "1000000000", "MALLOC_TRIM_THRESHOLD_": "2000000000"}
    if not keep.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **keep})
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    worker = subprocess.Popen([build(), "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    a, b = np.float32(0.25), np.float32(0.97)
    contenders = {
        "triad, what the machine can do": compiled(worker, "triad"),
        "alphabar, q_sample": compiled(worker, "q_sample"),
        "alphabar, posterior mean": compiled(worker, "posterior mean"),
        "NumPy, a * x + b * y": numpy_of(lambda x, y: a * x + b * y),
        "NumPy, into arrays at hand": numpy_of(numpy_at_hand()),
    }
    rows = []
    for place, pairs in PLACES.items():
        count = max(pairs, 32)
        times = {name: [] for name in contenders}
        for round in range(args.rounds + 1):
            for name, seconds in contenders.items():
                taken = seconds(pairs, count) / count
                if round > 0:
                    times[name].append(taken)
        best = statistics.median(times["triad, what the machine can do"])
        for name, taken in times.items():
            median = statistics.median(taken)
            rows.append({
                "place": place,
                "contender": name,
                "microseconds": 1e6 * median,
                "fastest": 1e6 * min(taken),
                "slowest": 1e6 * max(taken),
                "gigabytes_per_second": BYTES / median / 1e9,
                "share_of_triad": best / median,
            })
    worker.stdin.close()
    worker.wait()
    print(f"{'':14} {'':32} {'µs':>8} {'fastest':>8} {'GB/s':>7} {'of triad':>9}")
    for row in rows:
        figures = f"{row['microseconds']:8.0f} {row['fastest']:8.0f} {row['gigabytes_per_second']:7.1f}"
        print(f"{row['place']:14} {row['contender']:32} {figures} {row['share_of_triad']:9.0%}")
    if args.out:
        machine = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
        result = {
            "machine": {**machine, "system": platform.platform()},
            "shape": SHAPE,
            "rounds": args.rounds,
            "numpy": np.__version__,
            "rows": rows,
        }
        args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
