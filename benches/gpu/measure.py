"""What run.py goes through, row by row, in order of worth, with the time that each row is expected to take."""

import json
import os
import site
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import checks
from workers import Compiled, Failed, Worker, end

# Operations of one evaluation on one sample.
FLOP = {"mnist": 0.235e9, "cifar10": 12.4e9}
# Reached by convolutions on an H100, as a guess to plan by.
RATE = {"fp16": 150e12, "tf32": 100e12, "fp32": 35e12}
# Seconds until the first step: CUDA, the libraries, the graph twice, its convolutions.
START = {"mnist": 4.0, "cifar10": 6.0}
GRAPHS_OFF = ("--ep-option", "enable_cuda_graph=0")
HOST_LOOP = ("--loop", "host")


@dataclass
class Task:
    name: str
    kind: str
    measure: object
    # Seconds on an H100.
    expected: float
    facts: dict = field(default_factory=dict)
    # Nothing else may compute meanwhile.
    alone: bool = False
    # What has to be compiled before its turn.
    waits_for: tuple | None = None
    # Seconds that it may take, whatever is expected.
    allowed: float = 0.0

    @property
    def compiled(self):
        return self.facts.get("contender") == "compiled"

    @property
    def limit(self):
        return max(self.allowed, 20 + 3 * self.expected)


class Setting:
    """Program, device, sizes, and the models, which are made when they are first asked for."""

    def __init__(self, a, root, out, work):
        self.dry, self.root, self.out, self.work, self.program = a.dry_run_on_cpu, root, out, work, a.program
        self.bridge, self.classifier, self.turns = a.bridge, a.classifier, a.rounds
        self.device = "cpu" if self.dry else a.device
        self.batches = [1, 2] if self.dry else [int(batch) for batch in a.batches.split(",")]
        self.headline = (2, 1) if self.dry else (256, 1)
        self.width = 32 if self.dry else 128
        # Arguments that every call on the device gets, if it does not work without them.
        self.extra = ()
        self.deadline, self.running, self.plans, self.exporting = float("inf"), set(), {}, None
        self.compiled, self.plain = None, None
        self.env = dict(os.environ)
        library = sorted(Path(a.tools).glob("libonnxruntime.so.*")) if a.tools else []
        if library:
            self.env["ORT_DYLIB_PATH"] = str(library[0].resolve())
        # The program looks for CUDA's libraries among this Python's packages.
        if sys.prefix != sys.base_prefix:
            self.env.setdefault("VIRTUAL_ENV", sys.prefix)
        # A network that a CPU has no kernels for stays as it is in a dry run.
        done = subprocess.run([self.program, "convert", "--help"], capture_output=True, text=True, timeout=30)
        self.fuses = "--fuse" in done.stdout
        self.env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{self.env.get('PATH', '')}"

    def name_libraries(self):
        """Names the folders of CUDA's libraries to the linker, should the program not find them."""
        folders = [str(lib) for each in site.getsitepackages() for lib in Path(each).glob("nvidia/*/lib")]
        self.env["LD_LIBRARY_PATH"] = os.pathsep.join([*folders, self.env.get("LD_LIBRARY_PATH", "")]).strip(os.pathsep)

    def needs(self, row):
        """What an earlier smoke row found to be needed."""
        if row:
            self.extra = tuple(row["arguments"])
            if row["libraries"]:
                self.name_libraries()

    def left(self):
        return max(0.1, self.deadline - time.monotonic())

    def alphabar(self, *arguments, device=None, extra=None, timeout=None):
        """Runs the program, until the row's time is up at most; gives its JSON, if it prints any."""
        line, command = [self.program, *map(str, arguments)], arguments[0]
        if command in ("sample", "bench", "convert"):
            line += ["--device", device or self.device, "--no-install"]
            more = self.extra if extra is None else extra
            if device != "cpu" and (command != "convert" or more != HOST_LOOP):
                line += more
        seconds = min(self.left(), timeout or self.left())
        process = subprocess.Popen(line, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.running.add(process)
        try:
            said, complaint = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"alphabar {command} was cut off after {seconds:.0f} s") from None
        finally:
            end(process)
            self.running.discard(process)
        judged = process.returncode == 1 and said.startswith("{")  # a check that does not hold
        if process.returncode and not judged:
            why = f"alphabar {command}: exit {process.returncode}: {complaint.strip()[-300:]}"
            raise Failed(why, f"{line}\n{complaint}{said}")
        return json.loads(said) if "--json" in line else said

    def begin(self, wanted):
        """Starts what takes time and can be done beside the checks."""
        self.compiled = Compiled(self, wanted)
        if not self.cifar_graph().is_file():
            script = [sys.executable, str(Path(__file__).with_name("ddpm.py")), "--width", str(self.width), "--out"]
            with open(self.work / "export.log", "wb") as log:
                self.exporting = subprocess.Popen([*script, str(self.cifar_folder())], stdout=log, stderr=log, env=self.env)

    def end(self):
        """Ends all that was started; a signal may come at any time."""
        for process in [*self.running, *([self.exporting] if self.exporting else [])]:
            end(process)
        if self.compiled:
            self.compiled.close()
        if self.plain:
            self.plain.kill()

    def torch(self, **request):
        """PyTorch without compiling: one process for all that is asked."""
        if not (self.plain and self.plain.alive):
            self.plain = Worker(self)
        return self.plain.ask(self.left(), **request)

    def cifar_folder(self):
        return self.work / f"cifar10-ddpm-{self.width}"

    def cifar_graph(self):
        return self.cifar_folder() / "unet/model.onnx"

    def cifar(self):
        if self.exporting:
            try:
                code = self.exporting.wait(self.left())
            except subprocess.TimeoutExpired:
                raise TimeoutError("the export of the CIFAR-10 U-Net takes too long") from None
            if code:
                log = (self.work / "export.log").read_text()
                raise Failed(f"exporting the CIFAR-10 U-Net: exit {code}", log[-1500:])
            self.exporting = None
        return self.cifar_folder()

    def converted(self, network, fused=False):
        return self.work / f"{network}-{self.width}-fp16{'-fused' * fused}"

    def model(self, network, precision, fused=False):
        folder = self.cifar() if network == "cifar10" else self.root / "fixtures/mnist-unet"
        if precision != "fp16":
            return folder
        fused = fused and not self.dry
        half = self.converted(network, fused)
        if not half.is_dir():
            self.alphabar("convert", folder, "--fp16", *["--fuse"] * fused, "--out", half, "--no-check", "--json")
        return half

    def plan(self, network, steps):
        """Timesteps, and of each step the coefficients of x̂₀ (x, output) and of the next x (x, x̂₀, output)."""
        if (network, steps) not in self.plans:
            model = self.model(network, "fp32")
            said = self.alphabar("plan", model, "--sampler", "ddim", "--steps", steps, "--json", timeout=30)
            names = ["x0_from_x", "x0_from_out", "x", "x0", "out"]
            table = [[step[name] for name in names] for step in said["steps"]]
            times = [int(step["model_timestep"]) for step in said["steps"]]
            self.plans[network, steps] = dict(table=table, times=times)
        return self.plans[network, steps]

    def steps(self, precision, batch):
        """Enough for what is not the network's to weigh as in 50 steps, few enough for the time there is."""
        if self.dry:
            return 2
        if precision == "fp16":
            return 50 if batch <= 256 else 25
        return 50 if batch <= 64 else 25 if batch <= 256 else 10

    def passes(self, precision, batch):
        return 3 if batch <= (256 if precision == "fp16" else 16) and not self.dry else 1


def computing(network, precision, batch, steps, least=2e-3):
    """Seconds of so many steps, none of which takes less than so long."""
    return steps * max(least, FLOP[network] * batch / RATE[precision])


def tasks(s, everything):
    """Correctness first, then speed from the questions that matter most to those that matter least."""
    check = lambda name, seconds, measure, **more: Task(f"check/{name}", "check", measure, seconds, **more)
    big, one = s.headline
    others = [batch for batch in s.batches if batch not in s.headline]
    yield Task("smoke/mnist", "check", lambda: smoke(s), 8, allowed=130.0)
    yield check("trajectory", 14, lambda: checks.trajectory(s))
    yield check("mnist-cpu-gpu", 7, lambda: checks.cpu_against_device(s))
    yield check("fp16/mnist", 9, lambda: checks.deviation(s, "mnist"))
    yield check("fp16/cifar10", 14, lambda: checks.deviation(s, "cifar10"))
    if s.fuses:
        yield check("fp16/cifar10-fused", 14, lambda: checks.deviation(s, "cifar10", fused=True))
    for batch in (big, one):
        yield from contest(s, "cifar10", "fp16", batch, turns=s.turns)
    for variant in variants("fp16", s.fuses):
        yield choice(s, "fp16", *variant)
    yield depth_task(s, "cifar10", "fp16")
    for batch in others:
        yield from contest(s, "cifar10", "fp16", batch)
    yield check("memory", 18, lambda: checks.memory(s), alone=True)
    for batch in (big, one):
        yield from contest(s, "cifar10", "fp32", batch)
    yield check("agreement", 11, lambda: checks.agreement(s))
    yield check("same-network", 9, lambda: checks.same_network(s))
    yield Task("bulk/50000", "bulk", lambda: checks.bulk(s), 25, alone=True)
    for variant in variants("fp32", s.fuses):
        yield choice(s, "fp32", *variant)
    for batch in (big, one):
        yield from contest(s, "mnist", "fp16", batch)
    if s.bridge:
        yield check("bridge", 30, lambda: checks.bridge(s))
    if everything:
        for batch in (big, one):
            yield from contest(s, "mnist", "fp32", batch)
        for batch in others:
            yield from contest(s, "cifar10", "fp32", batch)
        for network, precision in (("mnist", "fp16"), ("cifar10", "fp32"), ("mnist", "fp32")):
            yield depth_task(s, network, precision)
        for precision in ("fp16", "fp32"):
            for batch in others:
                yield from contest(s, "mnist", precision, batch)
        for network in ("cifar10", "mnist"):
            for batch in s.batches:
                yield from contest(s, network, "tf32", batch)


def contest(s, network, precision, batch, turns=1):
    """alphabar and its peers in turns; compiled PyTorch at the headline's batches alone, and alphabar with fused kernels at
    those of the network that matters most."""
    steps, passes = s.steps(precision, batch), s.passes(precision, batch)
    key = (network, precision, batch) if batch in s.headline else None
    fused = key and s.fuses and (network, precision) == ("cifar10", "fp16")
    for turn in range(turns):
        for who in ("alphabar", *["fused"] * bool(fused), "eager", *["compiled"] * bool(key)):
            if who in ("alphabar", "fused"):
                seconds = START[network] + (1 + passes) * computing(network, precision, batch, steps)
            else:
                seconds = 1 + passes * computing(network, precision, batch, steps, 8e-3 if who == "eager" else 2e-3)
            facts = dict(network=network, precision=precision, batch=batch, contender=who, turn=turn)
            yield Task(
                f"speed/{network}/{precision}/{batch}/{who}/{turn}", "speed", lambda f=facts: speed(s, **f), seconds,
                facts, alone=True, waits_for=key,
            )  # fmt: skip


def variants(precision, fuses):
    """Name, options, whether with fused kernels, and seconds beyond the usual."""
    if precision == "fp32":
        yield "defaults", (), False, 0
        yield "use_tf32=1", ("use_tf32=1",), False, 0
        return
    nhwc, bias = "prefer_nhwc=1", "fuse_conv_bias=1"
    yield "defaults", (), False, 0
    yield "enable_cuda_graph=0", ("enable_cuda_graph=0",), False, 0
    for pairs in ((nhwc,), (bias,), (nhwc, bias)):
        yield "+".join(pairs), pairs, False, 0
    if fuses:
        # Such a network is run with channels last unless it is said otherwise.
        for pairs in ((), (bias,), ("prefer_nhwc=0",)):
            yield "+".join(("fused", *pairs)), pairs, True, 0
    yield "loop=host", HOST_LOOP, False, 0
    # What the others may differ by without differing.
    yield "defaults-again", (), False, 0
    yield "cudnn_conv_algo_search=EXHAUSTIVE", ("cudnn_conv_algo_search=EXHAUSTIVE",), False, 12


def choice(s, precision, name, given, fused, beyond):
    """alphabar on the CIFAR-10 U-Net with other options than the defaults, at both of the headline's batches."""
    steps, rounds = (2, 1) if s.dry else (25, 3) if precision == "fp16" else (10, 1)
    seconds = START["cifar10"] + beyond
    seconds += (1 + rounds) * sum(computing("cifar10", precision, batch, steps) for batch in s.headline)
    facts = dict(precision=precision, variant=name)
    # The CPU's provider has no options.
    pairs = given if given == HOST_LOOP else () if s.dry else [word for pair in given for word in ("--ep-option", pair)]

    def measure():
        said = s.alphabar("bench", s.model("cifar10", precision, fused), "--quick", "--batch", ",".join(map(str, s.headline)),
                          "--rounds", rounds, "--sampler", "ddim", "--steps", steps, "--json", extra=pairs)  # fmt: skip
        speeds = {str(row["batch"]): row["image_steps_per_second"] for row in said["rows"]}
        how = {key: said["runtime"][key] for key in ("loop", "cuda_graphs")}
        return dict(speeds=speeds, rows=said["rows"], **how)

    return Task(f"options/cifar10/{precision}/{name}", "options", measure, seconds, facts, alone=True)


def smoke(s):
    """Whether anything runs at all; if not as it is, then with what has to be given. The whole error is printed."""
    tried = {}
    attempts = [("as it is", False, ()), ("with CUDA's libraries named", True, ())]
    attempts += [("without CUDA graphs", True, GRAPHS_OFF), ("with the host's loop", True, HOST_LOOP)]
    for name, libraries, arguments in attempts[:1] if s.dry else attempts:
        if libraries and "with CUDA's libraries named" not in tried:
            s.name_libraries()
        begin = time.monotonic()
        try:
            s.alphabar("sample", s.root / "fixtures/mnist-unet", "--sampler", "ddim", "--steps", 4, "--count", 4, "--out",
                       s.work / "smoke.npy", "--quiet", extra=arguments, timeout=40)  # fmt: skip
        except (Failed, TimeoutError) as error:
            print(f"smoke, {name}: {error}\n{getattr(error, 'detail', '')}", flush=True)
            tried[name] = str(error)[-1000:]
            continue
        s.extra = arguments
        return dict(ok=not tried, needs=name, libraries=libraries, arguments=arguments, tried=tried,
                    first_run_seconds=round(time.monotonic() - begin, 2))  # fmt: skip
    raise Failed("the program does not run on the device", json.dumps(tried))


def tf32(precision):
    return ("--ep-option", "use_tf32=1") if precision == "tf32" else ()


def depth_task(s, network, precision):
    """Copies, operations, ceilings: `alphabar bench` without --quick."""
    batch, steps = s.headline[0], 2 if s.dry else 10

    def measure():
        said = s.alphabar("bench", s.model(network, precision), "--batch", batch, "--rounds", 1, "--sampler", "ddim",
                          "--steps", steps, "--json")  # fmt: skip
        profile = said["depth"]["profile"] or {}
        copies = profile.get("copies_per_step")
        return dict(ok=copies == 0 if profile else None, copies_per_step=copies, batch=batch, bench=said)

    seconds = 2 * START[network] + 8 + 4 * computing(network, precision, batch, steps)
    facts = dict(network=network, precision=precision)
    return Task(f"depth/{network}/{precision}", "depth", measure, seconds, facts, alone=True)


def speed(s, network, precision, batch, contender, turn):
    steps, passes = s.steps(precision, batch), s.passes(precision, batch)
    if contender in ("alphabar", "fused"):
        model = s.model(network, precision, contender == "fused")
        said = s.alphabar("bench", model, "--quick", "--batch", batch, "--rounds", passes, "--sampler", "ddim", "--steps",
                          steps, "--json", *(() if s.dry else tf32(precision)))  # fmt: skip
        row = said["rows"][0]
        how = {key: said["runtime"][key] for key in ("loop", "cuda_graphs")}
        return dict(steps=steps, **how, **{key: row[key] for key in row if key != "batch"})
    request = dict(network=network, precision=precision, batch=batch, passes=passes, plan=s.plan(network, steps))
    if contender == "compiled":
        key = (network, precision, batch)
        return dict(steps=steps, **s.compiled.ask(key, s.left(), do="measure", compiled=True, **request))
    return dict(steps=steps, **s.torch(do="measure", **request))


def facts_of_device(s):
    """What PyTorch and the driver say; a machine on which PyTorch says nothing is still a machine."""
    said, s.deadline = {}, time.monotonic() + 120
    try:
        said = s.torch(do="facts")
    except (Failed, TimeoutError) as error:
        print(f"device: {error}\n{getattr(error, 'detail', '')}", flush=True)
        said = dict(error=str(error))
    if not s.dry:
        fields = "name,driver_version,memory.total,clocks.max.sm,power.limit"
        try:
            done = subprocess.run(["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"], capture_output=True,
                                  text=True, timeout=20)  # fmt: skip
            said["driver"] = (done.stdout or done.stderr).strip()[:300]
        except (OSError, subprocess.TimeoutExpired) as error:
            said["driver"] = str(error)
    return dict(dry_run=s.dry, device=s.device, program=s.alphabar("--version", timeout=30).strip(), **said)
