#!/usr/bin/env python3
"""Makes the changes of changes.json to the theory, all in one build, and asks the claims about each.

    tests/mutants/run.py                    # run all, compare with what is stored
    tests/mutants/run.py --write            # and store what rejected each
    tests/mutants/run.py --only REGEX       # those whose file, function or text matches
    tests/mutants/run.py --find             # only say where each change is now, and whose code is gone
    tests/mutants/run.py --offer REGEX      # changes that functions by such a name could have, as lines for changes.json
    tests/mutants/run.py --alone            # each in a build of its own

A change is found by its content: the function's name and the text changed in it, in whatever file and however wrapped.
Nothing in the working tree is touched: a copy under target/mutants gets every changed function with all its changed
bodies, of which the environment variable ALPHABAR_CHANGE picks one. What does not compile in that form is built alone.
Exit 1 if a change is gone, or rejected by less than before.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CHANGES = HERE / "changes.json"
COPY = ROOT / "target/mutants/tree"
BUILD = ROOT / "target/mutants/build"

# Cases a claim, and seconds of processor time for all claims together (they take about 3).
CASES, SECONDS = 8, 30
FEATURES = ["--no-default-features", "--features", "verify,proptest"]
# The test binary that runs every claim, and those asked where no claim rejects, with the filters they get (all if none).
CLAIMS = "claims_by_name"
TESTS = {"claims": [], "tables": []}

# From most to least.
OUTCOMES = ["claim", "test", "nothing", "too slow", "does not compile"]

# For --offer: what is found, and what may take its place.
SWAPS = [
    (r"(?<= )\+(?= )", ["-", "*"]),
    (r"(?<= )-(?= )", ["+", "/"]),
    (r"(?<= )\*(?= )", ["+", "/"]),
    (r"(?<= )/(?= )", ["%", "*"]),
    (r"(?<= )&&(?= )", ["||"]),
    (r"(?<= )\|\|(?= )", ["&&"]),
    (r"(?<= )==(?= )", ["!="]),
    (r"(?<= )!=(?= )", ["=="]),
    (r"(?<= )<(?= )", ["==", "<="]),
    (r"(?<= )>(?= )", ["==", ">="]),
    (r"(?<=[ (])[-!](?=[\w(])", [""]),
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

SWITCH = """
/// Which change is made: written by tests/mutants/run.py.
#[doc(hidden)]
#[allow(missing_docs)]
pub mod changed {
    pub fn on(change: usize) -> bool {
        static CHOSEN: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
        *CHOSEN.get_or_init(|| std::env::var("ALPHABAR_CHANGE").map_or(0, |it| it.parse().unwrap_or(0))) == change
    }
}
"""

# A comment, text, a character, a lifetime, a number, a word, or one sign.
TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)|b?r(?P<hash>\#*)".*?"(?P=hash)|b?"(?:\\.|[^"\\])*"|b?'(?:\\[^u]|\\u\{.*?\}|[^\\'])'"""
    r"""|'\w+|\d[\d_]*(?:\.\d[\d_]*)?(?:e[+-]?\d+)?\w*|\w+|\S""",
    re.S,
)


class Token(str):
    """A token's text, with where it lies."""

    def __new__(cls, hit):
        token = super().__new__(cls, hit[0])
        token.start, token.end = hit.span()
        return token


def tokens(text):
    return [Token(hit) for hit in TOKEN.finditer(text) if not hit["comment"]]


class Function:
    """A function's path (`Kernel::log_density`), where its body lies, and the body's tokens."""

    def __init__(self, file, path, constant, body):
        self.file, self.path, self.constant, self.body = file, path, constant, body
        self.start, self.end = body[0].end, body[-1].start
        self.inner = body[1:-1]


def closing(found, opening):
    """The index of the brace that closes the one at this index."""
    depth = 0
    for i in range(opening, len(found)):
        depth += {"{": 1, "}": -1}.get(found[i], 0)
        if depth == 0:
            return i
    raise ValueError("a brace that nothing closes")


def scope_name(head):
    """The type's name in what stands between `impl` (or `trait`, `mod`) and its brace."""
    if "where" in head:
        head = head[: head.index("where")]
    depth, top = 0, []
    for before, token in zip(["", *head], head):
        depth += {"<": 1, ">": -1}.get(token, 0) if (before, token) != ("-", ">") else 0
        if depth == 0 and token not in "<>":
            top.append(token)
    if "for" in top:
        top = top[top.index("for") + 1 :]
    words = [token for token in top if re.match(r"[A-Za-z_]", token) and token not in ("dyn", "mut")]
    return words[-1] if words else "?"


def functions(file, text):
    """The functions with a body in a file, but for those of unit tests."""
    found, out = tokens(text), []

    def walk(start, end, scopes):
        i = start
        while i < end:
            token = found[i]
            if token in ("impl", "trait", "mod") and i + 1 < end:
                opening = next((j for j in range(i, end) if found[j] in ("{", ";")), end)
                if opening < end and found[opening] == "{":
                    close, name = closing(found, opening), scope_name(found[i + 1 : opening])
                    if name != "tests":
                        walk(opening + 1, close, scopes if token == "mod" else [*scopes, name])
                    i = close
            elif token == "fn" and i + 1 < end and re.match(r"[A-Za-z_]", found[i + 1]):
                depth, opening = 0, end
                for j in range(i + 1, end):
                    depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(found[j], 0)
                    if depth == 0 and found[j] in ("{", ";"):
                        opening = j
                        break
                if opening < end and found[opening] == "{":
                    close, path = closing(found, opening), [*scopes, found[i + 1]]
                    constant = next((t for t in found[max(0, i - 2) : i] if t == "const"), None)
                    out.append(Function(file, "::".join(path), constant, found[opening : close + 1]))
                    walk(opening + 1, close, path)
                    i = close
            i += 1

    walk(0, len(found), [])
    return out


def places(haystack, needle):
    return [i for i in range(len(haystack) - len(needle) + 1) if haystack[i : i + len(needle)] == needle]


def split(was, now):
    """Where two lists of tokens differ: the length of their common beginning and of their common end."""
    first = next((i for i, (a, b) in enumerate(zip(was, now)) if a != b), min(len(was), len(now)))
    last = next(
        (i for i, (a, b) in enumerate(zip(was[::-1], now[::-1])) if a != b or i >= min(len(was), len(now)) - first),
        min(len(was), len(now)) - first,
    )
    return first, last


def changed_body(function, text, change):
    """The body with the change made, and whether the whole of the stored text was found; None where it is gone."""
    if "body" in change:
        return change["body"], True
    was, now = tokens(change["was"]), tokens(change["now"])
    first, last = split(was, now)
    length = len(was) - first - last
    new = now[first : len(now) - last]
    inserted = change["now"][new[0].start : new[-1].end] if new else ""
    # The whole text, or the largest part about the changed place that is found once, of at least three tokens a side.
    for reach in range(max(first, last), 2, -1):
        begin, end = max(0, first - reach), min(len(was), first + length + reach)
        hits = places(function.inner, was[begin:end])
        if len(hits) == 1:
            at = hits[0] + first - begin
            # What is only inserted (`>` to `>=`) goes right behind the token before it.
            before = function.inner[at - 1].end if at else function.start
            start, stop = (function.inner[at].start, function.inner[at + length - 1].end) if length else (before, before)
            whole = (begin, end) == (0, len(was))
            return text[function.start : start] + inserted + text[stop : function.end], whole
        if hits:
            return None
    return None


def find(change, everything, texts):
    """Where a change is now: the function, the changed body, and a remark where it moved."""
    name = change["function"].rsplit("::", 1)[-1]
    ranks = [
        lambda f: f.path == change["function"] and f.file == change["file"],
        lambda f: f.path == change["function"],
        lambda f: f.path.rsplit("::", 1)[-1] == name,
    ]
    if "was" in change:
        ranks.append(lambda f: True)
    for rank in ranks:
        hits = [(f, changed_body(f, texts[f.file], change)) for f in everything if rank(f)]
        hits = [(f, *hit) for f, hit in hits if hit is not None]
        # A function within a function is in both: the innermost counts.
        hits = [a for a in hits if not any(b[0] is not a[0] and a[0].file == b[0].file and a[0].start <= b[0].start and b[0].end <= a[0].end for b in hits)]
        if len(hits) == 1:
            function, body, whole = hits[0]
            remark = "" if (function.file, function.path) == (change["file"], change["function"]) else "moved"
            return function, body, remark if whole else f"{remark} found by part of its text".strip()
        if hits:
            return None
    return None


def sources(root):
    names = sorted((root / "src").rglob("*.rs"))
    texts = {str(name.relative_to(root)): name.read_text() for name in names}
    return texts, [function for name, text in texts.items() for function in functions(name, text)]


def label(change):
    what = f"the body: {change['body']}" if "body" in change else change["now"].strip()
    return f"{change['file']} {change['function']}: {what}"


def written(texts, found, chosen):
    """All sources with the chosen changes in them, and where each change lies."""
    out, spans = {}, {}
    for file, text in texts.items():
        here = {}
        for number in chosen:
            function, body, _ = found[number]
            if function.file == file:
                here.setdefault((function.start, function.end, function.constant), []).append((number, body))
        edits = []
        for (start, end, constant), bodies in here.items():
            branches = "".join(f" if crate::changed::on({number}) {{/*{number}*/{body}/*{number}*/}} else" for number, body in bodies)
            whole = "".join(f"/*all {number}*/" for number, _ in bodies)
            edits.append((start, end, f"{whole}{branches} {{{text[start:end]}}}{whole}"))
            if constant is not None:
                edits.append((constant.start, constant.end, ""))
        for start, end, new in sorted(edits, reverse=True):
            text = text[:start] + new + text[end:]
        if file == "src/lib.rs":
            text += SWITCH
        out[file] = text
        for number in chosen:
            # Where the changed body lies, and the function with all of them; in bytes, as the compiler counts.
            marks = [[hit.start() for hit in re.finditer(re.escape(mark), text)] for mark in (f"/*{number}*/", f"/*all {number}*/")]
            if marks[0]:
                spans[number] = (file, *[[len(text[:mark].encode()) for mark in pair] for pair in marks])
    return out, spans


def place(texts):
    for file, text in texts.items():
        path = COPY / file
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def copy():
    """The tracked files, and those not ignored, in a folder of their own."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, check=True, capture_output=True
    )
    wanted = {name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).exists()}
    for old in COPY.rglob("*"):
        if old.is_file() and str(old.relative_to(COPY)) not in wanted:
            old.unlink()
    for name in wanted - {name for name in wanted if name.endswith(".rs") and name.startswith("src/")}:
        target = COPY / name
        source = ROOT / name
        if not target.exists() or target.stat().st_mtime_ns != source.stat().st_mtime_ns:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def cargo(*arguments):
    done = subprocess.run(
        ["cargo", *arguments, *FEATURES, "--message-format", "json"],
        cwd=COPY,
        env={**os.environ, "CARGO_TARGET_DIR": str(BUILD), "CARGO_INCREMENTAL": "1"},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return done.returncode == 0, messages, done.stderr


def faulty(messages, spans):
    """The changes in which the compiler finds an error, else those of the functions in which it does; and the errors."""
    within, shown = [set(), set()], []
    for message in messages:
        message = message.get("message")
        if not isinstance(message, dict) or message.get("level") != "error" or not message.get("spans"):
            continue
        shown.append(message["rendered"])
        for place in message["spans"]:
            for number, (file, *marks) in spans.items():
                for found, (first, last) in zip(within, marks):
                    if place["file_name"] == file and first <= place["byte_start"] and place["byte_end"] <= last:
                        found.add(number)
    return within[0] or within[1], shown


def tests():
    """Builds the claims and the tests as they lie in the copy: the programs, or None, and what cargo said."""
    fine, messages, errors = cargo("test", "--no-run", *[word for test in (CLAIMS, *TESTS) for word in ("--test", test)])
    programs = {
        message["target"]["name"]: message["executable"]
        for message in messages
        if message.get("executable")
    }
    return programs if fine else None, errors


def build(texts, found, chosen):
    """Builds as many of these changes as compile together: the programs, these changes, and the others."""
    # Functions within changed functions cannot be cut apart.
    bodies = {(f.file, f.start, f.end) for f, _, _ in (found[number] for number in chosen)}
    inside = lambda f: any(file == f.file and start < f.start and f.end < end for file, start, end in bodies)
    alone = [number for number in chosen if inside(found[number][0])]
    while True:
        together = [number for number in chosen if number not in alone]
        changed, spans = written(texts, found, together)
        place(changed)
        fine, messages, errors = cargo("check", "--lib")
        if fine:
            break
        bad, shown = faulty(messages, spans)
        # A function that was `const` may be needed as one elsewhere.
        bad = bad or {number for number in together if found[number][0].constant is not None}
        if not bad:
            sys.exit("the copy does not compile:\n" + ("\n".join(shown[:3]) or errors[-3000:]))
        alone += sorted(bad)
    programs, errors = tests()
    if programs is None:
        sys.exit(f"the copy's tests do not compile:\n{errors[-3000:]}")
    return programs, together, sorted(alone)


def build_alone(texts, found, number):
    """The programs with one change written into its function as it stands; None where it does not compile."""
    function, body, _ = found[number]
    text = texts[function.file]
    place({**texts, function.file: text[: function.start] + body + text[function.end :]})
    return tests()[0]


def limit():
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def passes(program, arguments, number, limited=False, **env):
    """Whether a test program passes (None if it took too long), and what it printed."""
    done = subprocess.run(
        [program, *arguments],
        cwd=COPY,
        env={**os.environ, "ALPHABAR_CHANGE": str(number), **env},
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=limit if limited else None,
    )
    return None if done.returncode < 0 else done.returncode == 0, done.stdout + done.stderr


def verdict(programs, change, number):
    """What rejects a change: the outcome, and a claim's or tests' names."""
    chapter = change["chapter"]
    for only in ({"ALPHABAR_CHAPTER": chapter}, {}):
        passed, words = passes(programs[CLAIMS], [], number, True, ALPHABAR_CASES=str(CASES), **only)
        if passed is None:
            return "too slow", ""
        if not passed:
            return "claim", rejecting(words)
    for test, filters in TESTS.items():
        passed, words = passes(programs[test], [word.format(chapter=chapter) for word in filters], number)
        if not passed:
            return "test", ", ".join(sorted(set(re.findall(r"^test (\S+) \.\.\. FAILED", words, re.M))))
    return "nothing", ""


def rejecting(words):
    """The claim that complains first, or the message of the panic before it."""
    panic = re.search(r"panicked at [^\n]*\n\s*([^\n]+)", words)
    name = re.search(r"^([a-z0-9_]+)(?=: |, row | did not reject )", words, re.M)
    return f"panic: {panic[1]}" if panic else name[1] if name else "panic"


def control(programs, chapters):
    """Without a change everything holds, and every filter picks something."""
    passed, words = passes(programs[CLAIMS], [], 0, True, ALPHABAR_CASES=str(CASES))
    if not passed or " 0 passed" in words:
        sys.exit(f"{CLAIMS} does not hold without a change:\n{words[-3000:]}")
    for test, filters in TESTS.items():
        for chosen in {word.format(chapter=chapter) for word in filters for chapter in chapters} or {""}:
            passed, words = passes(programs[test], [chosen], 0)
            if not passed or " 0 passed" in words:
                sys.exit(f"the tests {chosen!r} of {test} do not hold without a change:\n{words[-3000:]}")


def offer(pattern, everything, texts):
    """Prints changes that functions could have, as lines for changes.json; a file without a change has no chapter."""
    chapters = {change["file"]: change["chapter"] for change in json.loads(CHANGES.read_text())}
    for function in everything:
        if not re.search(pattern, function.path):
            continue
        for line in texts[function.file][function.start : function.end].split("\n"):
            # No comments, attributes, or the making of errors and messages.
            if re.match(r"\s*(//|#)|.*\b(fn|use|Err|Error)\b|.*\b(value|min|max|expected):", line):
                continue
            for swap, replacements in SWAPS:
                for hit in re.finditer(swap, line.split(" // ")[0]):
                    for new in replacements:
                        now = line[: hit.start()] + new + line[hit.end() :]
                        change = {"chapter": chapters.get(function.file, ""), "file": function.file, "function": function.path}
                        change |= {"was": line.strip(), "now": now.strip(), "rejected": "nothing", "by": ""}
                        if changed_body(function, texts[function.file], change):
                            print(json.dumps(change, ensure_ascii=False))


def store(changes):
    CHANGES.write_text("[\n" + ",\n".join(json.dumps(change, ensure_ascii=False) for change in changes) + "\n]\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="REGEX")
    parser.add_argument("--find", action="store_true")
    parser.add_argument("--offer", metavar="REGEX")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    texts, everything = sources(ROOT)
    if arguments.offer:
        return offer(arguments.offer, everything, texts)

    changes = json.loads(CHANGES.read_text())
    found, gone = {}, 0
    for number, change in enumerate(changes, 1):
        if not re.search(arguments.only, label(change)):
            continue
        hit = find(change, everything, texts)
        if hit is None:
            gone += 1
            print(f"gone: {label(change)}")
        else:
            found[number] = hit
            if hit[2]:
                print(f"{hit[2]}: {label(change)}\n    now {hit[0].file} {hit[0].path}")
    print(f"{len(found)} found, {gone} gone", flush=True)
    if arguments.find or not found:
        sys.exit(bool(gone))

    copy()
    programs, together, alone = build(texts, found, [] if arguments.alone else list(found))
    alone = list(found) if arguments.alone else alone
    print(f"{len(together)} in one build, {len(alone)} alone", flush=True)
    control(programs, {changes[number - 1]["chapter"] for number in found})
    less = []

    def note(number, outcome, by):
        change = changes[number - 1]
        before = change["rejected"]
        if OUTCOMES.index(outcome) > OUTCOMES.index(before):
            less.append(number)
        remark = f" (before: {before} {change['by']})" if [outcome, by] != [before, change["by"]] and change["by"] else ""
        print(f"{outcome:9} {label(change)}  [{by}]{remark}", flush=True)
        if arguments.write:
            function, _, where = found[number]
            change |= {"rejected": outcome, "by": by}
            if where == "moved":
                change |= {"file": function.file, "function": function.path}
            store(changes)

    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        futures = {pool.submit(verdict, programs, changes[number - 1], number): number for number in together}
        for future in concurrent.futures.as_completed(futures):
            note(futures[future], *future.result())
    for number in alone:
        programs = build_alone(texts, found, number)
        note(number, *(verdict(programs, changes[number - 1], 0) if programs else ("does not compile", "")))
    for number in less:
        print(f"rejected by less than before: {label(changes[number - 1])}")
    print(f"{len(together) + len(alone)} run, {len(less)} rejected by less than before, {gone} gone")
    sys.exit(bool(less or gone))


if __name__ == "__main__":
    main()
