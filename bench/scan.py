"""Measures scanning: a day of 240,000 calls, words, patterns, and how the cost grows; peers in the same run.

    python bench/scan.py                      the whole day
    python bench/scan.py --quick --json FILE  a tenth of it, and flat figures as JSON
    python bench/scan.py --growth --plot FILE.svg --json FILE

What `qc` does is timed as its user meets it: the whole process, from the transcripts table to the findings table, memory
summed over its processes. Peers that are libraries run in this process over a sample of the same turns, and `qc`'s own
matching beside them over the same sample. Peers that are not installed are left out (`pip install -e '.[bench]'`).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import day
import numpy as np
import pyarrow as pa

from qc.packs.conditions import Term
from qc.scan import compiled
from qc.scan.columns import NAMES, Columns
from qc.scan.finding import Finder
from qc.scan.reading import lean
from qc.store import Store

SAMPLE_CALLS = 2_000
_ADOPT = 36  # PR_SET_CHILD_SUBREAPER
CORE_SECONDS: list[float] = []
"""Of each command that was timed, in order."""


class Memory:
    """The most memory that a process and its children held together, summed over them, sampled ten times a second."""

    def __init__(self, pid: int) -> None:
        self.pid, self.peak_mb = pid, 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            self.peak_mb = max(self.peak_mb, sum(_resident(pid) for pid in _family(self.pid)) / 1e6)

    def stop(self) -> float:
        self._over.set()
        self._thread.join()
        return self.peak_mb


def _family(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found.extend(int(child) for child in task.read_text().split())
            except OSError:
                continue
    return found


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


def timed(command: list[str], out: Path | None = None, *, watched: bool = True) -> tuple[float, float]:
    """Seconds and peak MB of a whole process; seconds of all its cores go to `CORE_SECONDS`.

    Watching the memory takes a twentieth of a core, which a program on every core would lack and one on a single core would
    not: where only the time counts nobody watches, and the peak is 0.

    Modules are kept compiled, as those of an installed package are. Processes that outlive the one that was started (those
    that fork others) become children of this one, so that their seconds count too.
    """
    import ctypes

    ctypes.CDLL(None).prctl(_ADOPT, 1, 0, 0, 0)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    os.sync()  # what one program left to be written is not waited for by the next
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    with open(out or os.devnull, "wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=subprocess.PIPE, env=environment)
        memory = Memory(process.pid) if watched else None
        _, said = process.communicate()
    seconds = time.perf_counter() - start
    peak = memory.stop() if memory else 0.0
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    CORE_SECONDS.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    if process.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{said.decode()[-2000:]}")
    return seconds, peak


def warm(files: Iterable[Path]) -> None:
    """Read the files once: whoever is timed next finds them in memory, be the machine one that forgets what was read a moment ago."""
    for file in files:
        with open(file, "rb") as source:
            while source.read(1 << 24):
                pass


def qc_scan(
    folder: Path, pack: Path, *more: str, fresh: bool = True, watched: bool = True
) -> tuple[float, float, dict[str, Any]]:
    """`qc scan` over a store with the folder's transcripts and no findings: seconds, peak MB, what it printed."""
    target = folder / "scanned"
    if fresh:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        (target / "transcripts").symlink_to((folder / "store" / "transcripts").resolve())
    warm((target / "transcripts").iterdir())
    said = folder / "said.json"
    command = [sys.executable, "-m", "qc", "scan", "--rules", str(pack), "--store", str(target), "--json", *more]
    seconds, peak = timed(command, said, watched=watched)
    return seconds, peak, json.loads(said.read_text())


# -- one process, one core: matching alone --------------------------------------------------------------------------


def sample(folder: Path, calls: int) -> Columns:
    """Some calls as columns."""
    store = Store(folder / "store")
    tables = []
    for batch in store.batches("transcripts", NAMES, rows=calls):
        tables.append(batch)
        if sum(t.num_rows for t in tables) >= calls:
            break
    return Columns(pa.concat_tables(tables).slice(0, calls))


def best(run: Callable[[], Any], times: int = 3) -> float:
    """The shortest of so many runs, in seconds of this process's own time: other work on the machine does not count."""
    found = []
    for _ in range(times):
        start = time.process_time()
        run()
        found.append(time.process_time() - start)
    return min(found)


def match(columns: Columns, terms: list[Term]) -> Callable[[], Any]:
    """Matching over the normal form, as scanning does it and as the peers are given it."""
    finder, folded = Finder(terms), columns.folded
    finder.find(folded)
    return lambda: finder.find(folded)


def words_beside_peers(columns: Columns, listed: list[str], times: int) -> dict[str, float]:
    """How many times as fast as each peer `qc` finds the words; all of them over the normal form of the same turns."""
    forms = [columns.folded.text(i) for i in range(len(columns.turn_call))]
    text = "\n".join(forms)
    own = best(match(columns, [Term("word", word) for word in listed]), times)
    found: dict[str, float] = {"words_mb_per_second": len(text.encode()) / 1e6 / own}
    pattern = re.compile("|".join(map(re.escape, sorted(listed, key=len, reverse=True))))
    found["ratio_re_words"] = best(lambda: [m.span() for m in pattern.finditer(text)], times) / own
    try:
        import ahocorasick
    except ImportError:
        pass
    else:
        automaton = ahocorasick.Automaton()
        for word in listed:
            automaton.add_word(word, word)
        automaton.make_automaton()
        found["ratio_pyahocorasick"] = best(lambda: list(automaton.iter(text)), times) / own
    try:
        from flashtext import KeywordProcessor
    except ImportError:
        pass
    else:
        keywords = KeywordProcessor()
        keywords.non_word_boundaries = set()
        keywords.add_keywords_from_list(listed)
        found["ratio_flashtext"] = best(lambda: keywords.extract_keywords(text, span_info=True), 1) / own
    return found


def patterns_beside_peers(columns: Columns, listed: list[str], times: int) -> dict[str, float]:
    """How many times as fast `qc` finds the patterns as each alone, one after the other; all over the same normal form."""
    import re2

    text = "\n".join(columns.folded.text(i) for i in range(len(columns.turn_call)))
    data = text.encode()
    own = best(match(columns, [Term("pattern", p) for p in listed]), times)
    slow = [re.compile(p) for p in listed]
    linear = [re2.compile(p) for p in listed]
    one = best(lambda: [[m.span() for m in p.finditer(text)] for p in slow], 1)
    two = best(lambda: [[m.span() for m in p.finditer(data)] for p in linear], 1)
    return {
        "patterns_mb_per_second": len(data) / 1e6 / own,
        "ratio_re_patterns": one / own,
        "ratio_re2_patterns": two / own,
    }


# -- the day --------------------------------------------------------------------------------------------------------


def day_figures(folder: Path, calls: int, times: int, parts: set[str]) -> dict[str, Any]:
    """Every figure of one size, or those of some parts."""
    day.write_day(folder, calls)
    listed = day.words(1_000)
    figures: dict[str, Any] = {"calls": calls}
    if "day" in parts:
        figures |= whole_day(folder, calls, times)
    if "words" in parts:
        figures |= words_alone(folder, listed, times)
    if "matching" in parts:
        figures["read_seconds"] = best(lambda: _read_all(folder), 1)
        columns = sample(folder, min(calls, SAMPLE_CALLS))
        figures |= words_beside_peers(columns, listed, times)
        figures |= patterns_beside_peers(columns, day.patterns(), times)
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in figures.items()}


def whole_day(folder: Path, calls: int, times: int) -> dict[str, Any]:
    """The day's pack, from the table of transcripts to that of findings."""
    pack = day.day_pack(folder)
    text_mb = (folder / "turns.txt").stat().st_size / 1e6
    seconds, peak, said = min((qc_scan(folder, pack) for _ in range(times)), key=lambda run: run[0])
    cores = min(CORE_SECONDS[-times:])
    rows = Store(folder / "scanned").read("findings", ["hits", "undecided"])
    return {
        "calls": said["calls"],
        "text_mb": round(text_mb, 1),
        "rules": said["packs"][0]["rules"],
        "hits": sum(said["hits"].values()),
        "undecided": said["undecided"],
        "findings_rows": rows.num_rows,
        "seconds": seconds,
        "peak_rss_mb": peak,
        "day_seconds": seconds * day.CALLS_A_DAY / calls,
        "core_seconds": cores,
        "day_core_seconds": cores * day.CALLS_A_DAY / calls,
    }


def words_alone(folder: Path, listed: list[str], times: int) -> dict[str, float]:
    """The words' pack and ripgrep over the turns as a text file, by turns."""
    words_pack = day.words_pack(folder)
    (folder / "words.txt").write_text("\n".join(listed) + "\n", encoding="utf-8")
    grep = [shutil.which("rg") or "", "-F", "-n", "-f", str(folder / "words.txt"), str(folder / "turns.txt")]
    ours, theirs, our_cores, their_cores = [], [], [], []
    for _ in range(times):
        ours.append(qc_scan(folder, words_pack, watched=False)[0])
        our_cores.append(CORE_SECONDS[-1])
        if grep[0]:
            warm([folder / "turns.txt"])
            theirs.append(timed(grep, folder / "lines.txt", watched=False)[0])
            their_cores.append(CORE_SECONDS[-1])
    figures = {"words_seconds": min(ours), "words_core_seconds": min(our_cores)}
    if theirs:
        figures["ripgrep_seconds"] = min(theirs)
        figures["ripgrep_core_seconds"] = min(their_cores)
        figures["ratio_ripgrep"] = min(ours) / min(theirs)
        figures["ratio_ripgrep_cores"] = min(our_cores) / min(their_cores)
    return figures


def _read_all(folder: Path) -> None:
    """What reading the table alone costs one core: the least that any scan of it takes."""
    store = Store(folder / "store")
    for share in store.shares("transcripts"):
        for _ in store.share_batches("transcripts", share, NAMES, lean=lean(())):
            pass


# -- growth ---------------------------------------------------------------------------------------------------------


def growth(folder: Path, calls: int, sizes: dict[str, list[int]]) -> dict[str, list[dict[str, float]]]:
    """Seconds and memory as rules, words and calls become more; and where asked a rescan after one rule changed."""
    day.write_day(folder, calls)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in sizes}
    for count in sizes.get("rules", ()):
        whens = day.word_rules(day.words(max(count, 100)), 1)[:count]
        seconds, peak, _ = qc_scan(folder, day.pack(folder, f"rules-{count}", whens))
        found["rules"].append({"size": count, "seconds": seconds, "core_seconds": CORE_SECONDS[-1], "peak_rss_mb": peak})
    for count in sizes.get("words", ()):
        whens = day.word_rules(day.words(count), max(25, count // 40))
        seconds, peak, _ = qc_scan(folder, day.pack(folder, f"words-{count}", whens))
        found["words"].append({"size": count, "seconds": seconds, "core_seconds": CORE_SECONDS[-1], "peak_rss_mb": peak})
    pack = day.day_pack(folder)
    for count in sizes.get("calls", ()):
        part = folder / f"calls-{count}"
        part.mkdir(exist_ok=True)
        day.write_day(part, count)
        seconds, peak, _ = qc_scan(part, pack)
        found["calls"].append({"size": count, "seconds": seconds, "core_seconds": CORE_SECONDS[-1], "peak_rss_mb": peak})
    if "rescan" in sizes:
        found["rescan"] = [rescan(folder, pack)]
    return found


def rescan(folder: Path, pack: Path) -> dict[str, float]:
    """A scan, one rule changed, a scan again."""
    first, _, _ = qc_scan(folder, pack)
    first_cores = CORE_SECONDS[-1]
    file = pack / "rules-00000.yaml"
    lines = file.read_text(encoding="utf-8").splitlines()
    rule = json.loads(lines[0][2:])
    rule["when"]["says"] = rule["when"]["says"][:-1]
    file.write_text("\n".join(["- " + json.dumps(rule, ensure_ascii=False), *lines[1:]]), encoding="utf-8")
    again, _, said = qc_scan(folder, pack, fresh=False)
    file.write_text("\n".join(lines), encoding="utf-8")
    counts = {"evaluated": said["evaluated"], "reused": said["reused"]}
    cores = {"first_core_seconds": first_cores, "again_core_seconds": CORE_SECONDS[-1]}
    return {"first_seconds": first, "again_seconds": again} | cores | counts


def hostile(folder: Path) -> dict[str, dict[str, float]]:
    """Seconds and memory of a turn of 10 MB, of a million turns in one call, and of a pack of 100,000 words, all with the day's pack
    but the last."""
    pack = day.day_pack(folder)
    sentences = day.pool(1).text.to_pylist()
    long = "".join(sentences)
    long = (long * (10_000_000 // len(long.encode()) + 1)).encode()[:10_000_000].decode(errors="ignore")
    found = {}
    for name, texts in (("turn_of_10_mb", [long]), ("million_turns", [sentences[i % len(sentences)] for i in range(1_000_000)])):
        target = folder / name
        shutil.rmtree(target, ignore_errors=True)
        turns = [
            {
                "turn": i,
                "role": ("agent", "customer")[i % 2],
                "channel": i % 2,
                "start_ms": 3_000 * i,
                "end_ms": 3_000 * i + 2_500,
                "text": text,
            }
            for i, text in enumerate(texts)
        ]
        spans = [{k: t[k] for k in ("role", "channel", "start_ms", "end_ms")} | {"heard": True} for t in turns]
        row = {"call_id": name, "status": "ok", "warnings": [], "duration_ms": 3_000 * len(texts), "turns": turns, "spans": spans}
        Store(target / "store").append("transcripts", [row])
        seconds, peak, said = qc_scan(target, pack)
        found[name] = {"seconds": seconds, "peak_rss_mb": peak, "failed": said["failed"]}
    listed = day.words(100_000)
    target = folder / "many_words"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    day.write_day(target, 100)
    seconds, peak, _ = qc_scan(target, day.pack(folder, "words-100000", day.word_rules(listed, 2_500)))
    found["words_100000"] = {"seconds": seconds, "peak_rss_mb": peak}
    return found


def plot(found: dict[str, list[dict[str, float]]], file: Path) -> None:
    """Core seconds over size, one line a kind of growth, both axes logarithmic: other work on the machine hardly changes them."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.rcParams.update({"svg.hashsalt": "qc", "font.size": 9})
    figure, axes = pyplot.subplots(1, 3, figsize=(9, 3), sharey=False)
    for axis, name in zip(axes, ("rules", "words", "calls"), strict=True):
        sizes, seconds = [r["size"] for r in found[name]], [r["core_seconds"] for r in found[name]]
        axis.loglog(sizes, seconds, marker="o", color="#1f6feb")
        for size, value in zip(sizes, seconds, strict=True):
            axis.annotate(f"{value:.1f}", (size, value), textcoords="offset points", xytext=(0, 5), ha="center", fontsize=7)
        axis.set_xlabel(name)
        axis.set_ylabel("core seconds")
        axis.grid(True, which="both", alpha=0.2)
        axis.margins(0.15)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the day")
    parser.add_argument("--calls", type=int, default=day.CALLS_A_DAY, help="how many calls (a day has 240,000)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--work", type=Path, default=Path(".cache/bench"), help="where the made calls are kept")
    parser.add_argument("--times", type=int, default=2, help="runs of each; the shortest counts")
    every = ("day", "words", "matching")
    parser.add_argument("--parts", nargs="*", choices=every, default=every, help="these figures alone")
    parser.add_argument("--growth", action="store_true", help="measure growth instead")
    parser.add_argument("--hostile", action="store_true", help="measure what strangers may send instead")
    parser.add_argument("--only", nargs="*", choices=("rules", "words", "calls", "rescan"), help="with --growth: these alone")
    parser.add_argument("--plot", type=Path, help="with --growth: an .svg or .png")
    parser.add_argument("--most-calls", type=int, default=day.CALLS_A_DAY, help="with --growth: the most calls")
    parser.add_argument("--profile", type=Path, help="write where one process spends its time over the sample, as text")
    options = parser.parse_args()
    calls = day.CALLS_A_DAY // 10 if options.quick else options.calls
    folder = options.work / f"day-{calls}"
    folder.mkdir(parents=True, exist_ok=True)
    np.seterr(all="raise")
    compiled.use(True)  # as in every scan of a day
    figures: dict[str, Any]
    if options.profile:
        day.write_day(folder, calls)
        options.profile.write_text(profile(folder, day.day_pack(folder)), encoding="utf-8")
        return
    if options.hostile:
        figures = hostile(folder)
    elif options.growth:
        sizes = {
            "rules": [10, 100, 1_000, 10_000],
            "words": [100, 1_000, 10_000, 100_000],
            "calls": [n for n in (1_000, 5_000, 24_000, 240_000) if n <= options.most_calls],
            "rescan": [1],
        }
        figures = growth(folder, calls, {name: sizes[name] for name in options.only or sizes})
        if options.json and options.json.exists():  # what was measured before, in another run
            figures = json.loads(options.json.read_text()) | figures
        if options.plot and {"rules", "words", "calls"} <= set(figures):
            plot(figures, options.plot)
    else:
        figures = day_figures(folder, calls, options.times, set(options.parts))
    text = json.dumps(figures, indent=2)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")
    print(text)


def profile(folder: Path, pack: Path) -> str:
    """Where the time of one process goes, over the first calls."""
    import cProfile
    import io
    import pstats

    from qc.packs.trust import trust_local
    from qc.progress import Silent
    from qc.scan import ScanOptions, scan

    target = folder / "profiled"
    shutil.rmtree(target, ignore_errors=True)
    columns = sample(folder, SAMPLE_CALLS)
    store = Store(target)
    store.append("transcripts", columns.table)
    trusted = trust_local(pack)
    watch = cProfile.Profile()
    watch.enable()
    scan(store, [trusted], ScanOptions(redo=True), Silent())
    watch.disable()
    out = io.StringIO()
    stats = pstats.Stats(watch, stream=out)
    stats.sort_stats("tottime").print_stats(45)
    stats.sort_stats("cumulative").print_stats(60)
    return out.getvalue()


if __name__ == "__main__":
    main()
