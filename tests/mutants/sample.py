#!/usr/bin/env python3
"""A seeded sample of small changes to the theory modules, each rejected or not by the claims at few cases.

    tests/mutants/sample.py list
    tests/mutants/sample.py run [--kind KIND] [--only REGEX] [--again]

`run` takes those that outcomes.csv does not hold yet. Outcomes: `killed` by a claim, by property `tests` alone,
`survived`, `timeout`, `unviable` where the change does not compile.

Two kinds: `operators`, drawn from what `cargo mutants --list` offers; and `constants`, which cargo-mutants does not
change: literals, indices, and one quantity for its neighbour. The claims of the changed chapter run first, the others
if those hold. Files are changed in place and restored, so run it in a working tree that nobody edits. Needs
cargo-mutants and patch.
"""

import argparse
import csv
import fnmatch
import json
import os
import pathlib
import random
import re
import resource
import subprocess
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFIG = tomllib.loads((ROOT / ".cargo/mutants.toml").read_text())
# Cases a claim, and seconds of processor time for all claims together (they take about 9).
SEED, CASES, SECONDS = 20261122, 8, 15
OUTCOMES = ROOT / "tests/mutants/outcomes.csv"
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
    """All changes of the second kind: name → (file, its new text)."""
    found = {}
    for name in files():
        lines = (ROOT / name).read_text().split("\n")
        for number, line in enumerate(lines):
            if "#[cfg(test)]" in line:
                break
            # No comments, attributes, signatures, or the making of errors and messages.
            if re.match(r"\s*(//|#)|.*\b(fn|struct|use|Err|Error)\b|.*\b(value|min|max|expected):", line):
                continue
            for pattern, replacements in SWAPS:
                for hit in re.finditer(pattern, line.split(" // ")[0]):
                    for new in replacements:
                        key = f"{name}:{number + 1}:{hit.start() + 1}: replace {hit[0]} with {new or 'nothing'}"
                        changed = [*lines[:number], line[: hit.start()] + new + line[hit.end() :], *lines[number + 1 :]]
                        found[key] = (name, lambda changed=changed: "\n".join(changed))
    return found


def operators():
    """All that cargo-mutants would change, in the same form."""
    command = ["cargo", "mutants", "--list", "--json"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return {mutant["name"]: (mutant["file"], lambda mutant=mutant: patched(mutant)) for mutant in json.loads(listed.stdout)}


def patched(mutant):
    command = ["patch", "--quiet", "--output=-", str(ROOT / mutant["file"])]
    return subprocess.run(command, input=mutant["diff"], check=True, capture_output=True, text=True).stdout


def draw(changes, size, only):
    return [name for name in random.Random(SEED).sample(sorted(changes), size) if re.search(only, name)]


def chapter(file):
    folder, stem = pathlib.Path(file).parts[-2:]
    return {"plan": "sampler", "src": {"table.rs": "schedule"}.get(stem, stem.removesuffix(".rs"))}.get(folder, folder)


def limit_cpu():
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def cargo_test(*arguments, limited=False, **env):
    """Whether the tests passed; `None` if one took too long."""
    done = subprocess.run(
        ["cargo", "test", "--profile", CONFIG["profile"], *CONFIG["additional_cargo_args"], *arguments],
        cwd=ROOT,
        env={**os.environ, **env},
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=limit_cpu if limited else None,
    )
    return None if "SIGXCPU" in done.stderr or "SIGKILL" in done.stderr else done.returncode == 0


def outcome(file, text):
    """What the claims say of a file with this text."""
    path = ROOT / file
    original = path.read_text()
    try:
        path.write_text(text)
        claims = CONFIG["additional_cargo_test_args"]
        if not cargo_test(*claims, "--no-run"):
            return "unviable"
        passed = cargo_test(*claims, limited=True, ALPHABAR_CASES=str(CASES), ALPHABAR_CHAPTER=chapter(file))
        if passed:
            passed = cargo_test(*claims, limited=True, ALPHABAR_CASES=str(CASES))
        if not passed:
            return {None: "timeout", False: "killed"}[passed]
        properties = ["--features", "proptest", "--test", "claims", "--", f"{chapter(file)}::", "refusals::"]
        passed = cargo_test(*properties) and (chapter(file) != "schedule" or cargo_test("--test", "tables"))
        return "survived" if passed else "tests"
    finally:
        path.write_text(original)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["list", "run"])
    parser.add_argument("--kind", choices=list(SIZES), action="append", help="one kind alone")
    parser.add_argument("--only", default="", metavar="REGEX", help="those of the sample whose name matches")
    parser.add_argument("--again", action="store_true", help="those too that no claim rejected")
    arguments = parser.parse_args()
    done = {row["change"]: row["outcome"] for row in csv.DictReader(OUTCOMES.open())} if OUTCOMES.exists() else {}
    for kind in arguments.kind or SIZES:
        changes = {"operators": operators, "constants": constants}[kind]()
        names = draw(changes, SIZES[kind], arguments.only)
        for name in names:
            if arguments.action == "list":
                print(name)
            elif arguments.only or name not in done or (arguments.again and done[name] in ("survived", "tests")):
                file, text = changes[name]
                done[name] = outcome(file, text())
                print(f"{done[name]:9} {name}", flush=True)
                with OUTCOMES.open("w", newline="") as out:
                    rows = sorted((name, word) for name, word in done.items())
                    csv.writer(out, lineterminator="\n").writerows([("change", "outcome"), *rows])
        words = [done.get(name, "not run") for name in names]
        print(f"{kind}:", ", ".join(f"{words.count(word)} {word}" for word in sorted(set(words))))


if __name__ == "__main__":
    main()
