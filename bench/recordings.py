"""Other people's recordings: what is decoded and what refused, how long it is, and whether speech is found where it is.

    python bench/recordings.py --data FOLDER [--json FILE] [--show]

FOLDER holds collections (`audio_zh`, `audio_en`, `audio_telephone`, `audio_nospeech`, `audio_malformed`), `AUDIO.tsv` with the
duration that ffprobe gives each file, `MALFORMED.tsv`, and label files beside some recordings (RTTM, segments, silero-like JSON).
They are not part of this project. For each collection: files, decoded, refused by reason, seconds, how far the duration is from
ffprobe's, the share that is speech; for labelled recordings how much of the labelled speech is found, and how much of what
is found is labelled.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
COLLECTIONS = ("audio_zh", "audio_en", "audio_telephone", "audio_nospeech", "audio_malformed")
FRAME_MS = 10


@dataclass(frozen=True)
class Look:
    """A file as the stage takes it. `reason`: why it was refused; `listed_ms`: ffprobe's duration, None where it gives none."""

    name: str
    reason: str | None
    duration_ms: int
    listed_ms: int | None
    channels: int
    speech_ms: int
    windows: int
    packed: int
    warnings: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Labelled:
    """A recording with labels. `recall`: share of labelled speech inside what the recogniser hears; `precision`: the other way round.

    `by`: `people`, or `detector` where the labels are another detector's.
    """

    name: str
    by: str
    labelled_s: float
    recall: float
    precision: float


def files(folder: Path) -> list[Path]:
    """What the stage would take for recordings there, by content or name."""
    from qc.audio.find import Finding, find_recordings

    return [one.path for one in find_recordings(folder, Finding())]


@cache
def _listed(data: Path) -> dict[str, int]:
    with open(data / "AUDIO.tsv", encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {r["file"]: round(float(r["duration_s"]) * 1000) for r in rows if r["duration_s"] not in ("", "N/A", None)}


@cache
def look(path: Path, data: Path) -> Look:
    """Decode a file, find its speech and pack it, as the stage does before an engine hears it."""
    from qc.errors import CallError
    from qc.transcribe.options import TranscribeOptions
    from qc.transcribe.packing import pack
    from qc.transcribe.prepare import prepare

    name = path.relative_to(data).as_posix()
    call = {"call_id": name, "path": str(path), "file": name, "sha256": None}
    listed = _listed(data).get(name)
    try:
        ready = prepare(call, TranscribeOptions(voices=False), 28_000, lambda key: None)
    except CallError as error:
        return Look(name, error.code, 0, listed, 0, 0, 0, 0, (), ())
    heard = tuple((c.span.hear_from_ms, c.span.hear_to_ms) for c in ready.cuts)
    speech = sum(c.span.end_ms - c.span.start_ms for c in ready.cuts)
    packs = len(pack(ready.windows))
    return Look(name, None, ready.duration_ms, listed, ready.channels, speech, len(ready.windows), packs, ready.warnings, heard)


# -- labels ---------------------------------------------------------------------------------------------------------

_SPEECH = ("speech", "speaker")


def _rttm(path: Path) -> list[tuple[float, float]]:
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("SPEAKER")]
    return [(float(r[3]), float(r[3]) + float(r[4])) for r in rows]


def _segments(path: Path) -> list[tuple[float, float]]:
    rows = [line.replace(",", "\t").split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [(float(r[0]), float(r[1])) for r in rows if r[2].lower().startswith(_SPEECH)]


def _examples(path: Path) -> list[tuple[float, float]]:
    """Pieces of one recording, each with the seconds at which speech begins and ends within it."""
    found = []
    for one in json.loads(path.read_text(encoding="utf-8")).values():
        at = one["wav"]["start"] / 16_000
        edges = [float(v) + at for v in one["speech"].split()]
        found += list(zip(edges[::2], edges[1::2], strict=True))
    return found


def _labels(data: Path) -> Iterator[tuple[Path, list[tuple[float, float]]]]:
    """Recordings with the seconds that are labelled as speech."""
    folder = data / "audio_nospeech"
    yield folder / "pyannote-audio/sample.wav", _rttm(folder / "pyannote-audio/sample.rttm")
    yield folder / "pyannote-audio/tst00.wav", _rttm(folder / "pyannote-audio/debug.test.rttm")
    for name in ("count", "count2", "diarizationExample", "diarizationExample2"):
        yield folder / f"pyaudioanalysis/{name}.wav", _segments(folder / f"pyaudioanalysis/{name}.segments")
    for name, labels in (("train", "VAD_train"), ("valid", "VAD_dev")):
        yield folder / f"speechbrain_vad/{name}.wav", _examples(folder / f"speechbrain_vad/{labels}.json")
    yield data / "audio_zh/sensevoice/sample.wav", [(0.77, 5.98)]


def _frames(spans: Sequence[tuple[float, float]], count: int) -> np.ndarray:
    inside = np.zeros(count, bool)
    for start, end in spans:
        inside[max(0, round(start / FRAME_MS)) : round(end / FRAME_MS)] = True
    return inside


def labelled(data: Path) -> list[Labelled]:
    """How well speech is found where somebody has labelled it."""
    found = []
    for path, seconds in _labels(data):
        if not path.is_file():
            continue
        one = look(path, data)
        count = one.duration_ms // FRAME_MS
        true = _frames([(a * 1000, b * 1000) for a, b in seconds], count)
        mine = _frames(one.spans, count)
        both = int((true & mine).sum())
        recall, precision = both / max(1, int(true.sum())), both / max(1, int(mine.sum()))
        by = "detector" if "sensevoice" in one.name else "people"
        found.append(Labelled(one.name, by, round(int(true.sum()) * FRAME_MS / 1000, 1), round(recall, 3), round(precision, 3)))
    return found


def collection(data: Path, name: str) -> dict[str, Any]:
    """The figures of one collection."""
    looks = [look(path, data) for path in files(data / name)]
    fine = [one for one in looks if one.reason is None]
    off = [abs(one.duration_ms - one.listed_ms) for one in fine if one.listed_ms]
    hours = sum(one.duration_ms * one.channels for one in fine)
    return {
        "files": len(looks),
        "decoded": len(fine),
        "refused": dict(sorted(Counter(one.reason for one in looks if one.reason).items())),
        "warned": dict(sorted(Counter(w.partition(":")[0] for one in fine for w in one.warnings if w != "mono").items())),
        "seconds": round(sum(one.duration_ms for one in fine) / 1000, 1),
        "duration_off_ms_p50": float(np.median(off)) if off else None,
        "duration_off_ms_max": max(off, default=None),
        "speech_share": round(sum(one.speech_ms for one in fine) / max(1, hours), 3),
        "windows": sum(one.windows for one in fine),
        "packed": sum(one.packed for one in fine),
        "without_speech": sorted(one.name for one in fine if not one.speech_ms),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--show", action="store_true", help="every file that is refused, or whose duration is off")
    chosen = parser.parse_args()
    value: dict[str, Any] = {name: collection(chosen.data, name) for name in COLLECTIONS}
    value["labelled"] = [vars(one) for one in labelled(chosen.data)]
    print(json.dumps(value, ensure_ascii=False, indent=1))
    if chosen.show:
        for name in COLLECTIONS:
            for one in (look(path, chosen.data) for path in files(chosen.data / name)):
                off = one.duration_ms - one.listed_ms if one.listed_ms and one.reason is None else 0
                if one.reason or abs(off) > 100:
                    print(f"{one.name}: {one.reason or f'{off:+} ms'} {' '.join(one.warnings)}")
    if chosen.json:
        chosen.json.write_text(json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
