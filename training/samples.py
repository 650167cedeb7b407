"""Makes `audio_samples/`: service calls from `samples_script.txt`, spoken, sent down a telephone line, encoded.

    python -m training.samples audio_samples

Everything is seeded, so the same versions of espeak-ng and FFmpeg give the same files. The truth (`truth.jsonl`)
is written from the signal as it was placed: a turn's start and end are where its speech starts and ends in the
file as a decoder gives it back.
"""

from __future__ import annotations

import csv
import hashlib
import json
import multiprocessing
import shutil
import sys
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from training import speak
from training.samples_codecs import CODECS, decode, delay_ms, encode

SCRIPT = Path(__file__).with_name("samples_script.txt")
MS = speak.RATE_HZ // 1000  # samples a millisecond
ROLES = {"A": ("agent", 0), "C": ("customer", 1)}
AUDIBLE = 0.01  # of full scale, in the clean speech whose peak is 0.5


@dataclass(frozen=True)
class Agent:
    """An agent of the made-up desks: one voice, one pace, whatever the call."""

    name: str
    provider: str
    voice: str
    pitch: int
    speed: int


AGENTS = {
    "Y01": Agent("林晓燕", "云帆客服", "f2", 55, 190),
    "Y02": Agent("陈雨", "云帆客服", "f3", 60, 185),
    "Y03": Agent("周明", "云帆客服", "m1", 45, 190),
    "H01": Agent("王芳", "恒信外包", "f1", 50, 195),
    "H02": Agent("赵磊", "恒信外包", "m3", 40, 190),
    "H03": Agent("孙丽", "恒信外包", "belinda", 55, 185),
    "X01": Agent("刘强", "迅达服务", "m7", 45, 195),
    "X02": Agent("马静", "迅达服务", "f5", 58, 190),
    "X03": Agent("郭涛", "迅达服务", "Mike", 42, 185),
}
CUSTOMER_VOICES = ("m2", "Alex", "Denis", "anika", "robert", "m5", "Annie", "victor", "m6", "antonio")
NOISES = ("pink", "brown", "room", "white")

LIST_COLUMNS = "call_id file agent_id agent_name provider queue started_at duration_s hangup satisfaction agent_channel".split()


# ------------------------------------------------------------------ the script
@dataclass(frozen=True)
class Plant:
    """A violation (`hit`), a near-miss (`miss`) or what cannot be known (`undecided`). `line` is None for a whole call."""

    rule: str
    verdict: str
    line: int | None
    note: str = ""


@dataclass(frozen=True)
class Step:
    """One step of a dialogue: a spoken line (`who` A or C) or an event (`who` is its name, `seconds` its length)."""

    who: str
    text: str = ""
    seconds: float = 0.0


@dataclass
class Script:
    """One call as written."""

    call_id: str
    agent_id: str
    queue: str
    started_at: str
    file: str
    codec: str
    hangup: str
    satisfaction: str
    options: dict[str, str]
    steps: list[Step] = field(default_factory=list)
    plants: list[Plant] = field(default_factory=list)

    @property
    def listed(self) -> bool:
        return "unlisted" not in self.options


VERDICT_MARKS = {"+": "hit", "-": "miss", "?": "undecided"}


def read_script(path: Path = SCRIPT) -> list[Script]:
    """The calls of a script file. Raises ValueError with the line number for a line that means nothing."""
    calls: list[Script] = []
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("== "):
            calls.append(_header(line[3:]))
        elif calls and line[:2] in ("A ", "C "):
            text, *marks = line[2:].split()
            spoken = sum(s.who in ROLES for s in calls[-1].steps)
            calls[-1].steps.append(Step(line[0], text))
            calls[-1].plants += [Plant(m[1:], VERDICT_MARKS[m[0]], spoken) for m in marks]
        elif calls and line.startswith("~ "):
            word, seconds = line[2:].split()
            calls[-1].steps.append(Step(word, seconds=float(seconds)))
        elif calls and line[:2] in ("+ ", "- ", "? "):
            rule, _, note = line[2:].partition(": ")
            calls[-1].plants.append(Plant(rule, VERDICT_MARKS[line[0]], None, note))
        else:
            raise ValueError(f"{path.name}:{number}: not a line of a script: {line}")
    return calls


def _header(text: str) -> Script:
    cells = [c.strip() for c in text.split("|")]
    call_id, agent_id, queue, started_at, file_codec, hangup, satisfaction = cells[:7]
    file, codec = file_codec.split()
    options = {k: v for k, _, v in (o.partition("=") for o in " ".join(cells[7:]).split())}
    return Script(call_id, agent_id, queue, started_at, file, codec, hangup, satisfaction, options)


# ------------------------------------------------------------------ the signal
@dataclass(frozen=True)
class Turn:
    """A spoken line in its place; milliseconds from the start of the recording."""

    role: str
    channel: int
    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True)
class Signal:
    """channels: float32 [2, samples] at 16 kHz, agent first."""

    channels: np.ndarray
    turns: tuple[Turn, ...]


def place(script: Script) -> Signal:
    """The dialogue as two clean channels: every line spoken, gaps of 0.35 to 1.1 s, events where the script has them."""
    rng = np.random.default_rng(zlib.crc32(script.call_id.encode()))
    pieces: list[tuple[int, int, np.ndarray]] = []  # channel, first sample, samples
    turns: list[Turn] = []
    end = int(0.4 * speak.RATE_HZ)
    gap: float | None = 0.2
    for step in script.steps:
        if step.who in ROLES:
            samples = _spoken(script, step)
            role, channel = ROLES[step.who]
            start = max(0, end + int((rng.uniform(0.35, 1.1) if gap is None else gap) * speak.RATE_HZ))
            loud = np.flatnonzero(np.abs(samples) > AUDIBLE)
            turns.append(Turn(role, channel, (start + int(loud[0])) // MS, (start + int(loud[-1])) // MS, step.text))
            pieces.append((channel, start, samples))
            end, gap = max(end, start + len(samples)), None
        elif step.who == "pause":
            gap = step.seconds
        elif step.who == "overlap":
            gap = -step.seconds
        else:
            channel, samples = _event(step, rng)
            pieces.append((channel, end + 6000, samples))
            end += 6000 + len(samples)
    total = end + (int(gap * speak.RATE_HZ) if gap and gap > 0 else 0) + int(0.6 * speak.RATE_HZ)
    channels = np.zeros((2, total), np.float32)
    for channel, start, samples in pieces:
        channels[channel, start : start + len(samples)] += samples
    return Signal(channels, tuple(turns))


def _spoken(script: Script, step: Step) -> np.ndarray:
    agent = AGENTS[script.agent_id]
    if step.who == "A":
        return speak.speak(step.text, agent.voice, agent.speed, agent.pitch)
    seed = zlib.crc32(script.call_id.encode() + b"customer")
    voices = [v for v in CUSTOMER_VOICES if v != agent.voice]
    return speak.speak(step.text, voices[seed % len(voices)], 175 + seed % 25, 35 + seed // 32 % 30)


def _event(step: Step, rng: np.random.Generator) -> tuple[int, np.ndarray]:
    """(channel, samples) of what is neither speech nor silence. Music plays to the customer: the agent's side has it."""
    if step.who == "hold":
        return 0, speak.hold_music(step.seconds, rng, 0.12)
    if step.who == "ringback":
        return 1, speak.ringback(step.seconds, 0.12)
    if step.who == "busy":
        return 1, speak.busy_tone(step.seconds, 0.12)
    raise ValueError(f"no such event: {step.who}")


def through(script: Script, signal: Signal) -> np.ndarray:
    """float32 [channels, samples] at 16 kHz after the line: telephone band, light noise, the levels of real desks."""
    rng = np.random.default_rng(zlib.crc32(script.call_id.encode() + b"line"))
    silent = script.options.get("silent", "")
    out = np.zeros_like(signal.channels)
    for letter, (_, channel) in ROLES.items():
        line = speak.Line(
            codec="narrow",
            low_hz=float(rng.uniform(200, 310)),
            high_hz=float(rng.uniform(3300, 3600)),
            noise_kind=NOISES[int(rng.integers(len(NOISES)))],
            snr_db=float(rng.uniform(26, 42)),
            level_dbfs=float(rng.uniform(-26, -17)),
            seed=int(rng.integers(1 << 31)),
        )
        if letter not in silent:
            out[channel] = speak.through_line(signal.channels[channel], line)
    if "mono" in script.options:
        return np.clip(out.sum(axis=0, keepdims=True), -1, 1)
    return out


# ------------------------------------------------------------------ a call
@dataclass(frozen=True)
class Made:
    """A call ready to be written. `data` is None where the script wants no file."""

    script: Script
    data: bytes | None
    turns: tuple[Turn, ...] = ()
    listed_ms: int = 0
    file_ms: int = 0
    channels: int = 0
    rate_hz: int = 0
    note: str = ""


def make(script: Script) -> Made:
    """Speak, place, send down the line, encode, and say where everything is in the file."""
    if script.codec == "missing":
        return Made(script, None, listed_ms=48_000, note="in the call list, without a file")
    if script.codec == "text":
        text = "This is a note that somebody saved under the name of a recording.\n这不是录音，只是一段文字。\n"
        return Made(script, text.encode(), listed_ms=35_000, note="not audio: a text file with the name of a recording")
    signal = place(script)
    line = through(script, signal)
    data = encode(line, script.codec)
    decoded, rate_hz = decode(data)
    late = delay_ms(line, decoded, rate_hz) if np.any(decoded) else 0
    turns = tuple(
        replace(t, channel=min(t.channel, len(decoded) - 1), start_ms=t.start_ms + late, end_ms=t.end_ms + late)
        for t in signal.turns
    )
    listed_ms = decoded.shape[1] * 1000 // rate_hz
    note = _note(script)
    if "truncate_after" in script.options:
        turns = turns[: int(script.options["truncate_after"]) + 1]
        data = data[: len(data) * (turns[-1].end_ms + 250) // listed_ms]  # a constant-rate file; its header stays
        decoded, rate_hz = decode(data)
    file_ms = decoded.shape[1] * 1000 // rate_hz
    return Made(script, data, turns, listed_ms, file_ms, len(decoded), rate_hz, note)


def _note(script: Script) -> str:
    notes = {
        "silent": {"C": "the customer's channel is dead", "AC": "both channels are dead"}.get(
            script.options.get("silent", ""), ""
        ),
        "mono": "one channel for both speakers: roles are unknown to a listener",
        "truncate_after": "the file ends early; its header and the call list promise more",
        "unlisted": "a recording that the call list does not have",
    }
    return "; ".join(v for k, v in notes.items() if k in script.options and v)


# ------------------------------------------------------------------ the folder
def truth_row(made: Made, duplicate_of: str | None = None) -> dict:
    """One line of truth.jsonl."""
    script = made.script
    turns = [asdict(t) for t in made.turns]
    planted = [
        {
            "rule": p.rule,
            "verdict": p.verdict,
            "turn": p.line,
            "text": made.turns[p.line].text if p.line is not None else "",
            "note": p.note,
        }
        for p in script.plants
        if p.line is None or p.line < len(made.turns)
    ]
    call_id = script.call_id
    if not script.listed and made.data is not None:
        call_id = f"sha256:{hashlib.sha256(made.data).hexdigest()[:16]}"
    return {
        "call_id": call_id,
        "file": script.file,
        "listed": script.listed,
        "found": made.data is not None,
        "duplicate_of": duplicate_of,
        "agent_id": script.agent_id,
        "codec": script.codec if script.codec in CODECS else None,
        "channels": made.channels,
        "rate_hz": made.rate_hz,
        "duration_ms": made.file_ms,
        "notes": made.note,
        "planted": planted,
        "turns": turns,
    }


def list_row(made: Made) -> dict[str, str]:
    """One line of calls.csv."""
    script, agent = made.script, AGENTS[made.script.agent_id]
    cells = (
        script.call_id, script.file, script.agent_id, agent.name, agent.provider, script.queue, script.started_at,
        f"{made.listed_ms / 1000:.1f}", script.hangup, script.satisfaction, "" if "mono" in script.options else "0",
    )  # fmt: skip
    return dict(zip(LIST_COLUMNS, cells, strict=True))


def make_all(scripts: list[Script]) -> Iterator[tuple[Made, str | None]]:
    """Every call, and whose copy it is."""
    done: dict[str, Made] = {}
    context = multiprocessing.get_context("spawn")  # espeak-ng remembers what it said: a fresh one for every call
    with context.Pool(1, maxtasksperchild=1) as fresh:
        for script in scripts:
            if script.codec.startswith("copy:"):
                first = done[script.codec[5:]]
                plain = replace(script, codec=first.script.codec)
                yield replace(first, script=plain, note=f"the same bytes as {first.script.file}"), first.script.call_id
                continue
            done[script.call_id] = made = fresh.apply(make, (script,))
            yield made, None


def write(folder: Path, scripts: list[Script]) -> int:
    """The recordings, calls.csv and truth.jsonl into `folder`; the size of it all in bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    listed, truth = [], []
    for made, duplicate_of in make_all(scripts):
        if made.data is not None:
            (folder / made.script.file).write_bytes(made.data)
        if made.script.listed:
            listed.append(list_row(made))
        truth.append(truth_row(made, duplicate_of))
        print(
            f"{made.script.call_id:10} {made.script.codec:10} {made.file_ms / 1000:7.1f} s {len(made.data or b'') / 1000:8.0f} kB"
        )
    with open(folder / "calls.csv", "w", encoding="utf-8", newline="") as out:
        table = csv.DictWriter(out, LIST_COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(listed)
    lines = [json.dumps(row, ensure_ascii=False) for row in truth]
    (folder / "truth.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return sum(p.stat().st_size for p in folder.iterdir())


if __name__ == "__main__":
    if shutil.which("sox") is None:
        sys.exit("training.samples needs sox (for GSM) and espeak-ng; install them and run it again")
    target_folder = Path(sys.argv[1] if len(sys.argv) > 1 else "audio_samples")
    print(f"{write(target_folder, read_script()) / 1e6:.1f} MB in {target_folder}")
