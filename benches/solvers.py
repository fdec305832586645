"""How near the samplers come to the solution of the probability-flow ODE, by evaluations of the network.

    cargo build --release
    pip install numpy==2.4.6
    python benches/solvers.py --out benches/solvers.json

The same seeds through DDIM, DPM-Solver++ 2M and Heun's method, without clipping (a clipped x0 has no ODE), all spaced
linearly in t. The solution is Heun's method with the most evaluations that the chain has room for; how far DPM-Solver++
2M with every step is from it tells how well it is known.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", default=ROOT / "target/release/alphabar")
    p.add_argument("--count", type=int, default=64)
    p.add_argument("--evaluations", type=int, nargs="+", default=[5, 9, 15, 19, 29, 49, 99])
    p.add_argument("--out", type=Path, default=ROOT / "benches/solvers.json")
    args = p.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "x.npy"

        def sample(sampler, steps):
            options = ["--sampler", sampler, "--steps", str(steps), "--spacing", "linspace", "--no-clip", "--quiet"]
            subprocess.run([args.program, "sample", "--count", str(args.count), "--out", out, *options], check=True)
            return np.load(out)

        solution = sample("heun", 1999)
        distance = lambda sampler, steps: float(np.sqrt(np.mean((sample(sampler, steps) - solution) ** 2)))
        floor = distance("dpm++2m", 1000)
        print(f"dpm++2m with every step: {floor:.2e} from the solution")
        rows = []
        for n in args.evaluations:
            row = {"evaluations": n} | {name: distance(name, n) for name in ("ddim", "dpm++2m", "heun")}
            rows.append(row)
            print("  ".join(f"{key} {value:.4g}" for key, value in row.items()))
    results = dict(measure="RMS distance to the ODE's solution, images span [-1, 1]", samples=args.count)
    results |= dict(solution="heun, 1999 evaluations", dpmpp2m_every_step=floor, rows=rows)
    partial = args.out.with_suffix(".partial")
    partial.write_text(json.dumps(results, indent=1) + "\n")
    partial.replace(args.out)


if __name__ == "__main__":
    main()
