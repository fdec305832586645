"""Correctness and speed on an NVIDIA GPU, beside PyTorch, in one go: needs CUDA 13, cuDNN 9 and PyTorch, and fetches and
builds nothing.

On a machine with Rust and a package index, once (two to three minutes; 190 MiB, nearly all of it CUDA code):

    cargo build --release && cargo test --release --no-run --test bridge
    pip download --no-deps onnxruntime-gpu==1.31.1 -d wheel
    python benches/gpu/run.py pack --wheel wheel/*.whl --program target/release/alphabar \\
        --bridge target/release/deps/bridge-* --out parts        # name the one program that has no ending

On the machine with the GPU, in a copy of the repository, when all parts are there (they may come one by one):

    python benches/gpu/run.py join --parts parts --out /tmp/tools
    python benches/gpu/run.py run --tools /tmp/tools --out results         # again to go on where it stopped

`run` begins with whether anything runs at all, prints a line for every row, and keeps it at once in results/rows.jsonl and
results/summary.md. Rows that are there are not measured again (--again does) unless they failed or are another GPU's;
--earlier names the rows of a run whose folder is gone. --only takes regular expressions on their names. --minutes bounds
all of it: no row is begun that is not expected to fit, and none outlasts its own limit, three times what is expected and
20 s. --list shows the rows in order with what each is expected to take. What is large lies in --work, not in the results.
`run --dry-run-on-cpu --program target/release/alphabar` goes through everything on a CPU with tiny sizes.

PyTorch runs in processes of its own. Those that compile start first, beside the checks, and are halted whenever something
else is timed; the rows of a batch wait a while for them, so that alphabar and its peers take turns.

For a machine with a GPU that is lent for 15 minutes and takes files of at most 48 MiB, commands of at most 10 minutes:

    command 1            brings parts/tools.tar.xz.000                          the machine's start, 1 to 2 minutes
    commands 2, 3, 4     bring .001, .002, .003: `ls parts` will do            a quarter of a minute each
    command 5            brings .004 (10 MiB) and parts.json, and runs          9 minutes at most
        python benches/gpu/run.py join --parts parts --out /tmp/tools &&
        python -u benches/gpu/run.py run --tools /tmp/tools --out RESULTS --minutes 8
    command 6            at once, on the same machine, what is left and failed: 2 to 3 minutes, with rows.jsonl brought along
        python -u benches/gpu/run.py run --tools /tmp/tools --out RESULTS --minutes 2 --earlier rows.jsonl --all

Start 2 + parts 1 + run 9 + rest 2.5 = 14.5 minutes. RESULTS comes back: two small files, and without a classifier two of
samples (0.8 MB each) and nothing else. If the start took longer than two minutes, command 5 gets fewer --minutes.
"""

import argparse
import hashlib
import json
import os
import platform
import re
import signal
import stat
import sys
import tempfile
import time
import traceback
from pathlib import Path

import parts

ROOT = Path(__file__).resolve().parent.parent.parent
# Seconds that the rows of a batch wait for what is to be compiled for one of them.
PATIENCE = 60
# What a run takes beside its rows.
BESIDE = 10


class Rows:
    """The results file: one JSON object a line, appended as it is measured."""

    def __init__(self, path, earlier):
        self.path, self.rows, self.gpu = path, [], None
        own = path.read_text().splitlines() if path.is_file() else []
        lines = [line for other in earlier for line in Path(other).read_text().splitlines() if line not in own]
        for line in lines + own:
            try:
                self.rows.append(json.loads(line))
            except json.JSONDecodeError:  # the line during which the power went
                pass
        if lines:
            path.write_text("".join(json.dumps(row) + "\n" for row in self.rows))

    def has(self, name):
        return self.newest(name) is not None

    def newest(self, name):
        """The newest row that has been measured on this GPU."""
        found = (row for row in reversed(self.rows) if row["name"] == name and row.get("gpu") == self.gpu)
        return next((row for row in found if "error" not in row), None)

    def add(self, row):
        row["gpu"] = self.gpu
        self.rows.append(row)
        with open(self.path, "a") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())


def pick(pending, compiled, patience, left):
    """The first row that fits and can be measured now. While a timed one waits for what is being compiled, only rows
    that are not timed go before it, as compiling is halted during those that are."""
    held = False
    for task in pending:
        if task.expected > left:
            continue
        if task.waits_for and not compiled.settled(task.waits_for):
            if task.compiled and patience[task.waits_for] <= 0:
                continue
            if patience[task.waits_for] > 0:
                held = True
                continue
        if not (held and task.alone):
            return task
    return None


def measured(s, task, left):
    """A row, whatever happens."""
    begin, alone = time.monotonic(), task.alone
    row = dict(name=task.name, kind=task.kind, **task.facts)
    # Sizes are tiny in a dry run, and so are machines without a GPU.
    s.deadline = begin + min(120.0 if s.dry else task.limit, left)
    if alone:
        s.compiled.halt()
    try:
        row |= task.measure()
    except Exception as error:  # one row is lost, not the others
        detail = getattr(error, "detail", None) or traceback.format_exc(limit=-3)
        row["error"] = f"{type(error).__name__}: {error}"[:500] + "\n" + str(detail)[-2000:]
    if alone:
        s.compiled.go_on()
    row["seconds"] = round(time.monotonic() - begin, 2)
    return row


def listing(tasks, rows):
    total = 0.0
    for task in tasks:
        there = rows.has(task.name)
        total += 0 if there else task.expected
        print(f"{'there' if there else f'{task.expected:5.1f} s'}  {task.name}")
    print(f"{(total + BESIDE) / 60:.1f} minutes on an H100, as a guess, with {BESIDE} s beside the rows")


def run(a):
    import measure
    import summary

    started = time.monotonic()
    # A dry run has no GPU to be quick on.
    minutes = a.minutes if a.minutes is not None else 0 if a.dry_run_on_cpu else 8
    left = lambda: started + 60 * minutes - time.monotonic() if minutes else float("inf")
    program = hashlib.sha256(Path(a.program).read_bytes()).hexdigest()
    # What another program has converted is not gone by.
    out, work = Path(a.out), Path(a.work or Path(tempfile.gettempdir()) / f"alphabar-gpu-{program[:8]}")
    for folder in (out, work):
        folder.mkdir(parents=True, exist_ok=True)
    rows = Rows(out / "rows.jsonl", a.earlier or [])
    s = measure.Setting(a, ROOT, out, work)
    tasks = [task for task in measure.tasks(s, a.all) if task.facts.get("precision", "fp16") in a.precisions.split(",")]
    if a.only:
        tasks = [task for task in tasks if any(re.search(pattern, task.name) for pattern in a.only)]
    if a.list:
        # Which GPU will be found is not known yet.
        rows.gpu = next((row.get("gpu") for row in reversed(rows.rows)), None)
        return listing(tasks, rows)

    def stop(*_):
        s.end()
        sys.exit("stopped")

    signal.signal(signal.SIGTERM, stop)
    failed = 0
    pending = []
    try:
        machine = dict(name="machine", kind="machine", time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        machine |= dict(system=platform.platform(), cores=os.cpu_count(), arguments=sys.argv[1:])
        machine |= dict(sha256=program)
        machine |= measure.facts_of_device(s)
        rows.gpu = machine.get("gpu")
        rows.add(machine)
        print(json.dumps(machine), flush=True)
        pending = [task for task in tasks if a.again or not rows.has(task.name)]
        s.needs(rows.newest("smoke/mnist"))
        s.begin(list(dict.fromkeys(task.waits_for for task in pending if task.compiled)))
        patience = {task.waits_for: PATIENCE for task in pending}
        while pending and left() > 0:
            s.compiled.tick()
            task = pick(pending, s.compiled, patience, left())
            if task is None:
                waiting = [task.waits_for for task in pending if task.expected <= left() and task.waits_for]
                waiting = [key for key in waiting if not s.compiled.settled(key)]
                if not waiting:
                    break
                time.sleep(0.1)
                patience[next((key for key in waiting if patience[key] > 0), waiting[0])] -= 0.1
                continue
            row = measured(s, task, left())
            rows.add(row)
            (out / "summary.md").write_text(summary.summary(rows.rows))
            pending.remove(task)
            s.compiled.keep([task.waits_for for task in pending if task.compiled])
            shown = {key: row[key] for key in summary.SHOWN if key in row}
            said = "FAILED " + row["error"].splitlines()[0] if "error" in row else json.dumps(shown)
            print(f"{time.monotonic() - started:4.0f} s  {task.name} ({row['seconds']:.1f} s): {said}", flush=True)
            failed += "error" in row
            if task.name == "smoke/mnist" and "error" in row:
                print("nothing runs on the device, so that there is nothing to measure", flush=True)
                break
    finally:
        s.end()
        (out / "summary.md").write_text(summary.summary(rows.rows))
        rest = f"; not measured: {' '.join(task.name for task in pending)}" if pending else ""
        print(f"{out / 'summary.md'} after {time.monotonic() - started:.0f} s; {failed} rows failed{rest}", flush=True)
    sys.exit(1 if failed else 0)


def executable(path):
    path = Path(path).resolve()
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = p.add_subparsers(required=True)
    s = sub.add_parser("pack", help="put program and libraries into parts")
    s.add_argument("--wheel", required=True)
    s.add_argument("--program", required=True)
    s.add_argument("--bridge", help="the test program of tests/bridge")
    s.add_argument("--classifier", help="weights written by fixtures/train/classifier.py")
    s.add_argument("--level", type=int, default=3, help="of xz")
    s.add_argument("--out", required=True)
    s.set_defaults(do=parts.pack)
    s = sub.add_parser("join", help="put parts together")
    s.add_argument("--parts", required=True)
    s.add_argument("--out", required=True)
    s.set_defaults(do=parts.join)
    s = sub.add_parser("run", help="check and measure")
    s.add_argument("--tools", help="folder that `join` wrote")
    s.add_argument("--program", help="alphabar, if not in --tools")
    s.add_argument("--bridge", help="the test program of tests/bridge, if not in --tools")
    s.add_argument("--classifier", help="weights written by fixtures/train/classifier.py, if not in --tools")
    s.add_argument("--device", default="cuda:0")
    s.add_argument("--out", required=True, help="folder for the rows and the summary, which are small")
    s.add_argument("--work", help="folder for models and samples [default: one among the temporary files]")
    s.add_argument("--earlier", action="append", help="rows.jsonl of an earlier run; may be given again")
    s.add_argument("--only", action="append", help="rows whose name matches; may be given again")
    s.add_argument("--all", action="store_true", help="also the rows that matter least")
    s.add_argument("--list", action="store_true", help="print the rows and what each is expected to take")
    s.add_argument("--again", action="store_true", help="measure rows that are there already, too")
    s.add_argument("--minutes", type=float, help="bound of the whole run; 0 is none [default: 8, in a dry run none]")
    s.add_argument("--rounds", type=int, default=2, help="turns of every contender at the batches that matter most")
    s.add_argument("--batches", default="1,16,64,256,1024")
    s.add_argument("--precisions", default="fp16,fp32", help="also tf32, with --all")
    s.add_argument("--dry-run-on-cpu", action="store_true", help="go through everything with tiny sizes")
    s.set_defaults(do=run)
    a = p.parse_args()
    if a.do is run:
        for name in ("program", "bridge", "classifier"):
            inside = Path(a.tools or "") / {"program": "alphabar", "classifier": "classifier.pt"}.get(name, name)
            if a.tools and not getattr(a, name) and inside.is_file():
                setattr(a, name, str(inside))
        if not a.program:
            sys.exit("name the program with --tools or --program")
        a.program = executable(a.program)
        a.bridge = a.bridge and executable(a.bridge)
    a.do(a)


if __name__ == "__main__":
    main()
