"""Checks code written in NumPy: alphabar writes the inputs, this computes the answers, alphabar judges them.

    cargo build
    pip install numpy
    python examples/check_from_python.py --program target/debug/alphabar

With PyTorch it is the same: `torch.from_numpy(case["xt"])` in, `.numpy()` out.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np


def ddim(case):
    signal, noise = np.sqrt(case["alpha_bar"]), np.sqrt(1 - case["alpha_bar"])
    x0 = (case["xt"] - noise * case["pred"]) / signal
    x_prev = np.sqrt(case["alpha_bar_prev"]) * x0 + np.sqrt(1 - case["alpha_bar_prev"]) * case["pred"]
    return {"x_prev": x_prev}


def posterior(case):
    beta, bar, prev = case["beta"], case["alpha_bar"], case["alpha_bar_prev"]
    mean = (np.sqrt(prev) * beta * case["x0"] + np.sqrt(1 - beta) * (1 - prev) * case["xt"]) / (1 - bar)
    return {"mean": mean, "variance": beta * (1 - prev) / (1 - bar)}


def posterior_with_beta(case):
    """A mistake to be found: β where β̃ was meant."""
    return {**posterior(case), "variance": case["beta"]}


def judged(program, folder, name, code):
    inputs, answers = folder / f"{name}.npz", folder / f"{name}-answers.npz"
    subprocess.run([program, "cases", name, "--out", inputs], check=True, stdout=subprocess.DEVNULL)
    np.savez(answers, **code(np.load(inputs)))
    return subprocess.run([program, "check", inputs, "--answers", answers], capture_output=True, text=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", default="alphabar")
    program = p.parse_args().program
    with tempfile.TemporaryDirectory() as folder:
        for name, code in [("ddim", ddim), ("posterior", posterior)]:
            result = judged(program, Path(folder), name, code)
            print(result.stdout, end="")
            if result.returncode != 0:
                sys.exit(f"{name} is wrong:\n{result.stderr}")
        result = judged(program, Path(folder), "posterior", posterior_with_beta)
        print(result.stdout, end="")
        if result.returncode != 1 or "β where β̃" not in result.stdout:
            sys.exit("the mistake was not found")


if __name__ == "__main__":
    main()
