"""The rows as Markdown: the newest of every name, a section for each GPU."""

import statistics

SHOWN = ("ok", "image_steps_per_second", "worst", "rms", "sample_rms", "agreement", "growth_mb", "copies_per_step", "speeds",
         "needs", "samples_per_second", "utilisation_median", "utilisation_p5")  # fmt: skip
FIGURES = ("worst", "rms", "sample_rms", "agreement", "growth_mb", "copies_per_step", "needs", "bound", "note")
NONE = "–"


def summary(rows):
    text = "# Measured\n"
    for gpu in dict.fromkeys(row.get("gpu") for row in rows):
        text += "\n" + section({row["name"]: row for row in rows if row.get("gpu") == gpu})
    return text


def section(rows):
    machine = rows.get("machine", {})
    unnamed = "No GPU: a dry run, whose figures say nothing" if machine.get("dry_run") else "A GPU that PyTorch does not see"
    lines = [f"## {machine.get('gpu') or unnamed}", ""]
    lines += [f"{machine.get('program')}, PyTorch {machine.get('torch')}, CUDA {machine.get('cuda')}, cuDNN "
              f"{machine.get('cudnn')}, driver: {machine.get('driver')}, {machine.get('time')}", ""]  # fmt: skip
    for part in (checks, speeds, options, bulk):
        lines += part(rows)
    broken = [f"- {name}: {row['error'].splitlines()[0]}" for name, row in rows.items() if "error" in row]
    lines += ["", "Failed to run:", "", *broken] if broken else []
    return "\n".join(lines) + "\n"


def number(value):
    return NONE if value is None else f"{value:.0f}"


def ratio(value, other):
    return NONE if value is None or not other else f"{value / other:.2f}"


def checks(rows):
    lines = ["| check | result | figures |", "|---|---|---|"]
    for name, row in rows.items():
        if row["kind"] in ("check", "depth"):
            result = {True: "holds", False: "**does not hold**"}.get(row.get("ok"), "not judged")
            result = "failed to run" if "error" in row else result
            figures = [f"{key} {compact(row[key])}" for key in FIGURES if row.get(key) is not None]
            lines.append(f"| {name} | {result} | {', '.join(figures + depth(row))} |")
    return lines


def depth(row):
    """How near the arithmetic comes to what was measured to be possible, and what takes longest."""
    bench = row.get("bench")
    if not bench:
        return []
    said, profile = bench["rows"][0], bench["depth"]["profile"] or {}
    shown = [f"{each['op']} {each['percent']:.0f} %" for each in profile.get("busiest", [])[:4]]
    rate, share = said["flops_per_second"], said["matrix_rate_percent"]
    shown += [f"{rate / 1e12:.1f} TFLOP/s"] if rate else []
    shown += [f"{share:.0f} % of the matrix rate"] if share else []
    shown += [f"{profile['outside_network_percent']:.2f} % outside the network"] if profile else []
    return shown + bench["depth"]["notes"]


def speeds(rows):
    found = {}
    for row in rows.values():
        if row["kind"] == "speed" and "image_steps_per_second" in row:
            found.setdefault((row["network"], row["precision"], row["batch"]), {}).setdefault(row["contender"], []).append(row)
    lines = ["", "Image-steps a second, medians of turns; in brackets alphabar's time outside the network. Ratios are of the",
             "faster of alphabar with and without fused kernels.", ""]  # fmt: skip
    lines += ["| network | precision | batch | alphabar | fused | eager | compiled | over eager | over compiled | spread |",
              "|---|---|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for group, who in found.items():
        speed = {name: statistics.median([row["image_steps_per_second"] for row in turns]) for name, turns in who.items()}
        best = max((speed[name] for name in ("alphabar", "fused") if name in speed), default=None)
        cells = [*map(str, group)]
        for name in ("alphabar", "fused", "eager", "compiled"):
            outside = [row["outside_network_percent"] for row in who.get(name, []) if "outside_network_percent" in row]
            cells.append(number(speed.get(name)) + (f" ({statistics.median(outside):.2f} %)" if outside else ""))
        cells += [ratio(best, speed.get("eager")), ratio(best, speed.get("compiled"))]
        turns = [[row["image_steps_per_second"] for row in turn] for turn in who.values() if len(turn) > 1]
        spread = max((max(turn) / min(turn) - 1 for turn in turns), default=None)
        cells.append(NONE if spread is None else f"{100 * spread:.1f} %")
        lines.append(f"| {' | '.join(cells)} |")
    return lines if found else []


def options(rows):
    """Each variant beside the defaults of its precision."""
    found = [row for row in rows.values() if row["kind"] == "options"]
    batches = list(dict.fromkeys(batch for row in found for batch in row.get("speeds", {})))
    defaults = {row["precision"]: row.get("speeds", {}) for row in found if row["variant"] == "defaults"}
    lines = ["", "alphabar on the CIFAR-10 U-Net, image-steps a second; in brackets over that of the defaults.", ""]
    lines += [f"| precision | options | {' | '.join(f'batch {batch}' for batch in batches)} |"]
    lines += ["|---|---|" + "---|" * len(batches)]
    for row in found:
        usual, speeds = defaults.get(row["precision"], {}), row.get("speeds", {})
        both = [(speeds.get(batch), usual.get(batch)) for batch in batches]
        cells = [f"{number(speed)} ({ratio(speed, default)})" for speed, default in both]
        lines.append(f"| {row['precision']} | {row['variant']} | {' | '.join(cells)} |")
    return lines if found else []


def bulk(rows):
    lines = []
    for row in rows.values():
        if row["kind"] == "bulk" and "samples_per_second" in row:
            lines += ["", f"{row['samples']} digits of {row['steps']} steps in batches of {row['batch']}: "
                      f"{row['samples_per_second']:.0f} a second, {row['sampling_seconds']:.1f} s and "
                      f"{row['wall_seconds'] - row['sampling_seconds']:.1f} s of starting and ending; "]  # fmt: skip
            if "utilisation_median" in row:
                median, low = row["utilisation_median"], row["utilisation_p5"]
                lines[-1] += f"the GPU busy {median:.0f} % (median), {low:.0f} % (5th percentile)."
            else:
                lines[-1] += f"{row.get('note')}."
    return lines


def compact(value):
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list):
        return "[" + ", ".join(map(compact, value)) + "]"
    if isinstance(value, dict):
        return ", ".join(f"{key} {compact(part)}" for key, part in value.items())
    return str(value)
