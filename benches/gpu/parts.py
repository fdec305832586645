"""The program and ONNX Runtime's CUDA libraries as one archive, cut into parts that can be carried one by one."""

import hashlib
import json
import lzma
import sys
import tarfile
import zipfile
from pathlib import Path

# A little under the 48 MiB that a file may have.
PART = 47 << 20
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
    print(f"{len(sizes)} parts, {sum(sizes) / 2**20:.0f} MiB: {', '.join(f'{size / 2**20:.1f}' for size in sizes)}")


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
