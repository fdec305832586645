#!/usr/bin/env python3
"""A seeded sample of small changes to the theory modules, each rejected or not by the claims at few cases.

    tests/mutants/sample.py list                    # names of the sample
    tests/mutants/sample.py run [--only REGEX] ...  # runs it, writes outcomes.csv unless --only is given

Two kinds: `operators`, drawn from what `cargo mutants --list` offers, run by cargo-mutants; and `constants`, which
cargo-mutants does not change: literals, indices, and one quantity for its neighbour. Files are changed in place and
restored, so run it in a working tree that nobody edits. Needs cargo-mutants.
"""

import argparse
import csv
import fnmatch
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFIG = tomllib.loads((ROOT / ".cargo/mutants.toml").read_text())
SEED, CASES = 20261122, 8
SIZES = {"operators": 150, "constants": 60}

# What is found (a whole word or literal) and what takes its place.
SWAPS = [
    (r"(?<![\w.])0\.5(?![\w.])", ["1.0", "-0.5"]),
    (r"(?<![\w.])1\.0(?![\w.])", ["2.0", "0.0"]),
    (r"(?<![\w.])2\.0(?![\w.])", ["1.0", "-2.0"]),
    (r"(?<![\w.])(?:[3-9]|[1-9]\d+)\.0(?![\w.])", ["1.0"]),
    (r"(?<=[\w)\]] [+-] )1(?![\w._])", ["0", "2"]),
    (r"\bskip\(1\)", ["skip(0)"]),
    (r"\.sqrt\(\)", [""]),
    (r"\.exp_m1\(\)", [".exp()"]),
    (r"\.ln_1p\(\)", [".ln()"]),
    (r"\.exp\(\)", [".exp_m1()"]),
    (r"\.powi\(2\)", [".powi(1)", ".powi(3)"]),
    (r"\.s\(\)", [".t()"]),
    (r"\.t\(\)", [".s()"]),
    (r"\.alpha_bar\(\)", [".one_minus_alpha_bar()"]),
    (r"\.one_minus_alpha_bar\(\)", [".alpha_bar()", ".noise_std()"]),
    (r"\.signal\(\)", [".noise_std()", ".alpha_bar()"]),
    (r"\.noise_std\(\)", [".signal()", ".one_minus_alpha_bar()"]),
    (r"\.alpha\(\)", [".beta()"]),
    (r"\.beta\(\)", [".alpha()"]),
    (r"\.snr\(\)", [".log_snr()"]),
    (r"\bxt\b(?!:)", ["x0", "xs"]),
    (r"\bx0\b(?![:(])", ["xt"]),
    (r"\.max\(", [".min("]),
    (r"\.min\(", [".max("]),
]


def files():
    tracked = subprocess.run(["git", "ls-files", "src"], cwd=ROOT, check=True, capture_output=True, text=True)
    globs = []
    for glob in CONFIG["examine_globs"]:
        choice = re.search(r"\{(.*)\}", glob)
        globs += [glob.replace(choice[0], c) for c in choice[1].split(",")] if choice else [glob]
    return [name for name in tracked.stdout.split() if any(fnmatch.fnmatch(name, glob) for glob in globs)]


def constants():
    """All changes of the second kind: name → (file, line, column, old, new)."""
    found = {}
    for name in files():
        for number, line in enumerate((ROOT / name).read_text().split("\n")):
            if "#[cfg(test)]" in line:
                break
            # No comments, attributes, signatures, or the making of errors and messages.
            if re.match(r"\s*(//|#)|.*\b(fn|struct|use|Err|Error)\b|.*\b(value|min|max|expected):", line):
                continue
            for pattern, replacements in SWAPS:
                for hit in re.finditer(pattern, line.split(" // ")[0]):
                    for new in replacements:
                        key = f"{name}:{number + 1}:{hit.start() + 1}: replace {hit[0]} with {new or 'nothing'}"
                        found[key] = (name, number, hit.start(), hit[0], new)
    return found


def operators():
    command = ["cargo", "mutants", "--list", "--json"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return [mutant["name"] for mutant in json.loads(listed.stdout)]


def sample(only):
    drawn = {}
    for kind, names in (("operators", operators()), ("constants", constants())):
        chosen = random.Random(SEED).sample(sorted(names), SIZES[kind])
        drawn[kind] = [name for name in chosen if re.search(only, name)]
    return drawn


def run_operators(names):
    """cargo-mutants on exactly these; its reports are in mutants.out."""
    exact = [part for name in names for part in ("--re", f"^{re.escape(name)}$")]
    command = ["cargo", "mutants", "--in-place", "--no-shuffle", "--colors", "never", *exact]
    if not subprocess.run(command, cwd=ROOT, check=False).returncode in (0, 2, 3):
        sys.exit("cargo mutants failed")
    outcomes = json.loads((ROOT / "mutants.out/outcomes.json").read_text())["outcomes"]
    words = {"CaughtMutant": "killed", "MissedMutant": "survived", "Timeout": "timeout", "Unviable": "unviable"}
    for outcome in outcomes:
        if outcome["scenario"] != "Baseline":
            yield outcome["scenario"]["Mutant"]["name"], words[outcome["summary"]]


def cargo_test(*more, limit=None):
    command = ["cargo", "test", "--profile", CONFIG["profile"], *CONFIG["additional_cargo_args"], *more]
    process = subprocess.Popen(
        [*command, *CONFIG["additional_cargo_test_args"]],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return None


def run_constants(names):
    candidates = constants()
    for name in names:
        file, number, column, old, new = candidates[name]
        path = ROOT / file
        text = path.read_text()
        lines = text.split("\n")
        line = lines[number]
        lines[number] = line[:column] + new + line[column + len(old) :]
        try:
            path.write_text("\n".join(lines))
            if cargo_test("--no-run") != 0:
                outcome = "unviable"
            else:
                status = cargo_test(limit=CONFIG["minimum_test_timeout"])
                outcome = {None: "timeout", 0: "survived"}.get(status, "killed")
        finally:
            path.write_text(text)
        print(f"{outcome:9} {name}", flush=True)
        yield name, outcome


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["list", "run"])
    parser.add_argument("--kind", choices=list(SIZES), action="append", help="one kind alone")
    parser.add_argument("--only", default="", metavar="REGEX", help="those of the sample whose name matches")
    arguments = parser.parse_args()
    drawn = {k: v for k, v in sample(arguments.only).items() if k in (arguments.kind or SIZES)}
    if arguments.action == "list":
        print("\n".join(name for names in drawn.values() for name in names))
        return
    os.environ["ALPHABAR_CASES"] = str(CASES)
    rows = []
    for kind, names in drawn.items():
        runner = {"operators": run_operators, "constants": run_constants}[kind]
        rows += [(kind, outcome, name) for name, outcome in (runner(names) if names else ())]
    for kind in drawn:
        mine = [outcome for other, outcome, _ in rows if other == kind]
        print(kind, {word: mine.count(word) for word in sorted(set(mine))})
    if not arguments.only and not arguments.kind:
        with (ROOT / "tests/mutants/outcomes.csv").open("w", newline="") as out:
            csv.writer(out, lineterminator="\n").writerows([("kind", "outcome", "change"), *sorted(rows)])


if __name__ == "__main__":
    main()
