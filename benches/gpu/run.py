"""Correctness and speed on an NVIDIA GPU, beside PyTorch, in one go: needs CUDA 13, cuDNN 9 and PyTorch, and fetches and
builds nothing.

On a machine with Rust and a package index, once:

    cargo build --release && cargo test --release --no-run --test bridge
    pip download --no-deps onnxruntime-gpu==1.31.1 -d wheel          # its CUDA libraries are packed, 250 MB
    python benches/gpu/run.py pack --wheel wheel/*.whl --program target/release/alphabar \\
        --bridge target/release/deps/bridge-* --out parts             # parts under 48 MiB

On the machine with the GPU, in a copy of the repository, when all parts are there (they may come one by one):

    python benches/gpu/run.py join --parts parts --out tools
    python benches/gpu/run.py run --tools tools --out results         # again to go on where it stopped

`run` appends each row to results/rows.jsonl as it is measured and writes results/summary.md at the end of every run;
rows that are there are not measured again (--again does), --only takes regular expressions on their names, --minutes
stops in time. `run --dry-run-on-cpu --program target/release/alphabar` goes through everything on a CPU with tiny sizes.
"""

import argparse
import hashlib
import json
import lzma
import os
import platform
import re
import stat
import subprocess
import sys
import tarfile
import time
import traceback
import zipfile
from pathlib import Path

import measure

ROOT = Path(__file__).resolve().parent.parent.parent
PART = 48 << 20
LIBRARIES = ("libonnxruntime.so.", "libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so")


class Parts:
    """A file to write into, cut into parts of one size."""

    def __init__(self, folder):
        self.folder, self.number, self.file, self.room, self.hashes = folder, 0, None, 0, {}

    def write(self, data):
        size = len(data)
        while data:
            if not self.room:
                self.next()
            piece, data = data[: self.room], data[self.room :]
            self.file.write(piece)
            self.hash.update(piece)
            self.room -= len(piece)
        return size

    def next(self):
        self.close()
        self.name = f"tools.tar.xz.{self.number:03}"
        self.file, self.hash = open(self.folder / self.name, "wb"), hashlib.sha256()
        self.number, self.room = self.number + 1, PART

    def close(self):
        if self.file:
            self.file.close()
            self.hashes[self.name] = self.hash.hexdigest()
            self.file = None


def pack(a):
    out = Path(a.out)
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        sys.exit(f"{out} is not empty")
    parts = Parts(out)
    with lzma.open(parts, "wb", preset=a.level) as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
        for path, name in [(a.program, "alphabar"), (a.bridge, "bridge"), (a.classifier, "classifier.pt")]:
            if path:
                tar.add(path, name)
        with zipfile.ZipFile(a.wheel) as wheel:
            for entry in wheel.infolist():
                name = Path(entry.filename).name
                if name.startswith(LIBRARIES) and not entry.is_dir():
                    info = tarfile.TarInfo(name)
                    info.size, info.mode = entry.file_size, 0o755
                    with wheel.open(entry) as file:
                        tar.addfile(info, file)
                    print(f"{name}: {entry.file_size >> 20} MiB", flush=True)
    parts.close()
    (out / "parts.json").write_text(json.dumps(parts.hashes, indent=1) + "\n")
    sizes = [(out / name).stat().st_size for name in parts.hashes]
    print(f"{len(sizes)} parts, {sum(sizes) >> 20} MiB, the largest {max(sizes) / 2**20:.1f} MiB")


class Joined:
    """Parts to read from as one file, each checked when it is opened."""

    def __init__(self, folder, hashes):
        self.rest, self.folder, self.hashes, self.file = list(hashes), folder, hashes, None

    def read(self, size):
        data = b""
        while len(data) < size:
            if self.file is None:
                if not self.rest:
                    break
                name = self.rest.pop(0)
                path = self.folder / name
                if hashlib.sha256(path.read_bytes()).hexdigest() != self.hashes[name]:
                    sys.exit(f"{path} is not what was packed")
                self.file = open(path, "rb")
            piece = self.file.read(size - len(data))
            if not piece:
                self.file.close()
                self.file = None
            data += piece
        return data


def join(a):
    parts, out = Path(a.parts), Path(a.out)
    hashes = json.loads((parts / "parts.json").read_text())
    missing = [name for name in hashes if not (parts / name).is_file()]
    if missing:
        sys.exit(f"{len(missing)} of {len(hashes)} parts are still to come: {' '.join(missing)}")
    out.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=Joined(parts, hashes), mode="r|xz") as tar:
        tar.extractall(out, filter="data")
    print(" ".join(sorted(path.name for path in out.iterdir())))


class Rows:
    """The results file: one JSON object a line, appended as it is measured."""

    def __init__(self, path):
        self.path, self.rows = path, []
        if path.is_file():
            for line in path.read_text().splitlines():
                try:
                    self.rows.append(json.loads(line))
                except json.JSONDecodeError:  # the line during which the power went
                    pass

    def has(self, name):
        return any(row["name"] == name and "error" not in row for row in self.rows)

    def add(self, row):
        self.rows.append(row)
        with open(self.path, "a") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())


def run(a):
    out = Path(a.out)
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    rows = Rows(out / "rows.jsonl")
    setting = measure.Setting(a, ROOT, out)
    machine = dict(name="machine", kind="machine", time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    machine |= dict(system=platform.platform(), cores=os.cpu_count(), **setting.describe())
    rows.add(machine)
    tasks = list(measure.tasks(setting))
    if a.only:
        tasks = [task for task in tasks if any(re.search(pattern, task.name) for pattern in a.only)]
    if a.list:
        print("\n".join(task.name for task in tasks))
        return
    left, failed = 0, 0
    for task in tasks:
        if rows.has(task.name) and not a.again:
            continue
        spent = (time.monotonic() - started) / 60
        if a.minutes and spent > a.minutes:
            left += 1
            continue
        begin = time.monotonic()
        row = dict(name=task.name, kind=task.kind, **task.facts)
        try:
            row |= task.measure()
        except Exception as error:  # one row is lost, not the others
            failed += 1
            detail = getattr(error, "stderr", None) or traceback.format_exc(limit=-3)
            row["error"] = f"{type(error).__name__}: {error}"[:500] + "\n" + str(detail)[-1500:]
        row["seconds"] = round(time.monotonic() - begin, 2)
        rows.add(row)
        shown = {key: value for key, value in row.items() if key in measure.SHOWN}
        print(f"{task.name}: {'FAILED ' + row['error'].splitlines()[0] if 'error' in row else shown}", flush=True)
    (out / "summary.md").write_text(measure.summary(rows.rows))
    print(f"{out / 'summary.md'}; {failed} rows failed, {left} not begun for want of time")
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
    s.set_defaults(do=pack)
    s = sub.add_parser("join", help="put parts together")
    s.add_argument("--parts", required=True)
    s.add_argument("--out", required=True)
    s.set_defaults(do=join)
    s = sub.add_parser("run", help="check and measure")
    s.add_argument("--tools", help="folder that `join` wrote")
    s.add_argument("--program", help="alphabar, if not in --tools")
    s.add_argument("--bridge", help="the test program of tests/bridge, if not in --tools")
    s.add_argument("--classifier", help="weights written by fixtures/train/classifier.py, if not in --tools")
    s.add_argument("--device", default="cuda:0")
    s.add_argument("--out", required=True)
    s.add_argument("--only", action="append", help="rows whose name matches; may be given again")
    s.add_argument("--list", action="store_true", help="print the names of the rows")
    s.add_argument("--again", action="store_true", help="measure rows that are there already, too")
    s.add_argument("--minutes", type=float, help="begin no row after so many")
    s.add_argument("--rounds", type=int, default=2, help="turns of every contender")
    s.add_argument("--batches", default="1,16,64,256,1024")
    s.add_argument("--precisions", default="fp16,fp32", help="also tf32")
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
