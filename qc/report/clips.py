"""Evidence clips: the seconds around each piece of evidence, cut out of the recording, so that a report goes out without it.

With personal data masked in the text, the same words are drowned out by a tone here: where the recogniser gave the time of each
character, those characters and a margin; where it did not, the whole turn. A number that it misheard is not known to be one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qc.report.excerpt import MOST_EVIDENCE
from qc.report.model import Call, Clip
from qc.report.timeline import Stretch, merge
from qc.text.redact import redact_turns

if TYPE_CHECKING:
    import numpy as np

AROUND_MS = 5_000
MOST_MS = 60_000
MOST_CLIPS = 40
"""Clips of a call; findings beyond them have words only."""
RATE_HZ = 16_000
TONE_HZ = 1_000
_MARGIN_MS = 200
_LEVEL = 0.1


def windows(call: Call) -> tuple[Stretch, ...]:
    """Stretches (start, end in ms) of a call to cut out: those around the evidence that pages quote, joined where they overlap."""
    wanted = [
        (max(int(e["start_ms"]) - AROUND_MS, 0), min(int(e["end_ms"]), int(e["start_ms"]) + MOST_MS) + AROUND_MS)
        for f in call.findings
        for e in f.evidence[:MOST_EVIDENCE]
    ]
    return merge(wanted)[:MOST_CLIPS]


def private(turns: Sequence[Mapping[str, Any]]) -> tuple[Stretch, ...]:
    """Stretches (start, end in ms) in which personal data is spoken, by the words of the turns."""
    found: list[Stretch] = []
    for turn, masked in zip(turns, redact_turns(turns), strict=True):
        text = turn["text"] or ""
        if masked == text:
            continue
        times = turn.get("char_ms") or ()
        if len(times) != len(text):
            found.append((int(turn["start_ms"]), int(turn["end_ms"])))
            continue
        ends = [*(int(t) for t in times[1:]), int(turn["end_ms"])]
        found += [(int(times[i]), max(ends[i], int(times[i]))) for i in range(len(text)) if masked[i] != text[i]]
    return merge((max(a - _MARGIN_MS, 0), b + _MARGIN_MS) for a, b in found)


def clip_name(digest: str, stretch: Stretch, muted: Sequence[Stretch]) -> str:
    """A clip's file in the report, made of what is in it: recording, place, what was drowned out."""
    inside = [m for m in muted if m[0] < stretch[1] and m[1] > stretch[0]]
    return f"audio/clip-{hashlib.sha256(f'{digest}|{stretch}|{inside}|{TONE_HZ}'.encode()).hexdigest()[:16]}.mp3"


def cut(source: Path, wanted: Mapping[str, Stretch], muted: Sequence[Stretch], folder: Path) -> list[Clip]:
    """Cut stretches out of a recording in one pass: file name (relative to `folder`) → stretch. What lies past its end is left out.

    Raises AudioError for a recording that cannot be decoded, QcError for a clip that cannot be written.
    """
    from qc.audio.clips import write_clip
    from qc.audio.decode import DecodeOptions, Stream, blocks_of

    made = []
    blocks = blocks_of(source, Stream(), DecodeOptions(rate_hz=RATE_HZ))
    for name, stretch, samples in _pieces(blocks, sorted(wanted.items(), key=lambda w: w[1])):
        _drown(samples, stretch[0], muted)
        write_clip(samples, RATE_HZ, folder / name)
        made.append(Clip(name, stretch[0], stretch[0] + samples.shape[1] * 1000 // RATE_HZ))
    return made


def _pieces(blocks: Iterable[np.ndarray], wanted: Sequence[tuple[str, Stretch]]) -> Iterator[tuple[str, Stretch, np.ndarray]]:
    """(name, stretch, float32 [1 or 2 channels, n_samples]) of stretches that do not overlap, in order of time."""
    import numpy as np

    at, held, place = 0, [], 0
    for block in blocks:
        block = block[:2]
        end = at + block.shape[1]
        while place < len(wanted):
            first, last = (ms * RATE_HZ // 1000 for ms in wanted[place][1])
            if first < end:
                held.append(block[:, max(first - at, 0) : max(last - at, 0)])
            if last > end:
                break
            if held:
                yield *wanted[place], np.concatenate(held, axis=1)
            held, place = [], place + 1
        at = end
        if place == len(wanted):
            return
    if held and sum(h.shape[1] for h in held):
        yield *wanted[place], np.concatenate(held, axis=1)


def _drown(samples: np.ndarray, start_ms: int, muted: Sequence[Stretch]) -> None:
    """Put a tone in place of what is said in these stretches, on every channel."""
    import numpy as np

    for a, b in muted:
        first = max((a - start_ms) * RATE_HZ // 1000, 0)
        last = min((b - start_ms) * RATE_HZ // 1000, samples.shape[1])
        if last > first:
            phase = 2 * np.pi * TONE_HZ * np.arange(last - first) / RATE_HZ
            samples[:, first:last] = (_LEVEL * np.sin(phase)).astype(np.float32)
