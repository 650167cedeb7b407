"""Long call lists: time and memory of building the calls table and of running it, with prepared transcripts.

    python bench/lists.py [--entries 1000,10000,100000] [--json FILE]

Each entry is a recording of its own (a tenth of a second, two channels, G.711) and a line of the list with ten columns.
Each length runs in a process of its own; `memory_mib` is the most that it held, `start_mib` what it holds before it begins.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
HEAD = "call_id,file,agent_id,agent_name,provider,queue,started_at,satisfaction,amount,note\n"


def make(folder: Path, entries: int) -> None:
    """The recordings, the list that names them, and what will be heard in each."""
    import numpy as np

    from tests.audio.sounds import write_wav

    rng = np.random.default_rng(1)
    for first in range(0, entries, 1000):
        (folder / "in" / f"{first // 1000:03}").mkdir(parents=True, exist_ok=True)
    turn = {"channel": 0, "start_ms": 10, "end_ms": 90, "text": "我要退款"}
    (folder / "prepared.jsonl").write_text(
        json.dumps({"call_id": "any", "turns": [turn]}, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    with open(folder / "calls.csv", "w", encoding="utf-8") as listed:
        listed.write(HEAD)
        for n in range(entries):
            name = f"{n // 1000:03}/c{n:06}.wav"
            write_wav(
                folder / "in" / name, np.zeros((2, 800), np.float32), tag=6, data=rng.integers(0, 256, 1600, np.uint8).tobytes()
            )
            listed.write(
                f"c{n:06},{name},A{n % 900:03},坐席{n % 900},云帆客服,售后,2026-11-{n % 28 + 1:02} 10:00,{n % 5 + 1},{n},备注{n}\n"
            )


def held() -> int:
    """The most memory that this process has held, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def one(folder: Path) -> None:
    """Build and run the list of a folder; print the figures."""
    import pyarrow as pa

    from qc.calls import CallOptions, join_calls, save_calls
    from qc.progress import Silent
    from qc.store import Store
    from qc.transcribe.engines import CallKey, EngineRequest
    from qc.transcribe.engines.replay import Replay, open_engine
    from qc.transcribe.options import TranscribeOptions
    from qc.transcribe.run import transcribe
    from qc.transcribe.work import Doors

    class Same(Replay):
        """Says the same in every call, so that what is held is the run's and not the prepared transcripts'."""

        def _of(self, call: CallKey) -> Any:
            return self._turns["call_id:any"]

    def opened(name: str, request: EngineRequest) -> Same:
        engine = open_engine(request)
        engine.__class__ = Same
        assert isinstance(engine, Same)
        return engine

    pa.array([1])  # the library's own memory is there before the list's
    store, start, cpu = Store(folder / "s"), held(), time.process_time()
    joined = join_calls(CallOptions((folder / "in",), calls=folder / "calls.csv"))
    assert not joined.problems
    table = joined.table
    save_calls(store, table)
    built, built_s = held(), time.process_time() - cpu
    cpu = time.process_time()
    done = transcribe(store, TranscribeOptions(model=str(folder / "prepared.jsonl")), Silent(), table, Doors(opened))
    assert done.transcribed == table.num_rows
    value = {"entries": table.num_rows, "start_mib": start, "build_cpu_s": round(built_s, 1), "build_mib": built}
    print(json.dumps(value | {"run_cpu_s": round(time.process_time() - cpu, 1), "memory_mib": held()}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", default="1000,10000,100000")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    found = []
    for entries in map(int, chosen.entries.split(",")):
        with tempfile.TemporaryDirectory() as place:
            make(Path(place), entries)
            code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from pathlib import Path; from bench.lists import one; one(Path({place!r}))"
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            found.append(json.loads(done.stdout.splitlines()[-1]))
            print(found[-1], flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
