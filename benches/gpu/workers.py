"""PyTorch in processes of its own: what hangs is cut off, and what compiles is halted while others are timed."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

PEERS = Path(__file__).with_name("peers.py")
# Seconds that one compilation may take, those not counted in which it is halted.
COMPILING = 240


class Failed(RuntimeError):
    """With what the other process had to say."""

    def __init__(self, text, detail=""):
        super().__init__(text)
        self.detail = detail


def children(pid):
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name before the last bracket may hold anything.
            if int(path.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(path.parent.name))
        except (OSError, ValueError, IndexError):
            pass
    return found


def signal_tree(pid, number):
    """A process and all that it started, parents first, so that a halted one starts no more."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return []
    return [pid] + [each for child in children(pid) for each in signal_tree(child, number)]


def end(process):
    """Kills it; one that the driver holds on to is not waited for."""
    if process.poll() is None:
        process.kill()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            pass


class Worker:
    """One process of peers.py."""

    def __init__(self, setting, **env):
        line = [sys.executable, str(PEERS), "--root", str(setting.root), "--device", setting.device, "--width",
                str(setting.width)] + ["--dry-run"] * setting.dry  # fmt: skip
        self.log = setting.work / "peers.log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                line, env=setting.env | env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )
        self.buffer = b""

    def send(self, **request):
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self.died() from None

    def answer(self, seconds):
        """What it says to the oldest request, or None if it says nothing in time."""
        end = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                return None
            piece = os.read(self.process.stdout.fileno(), 1 << 16)
            if not piece:
                raise self.died()
            self.buffer += piece
        line, _, self.buffer = self.buffer.partition(b"\n")
        said = json.loads(line)
        if "error" in said:
            raise Failed(f"PyTorch: {said['error']}", said["detail"])
        return said

    def ask(self, seconds, **request):
        self.send(**request)
        said = self.answer(seconds)
        if said is None:
            self.kill()
            raise TimeoutError(f"PyTorch was cut off after {seconds:.0f} s")
        return said["value"]

    def died(self):
        self.kill()
        return Failed(f"the process of PyTorch ended with {self.process.returncode}", self.log.read_text()[-1500:])

    def kill(self):
        if self.process.poll() is None:
            for pid in signal_tree(self.process.pid, signal.SIGSTOP):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            end(self.process)

    @property
    def alive(self):
        return self.process.poll() is None


class Compiled:
    """One process for each network, precision and batch that is compiled, started ahead of their rows, a few at once."""

    def __init__(self, setting, wanted):
        self.setting, self.waiting = setting, list(wanted)
        # Half of the cores compile at once, and each may use as many; whoever came later lets the earlier go first.
        self.at_once, self.started = max(1, (os.cpu_count() or 1) // 2), 0
        self.busy, self.ready, self.failed, self.halted = {}, {}, {}, None

    def tick(self):
        """Takes note of what is done and starts what is next."""
        if self.halted is not None:
            return
        for key, (worker, began) in list(self.busy.items()):
            try:
                said = worker.answer(0)
                if said is None and time.monotonic() - began > COMPILING:
                    worker.kill()
                    raise TimeoutError(f"compiling was cut off after {COMPILING} s")
            except (Failed, TimeoutError) as error:
                worker.kill()
                self.failed[key], said = error, None
                del self.busy[key]
            if said:
                self.ready[key] = worker
                del self.busy[key]
                print(f"compiled {'/'.join(map(str, key))} in {time.monotonic() - began:.0f} s", flush=True)
        while self.waiting and len(self.busy) < self.at_once:
            network, precision, batch = key = self.waiting.pop(0)
            # Any plan does to compile by.
            request = dict(network=network, precision=precision, batch=batch, plan=self.setting.plan("mnist", 3))
            worker = Worker(self.setting, TORCHINDUCTOR_COMPILE_THREADS=str(self.at_once))
            os.setpriority(os.PRIO_PROCESS, worker.process.pid, min(19, os.nice(0) + 4 * self.started))
            self.started += 1
            try:
                worker.send(do="compile", compiled=True, **request)
                self.busy[key] = (worker, time.monotonic())
            except Failed as error:
                self.failed[key] = error

    def settled(self, key):
        return key not in self.waiting and key not in self.busy

    def halt(self):
        self.halted = time.monotonic()
        for worker, _ in self.busy.values():
            signal_tree(worker.process.pid, signal.SIGSTOP)

    def go_on(self):
        lost = time.monotonic() - self.halted
        self.halted = None
        for key, (worker, began) in self.busy.items():
            signal_tree(worker.process.pid, signal.SIGCONT)
            self.busy[key] = (worker, began + lost)

    def ask(self, key, seconds, **request):
        if key in self.failed:
            raise self.failed[key]
        try:
            return self.ready[key].ask(seconds, **request)
        except (Failed, TimeoutError) as error:
            self.ready.pop(key).kill()
            self.failed[key] = error
            raise

    def keep(self, keys):
        """Ends those that nobody needs any more."""
        self.waiting = [key for key in self.waiting if key in keys]
        for key in [key for key in (*self.ready, *self.busy) if key not in keys]:
            worker = self.ready.pop(key, None) or self.busy.pop(key)[0]
            worker.kill()

    def close(self):
        self.keep(())
