"""Measures the embedded model: character error rate on held-out calls, by condition, with the worst windows.

    python -m training.cer                 # the small set that is committed (needs no espeak-ng)
    python -m training.cer --fresh 200     # 200 new windows spoken by espeak-ng, other sentences and voices
    python -m training.cer --write tests/data/heldout   # makes the committed set anew

Held out means: no sentence of the set is ever drawn in training, names and some goods and cities appear nowhere
else, the voice variants are others. Characters are counted without punctuation and spaces.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import grammar, speak

RATE_HZ = 16_000
CONDITIONS = ("clean", "telephone", "alaw", "mulaw", "noisy", "lossy", "quiet", "digits", "packed")
_PUNCTUATION = re.compile(r"[，。？、！；：,.?! ]")
SET = Path(__file__).parent.parent / "tests" / "data" / "heldout"


@dataclass(frozen=True)
class Case:
    condition: str
    text: str
    wave: np.ndarray


def distance(a: str, b: str) -> int:
    """Edits that turn a into b."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]


def plain(text: str) -> str:
    return _PUNCTUATION.sub("", text)


def _line(condition: str, rng: random.Random, seed: int) -> speak.Line:
    codec = {"clean": "wide", "telephone": "narrow", "alaw": "alaw", "mulaw": "mulaw", "lossy": "lossy", "quiet": "alaw"}.get(
        condition, "alaw"
    )
    snr_db = {"clean": 60.0, "noisy": rng.uniform(12, 20)}.get(condition, rng.uniform(25, 40))
    level = -38.0 if condition == "quiet" else rng.uniform(-30, -14)
    return speak.Line(codec, rng.uniform(150, 320), rng.uniform(3200, 3600), rng.choice(speak.NOISE_KINDS), snr_db, level, seed)


def make_case(condition: str, seed: int, used: set[str]) -> Case:
    """One utterance of a held-out voice over one line; `packed`: as many as fit into 28 s, 0.25 to 0.6 s between them."""
    rng, nrng = random.Random(seed), np.random.default_rng(seed)
    voice, speed, pitch = rng.choice(speak.HELDOUT_VARIANTS), rng.randint(140, 205), rng.randint(25, 75)
    pieces, texts, at = [np.zeros(4000, np.float32)], [], 4000
    for _ in range(40):
        topic = rng.choice(("info", "identity")) if condition == "digits" else None
        text = (grammar.from_topic(topic, rng, True) if topic else grammar.utterance(rng, True)).text
        if text in used:
            continue
        used.add(text)
        wave = speak.speak(text, voice, speed, pitch)
        gap = np.zeros(rng.randint(4000, 9600), np.float32)
        if at + len(wave) + len(gap) > 28 * RATE_HZ:
            break
        if condition != "packed" and texts:
            break
        pieces += [wave, gap]
        texts.append(text)
        at += len(wave) + len(gap)
    return Case(condition, "".join(texts), speak.through_line(np.concatenate(pieces), _line(condition, rng, seed), nrng))


def fresh_cases(count: int, seed: int = 20_000) -> list[Case]:
    """Windows of all conditions in turn; no sentence twice."""
    used: set[str] = set()
    return [make_case(CONDITIONS[n % len(CONDITIONS)], seed + n, used) for n in range(count)]


def write_set(folder: Path, count: int = 72, seed: int = 90_000) -> None:
    """Opus at 24 kbit/s, and texts.json."""
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    listed = []
    for n, case in enumerate(fresh_cases(count, seed)):
        name = f"{n:02d}-{case.condition}.opus"
        soundfile.write(folder / name, case.wave, RATE_HZ, format="OGG", subtype="OPUS")
        listed.append({"file": name, "condition": case.condition, "text": case.text})
    (folder / "texts.json").write_text(json.dumps(listed, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read_set(folder: Path) -> list[Case]:
    import av

    cases = []
    for entry in json.loads((folder / "texts.json").read_text(encoding="utf-8")):
        with av.open(str(folder / entry["file"])) as file:
            resampler = av.AudioResampler("flt", "mono", RATE_HZ)
            chunks = [f.to_ndarray()[0] for frame in file.decode(audio=0) for f in resampler.resample(frame)]
        cases.append(Case(entry["condition"], entry["text"], np.concatenate(chunks).astype(np.float32)))
    return cases


def hear(path: str, cases: list[Case], prompt: str | None = grammar.PROMPT, batch: int = 8) -> list[str]:
    """The texts that openai-whisper itself decodes from the windows, greedy, language given."""
    import torch
    import whisper

    model = whisper.load_model(path, device="cpu").eval()
    options = whisper.DecodingOptions(language="zh", without_timestamps=True, fp16=False, prompt=prompt)
    heard: list[str] = []
    for at in range(0, len(cases), batch):
        mels = [whisper.log_mel_spectrogram(whisper.pad_or_trim(torch.from_numpy(c.wave))) for c in cases[at : at + batch]]
        heard += [r.text for r in whisper.decode(model, torch.stack(mels), options)]
    return heard


def table(cases: list[Case], heard: list[str], worst: int = 8) -> tuple[float, str]:
    """(CER over the windows of one utterance, the report as text)."""
    wrong: dict[str, int] = defaultdict(int)
    total: dict[str, int] = defaultdict(int)
    rows = []
    for case, text in zip(cases, heard, strict=True):
        n = distance(plain(case.text), plain(text))
        for key in {case.condition, "all", "all" if case.condition == "packed" else "all single"}:
            wrong[key] += n
            total[key] += len(plain(case.text))
        rows.append((n / max(1, len(plain(case.text))), case, text))
    lines = ["condition   windows  characters  CER"]
    for key in sorted(total, key=lambda k: (k.startswith("all"), k)):
        count = sum(key in (c.condition, "all") or (key == "all single" and c.condition != "packed") for c in cases)
        lines.append(f"{key:<12}{count:>7}{total[key]:>12}  {wrong[key] / total[key]:.2%}")
    for rate, case, text in sorted(rows, key=lambda r: -r[0])[:worst]:
        lines += [f"{rate:.1%} {case.condition}", f"  said  {case.text}", f"  heard {text}"]
    return wrong["all single"] / max(1, total["all single"]), "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="checkpoint for whisper.load_model (default: the embedded model)")
    parser.add_argument("--set", type=Path, default=SET)
    parser.add_argument("--fresh", type=int, default=0, help="measure this many newly spoken windows instead")
    parser.add_argument("--seed", type=int, default=20_000)
    parser.add_argument("--write", type=Path, help="make the committed set in this folder and stop")
    parser.add_argument("--prompt", default=grammar.PROMPT, help="empty for none")
    parser.add_argument("--worst", type=int, default=8)
    a = parser.parse_args()
    if a.write:
        write_set(a.write)
        return
    from qc.transcribe.embedded import expanded_model_path

    cases = fresh_cases(a.fresh, a.seed) if a.fresh else read_set(a.set)
    began = time.time()
    heard = hear(a.model or str(expanded_model_path()), cases, a.prompt or None)
    print(table(cases, heard, a.worst)[1])
    seconds = sum(len(c.wave) for c in cases) / RATE_HZ
    print(f"{seconds:.0f} s of audio in {time.time() - began:.0f} s")


if __name__ == "__main__":
    main()
