"""Two voices on one channel: which stretches of speech are the one's and which the other's, without any model to download.

Short windows are described by their spectral envelope (mel-frequency cepstra over the telephone band) and pitch. What differs
from window to window within a stretch is what is being said; what differs beyond that is mostly who says it: the
windows are scaled by the former (within-class covariance normalisation, Hatch, Kajarekar and Stolcke 2006), then split in
two by Ward's clustering (scikit-learn, the extra `mono`) and smoothed along time. A recording of one voice splits too, but
badly: `sureness` tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import pairwise
from typing import TYPE_CHECKING

from qc.audio.levels import frame_dbfs
from qc.progress import beat
from qc.transcribe.windows import Span

if TYPE_CHECKING:
    import numpy as np

VERSION = "ward-1"
"""Of what is done here, stored with the options: roles change when this does."""

_RATE_HZ = 16_000
_FRAME = 400
_HOP = 160
_FFT = 512
_BANDS = 24
_BAND_HZ = (200.0, 3_600.0)
_CEPSTRA = 14
_PITCH_HZ = (75.0, 400.0)
_VOICED = 0.45
_SILENT_DB = -40.0  # energy of a frame's spectrum
_WINDOW_MS = 1_000
_STEP_MS = 250
_SHORTEST_MS = 400
_SIDE_MS = 700  # a stretch is cut where the voice changes only with so much of a voice on each side
_CHANGE_COST = 3.0
_MOST_WINDOWS = 4_000
_FEWEST_WINDOWS = 40
_ONE_VOICE, _TWO_VOICES = 0.10, 0.25  # silhouettes: measured in docs/transcribe.md
_SILHOUETTE_SAMPLE = 1_500
_LEAST_SHARE = 0.08  # of the windows that the rarer voice must have


@dataclass(frozen=True)
class Voices:
    """Two voices told apart. `spans`: the stretches, cut where the voice changes; `speakers`: 0 or 1 for each, 0 speaks first.

    `sureness`: 0 to 1, that there are two voices and each stretch has one: their silhouette (Rousseeuw 1987) between what one
    voice and what two reach, times the windows that the other stretches alone would label the same, times how far the windows
    of a stretch agree.
    """

    spans: tuple[Span, ...]
    speakers: tuple[int, ...]
    sureness: float


def can_tell() -> bool:
    """Whether the library that this needs is installed."""
    return find_spec("sklearn") is not None


def tell_apart(samples: np.ndarray, spans: Sequence[Span]) -> Voices | None:
    """Two voices among stretches of speech of one channel, float32 [n_samples] at 16 kHz; None where there is too little speech."""
    import numpy as np

    places, found = [], []
    for index, span in enumerate(spans):
        for start, end in _windows(span):
            described = _describe(samples[start * _RATE_HZ // 1000 : end * _RATE_HZ // 1000])
            if described is not None:
                places.append((index, start, end))
                found.append(described)
        beat()
    if len(found) < _FEWEST_WINDOWS:
        return None
    features = _scaled(np.stack(found), [index for index, _, _ in places])
    labels = _two(features)
    return _along(
        samples, spans, places, features, labels, _sureness(features, labels, np.array([index for index, _, _ in places]))
    )


def _windows(span: Span) -> list[tuple[int, int]]:
    """Windows of a stretch as (start, end) ms: of a second where it is long enough, the whole stretch where it is not."""
    length = span.end_ms - span.start_ms
    if length < _SHORTEST_MS:
        return []
    if length <= _WINDOW_MS:
        return [(span.start_ms, span.end_ms)]
    return [(at, at + _WINDOW_MS) for at in range(span.start_ms, span.end_ms - _WINDOW_MS + 1, _STEP_MS)]


def _describe(samples: np.ndarray) -> np.ndarray | None:
    """A window's voice: mean and spread of its cepstra over its louder frames, and pitch: float64 [2 * 14 + 1]; None without voice."""
    import numpy as np

    count = (samples.shape[0] - _FRAME) // _HOP + 1
    if count < 20:
        return None
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FRAME)[::_HOP][:count].astype(np.float64)
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(_FRAME), _FFT, axis=1)))
    levels = 10 * np.log10(power.sum(axis=1) + 1e-12)
    if levels.max() < _SILENT_DB:
        return None
    loud = levels > levels.max() - 25
    if int(loud.sum()) < 15:
        return None
    mel = np.log(power[loud] @ _filters() + 1e-10)
    cepstra = mel @ _cosines()
    pitch = _pitch(frames[loud])
    return np.concatenate([cepstra.mean(axis=0), 0.5 * cepstra.std(axis=0), [pitch]])


def _filters() -> np.ndarray:
    """Triangular mel filters over the telephone band: float64 [n_bins, 24]."""
    import numpy as np

    def mel(hz: float) -> float:
        return float(2595 * np.log10(1 + hz / 700))

    edges = 700 * (10 ** (np.linspace(mel(_BAND_HZ[0]), mel(_BAND_HZ[1]), _BANDS + 2) / 2595) - 1)
    bins = np.arange(_FFT // 2 + 1) * _RATE_HZ / _FFT
    rising = (bins[:, None] - edges[None, :-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[None, 2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    return np.maximum(0.0, np.minimum(rising, falling))


def _cosines() -> np.ndarray:
    """The discrete cosine transform without its first row (loudness): float64 [24, 14]."""
    import numpy as np

    n = np.arange(_BANDS)
    return np.cos(np.pi * (n[:, None] + 0.5) * np.arange(1, _CEPSTRA + 1)[None, :] / _BANDS) * np.sqrt(2 / _BANDS)


def _pitch(frames: np.ndarray) -> float:
    """Median pitch of voiced frames, float64 [n, 400], in octaves; by autocorrelation; of a middle voice where none is voiced."""
    import numpy as np

    centred = frames - frames.mean(axis=1, keepdims=True)
    spectrum = np.square(np.abs(np.fft.rfft(centred, 1024, axis=1)))
    spectrum[:, int(1000 / _RATE_HZ * 1024) :] = 0.0
    correlation = np.fft.irfft(spectrum, axis=1)[:, :_FRAME]
    correlation /= np.maximum(correlation[:, :1], 1e-12)
    # The window is short against a low voice's period: make up for the overlap that shrinks with the lag.
    correlation /= np.maximum(1 - np.arange(_FRAME) / _FRAME, 0.3)
    low, high = int(_RATE_HZ / _PITCH_HZ[1]), int(_RATE_HZ / _PITCH_HZ[0])
    part = correlation[:, low:high]
    best = part.argmax(axis=1)
    voiced = part[np.arange(part.shape[0]), best] > _VOICED
    if int(voiced.sum()) < 5:
        return float(np.log2(170.0))
    return float(np.median(np.log2(_RATE_HZ / (best[voiced] + low))))


def _scaled(features: np.ndarray, owners: Sequence[int]) -> np.ndarray:
    """Features in units of what varies within stretches: float64 [n, d]. Windows a second apart of one stretch share a voice, mostly."""
    import numpy as np

    apart = _WINDOW_MS // _STEP_MS
    pairs = [i for i in range(len(owners) - apart) if owners[i] == owners[i + apart]]
    centred = features - features.mean(axis=0)
    total = np.cov(centred, rowvar=False)
    if len(pairs) >= 10:
        steps = features[pairs] - features[[i + apart for i in pairs]]
        # A robust spread: windows on both sides of a change of voice must not count as what varies within one.
        size = np.abs(steps).sum(axis=1)
        kept = steps[size <= np.quantile(size, 0.8)]
        within = kept.T @ kept / (2 * max(1, len(kept)))
    else:
        within = total
    blended = 0.7 * within + 0.3 * np.diag(np.diag(total)) + 1e-6 * np.eye(total.shape[0])
    values, vectors = np.linalg.eigh(blended)
    return np.asarray(centred @ (vectors / np.sqrt(np.maximum(values, 1e-9))))


def _two(features: np.ndarray) -> np.ndarray:
    """Labels 0 and 1 by Ward's clustering, moved to the nearer centre until nothing moves: int [n]."""
    import numpy as np
    from sklearn.cluster import AgglomerativeClustering

    step = -(-features.shape[0] // _MOST_WINDOWS)
    first = AgglomerativeClustering(2, linkage="ward").fit_predict(features[::step])
    centres = np.stack([features[::step][first == k].mean(axis=0) for k in (0, 1)])
    labels = np.zeros(features.shape[0], np.int64)
    for _ in range(20):
        nearer = np.square(features[:, None] - centres).sum(axis=2).argmin(axis=1)
        if (nearer == labels).all() or len(set(nearer.tolist())) < 2:
            break
        labels = nearer
        centres = np.stack([features[labels == k].mean(axis=0) for k in (0, 1)])
    return labels


def _sureness(features: np.ndarray, labels: np.ndarray, owners: np.ndarray) -> float:
    """How sure the two voices are; see `Voices`. `owners`: the stretch of each window, int [n]."""
    import numpy as np
    from sklearn.metrics import silhouette_score

    rare = float(min((labels == 0).mean(), (labels == 1).mean()))
    if rare < _LEAST_SHARE:
        return 0.0
    step = -(-features.shape[0] // _SILHOUETTE_SAMPLE)
    if len(set(labels[::step].tolist())) < 2:
        return 0.0
    clear = (float(silhouette_score(features[::step], labels[::step])) - _ONE_VOICE) / (_TWO_VOICES - _ONE_VOICE)
    same = whole = counted = 0.0
    for owner in np.unique(owners):
        mine = owners == owner
        others = [features[~mine & (labels == k)] for k in (0, 1)]
        if not all(len(o) for o in others):
            continue
        centres = [o.mean(axis=0) for o in others]
        axis = centres[1] - centres[0]
        side = (features[mine] - (centres[0] + centres[1]) / 2) @ axis > 0
        same += float((side == (labels[mine] == 1)).sum())
        if mine.sum() >= 3:
            whole += abs(float((side * 2.0 - 1.0).mean())) * float(mine.sum())
            counted += float(mine.sum())
    agreed = same / len(labels) * (whole / counted if counted else 0.0)
    return round(min(1.0, max(0.0, clear)) * agreed, 4)


def _along(
    samples: np.ndarray,
    spans: Sequence[Span],
    places: Sequence[tuple[int, int, int]],
    features: np.ndarray,
    labels: np.ndarray,
    sureness: float,
) -> Voices:
    """Labels of windows to labels of stretches, cut where the voice changes for good."""
    import numpy as np

    centres = np.stack([features[labels == k].mean(axis=0) if (labels == k).any() else features.mean(axis=0) for k in (0, 1)])
    distances = np.square(features[:, None] - centres).sum(axis=2)
    lean = distances[:, 0] - distances[:, 1]  # above 0: nearer to voice 1
    lean /= max(float(np.abs(lean).mean()), 1e-9)
    by_span: dict[int, list[int]] = {}
    for number, (index, _, _) in enumerate(places):
        by_span.setdefault(index, []).append(number)
    pieces: list[tuple[Span, float | None]] = []
    for index, span in enumerate(spans):
        mine = by_span.get(index, [])
        if len(mine) < 2:
            pieces.append((span, float(lean[mine[0]]) if mine else None))
            continue
        for part, weight in _cut(samples, span, [places[n][1] for n in mine], lean[mine]):
            pieces.append((part, weight))
    speakers = _filled([weight for _, weight in pieces])
    if speakers and speakers[0] == 1:
        speakers = [1 - s for s in speakers]
    return Voices(tuple(p for p, _ in pieces), tuple(speakers), sureness)


def _cut(samples: np.ndarray, span: Span, starts: Sequence[int], lean: np.ndarray) -> list[tuple[Span, float]]:
    """A stretch in pieces of one voice each: by the likeliest course of voices where each change costs (Viterbi 1967)."""
    import numpy as np

    course = _course(np.clip(lean, -2.0, 2.0))
    changes = [k for k in range(1, len(course)) if course[k] != course[k - 1]]
    places: list[tuple[int, int]] = []
    for k in changes:
        middle = (starts[k - 1] + starts[k] + _WINDOW_MS) // 2
        at = _quietest(samples, middle - 250, middle + 250)
        if at - (places[-1][1] if places else span.start_ms) >= _SIDE_MS and span.end_ms - at >= _SIDE_MS:
            places.append((k, at))
    bounds = [(0, span.start_ms), *places, (len(lean), span.end_ms)]
    pieces = []
    for (first, start), (last, end) in pairwise(bounds):
        piece = replace(
            span,
            start_ms=start,
            end_ms=end,
            hear_from_ms=span.hear_from_ms if start == span.start_ms else start,
            hear_to_ms=span.hear_to_ms if end == span.end_ms else end,
        )
        pieces.append((piece, float(lean[first:last].mean())))
    return pieces


def _course(lean: np.ndarray) -> list[int]:
    """The course of voices with the most lean towards each, less `_CHANGE_COST` for every change: 0 or 1 for each window."""
    score = [0.0, 0.0]
    came: list[tuple[int, int]] = []
    for value in lean.tolist():
        stay, move = score, [score[1] - _CHANGE_COST, score[0] - _CHANGE_COST]
        came.append((int(move[0] > stay[0]), int(move[1] > stay[1])))
        score = [max(stay[0], move[0]) - value, max(stay[1], move[1]) + value]
    voice = int(score[1] > score[0])
    course = []
    for back in reversed(came):
        course.append(voice)
        voice = 1 - voice if back[voice] else voice
    return course[::-1]


def _quietest(samples: np.ndarray, start_ms: int, end_ms: int) -> int:
    """The quietest 32 ms between two places, ms."""
    part = samples[max(0, start_ms) * _RATE_HZ // 1000 : end_ms * _RATE_HZ // 1000]
    levels = frame_dbfs(part)
    return max(0, start_ms) + (int(levels.argmin()) * 32 + 16 if levels.size else 0)


def _filled(weights: Sequence[float | None]) -> list[int]:
    """Voices of stretches; one too short to tell has that of the stretch before it, else of the one after."""
    known: list[int | None] = [None if w is None else int(w > 0) for w in weights]
    for order in (range(len(known)), range(len(known) - 1, -1, -1)):
        last: int | None = None
        for i in order:
            last = known[i] if known[i] is not None else last
            known[i] = last
    return [k or 0 for k in known]
