"""Options that several verbs share: one wording, one default, one parser each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qc.errors import StoreError, UsageError

if TYPE_CHECKING:
    from qc.audio.decode import DecodeOptions
    from qc.store import Store
    from qc.transcribe.options import TranscribeOptions

_MAX_PROMPT = 64 << 10
SEVERITIES = ("low", "medium", "high", "critical")

Sources = Annotated[
    list[str],
    typer.Argument(
        help="Folders of recordings, recordings, addresses (s3://…), or lists (CSV, XLSX, Parquet) that name them.",
        metavar="FOLDER|LIST",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=0, max=64, help="Processes that hear, 0 for none but this one; else as the machine asks for."),
]
Producers = Annotated[
    int | None, typer.Option("--producers", min=0, max=256, help="Processes that decode for them; else as the machine asks for.")
]
CallList = Annotated[Path | None, typer.Option("--calls", help="The call list: CSV, XLSX or Parquet.")]
StoreFolder = Annotated[Path, typer.Option("--store", help="The store's folder.")]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        help="turbo, large-v3 and so on, demo-zh, a .pt file, a Hugging Face folder, or a .jsonl of prepared transcripts.",
    ),
]
ModelDir = Annotated[Path | None, typer.Option("--model-dir", help="Where models are, or are downloaded to; else the cache.")]
Engine = Annotated[str, typer.Option("--engine", help="auto, whisper, openai, faster-whisper or replay.")]
Dtype = Annotated[str, typer.Option("--dtype", help="auto, int8 (CPU), float32, bfloat16 or float16.")]
Packing = Annotated[
    str,
    typer.Option("--pack", help="Several utterances in one window: auto (as far as suits the model), on (up to 29.4 s) or off."),
]
PromptFile = Annotated[
    Path | None, typer.Option("--prompt-file", help="Text file of words to expect: names of products, places, people.")
]
Language = Annotated[str, typer.Option("--language", help="The language spoken: zh, en and so on.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps.")]
Mapping = Annotated[list[str] | None, typer.Option("--map", help="FIELD=COLUMN of the call list; may be given again.")]
NamePattern = Annotated[
    str | None, typer.Option("--name-pattern", help="Expression with named groups, searched in each file's name.")
]
AgentChannel = Annotated[str, typer.Option("--agent-channel", help="left, right, 0 or 1, where the list does not say.")]
MonoRole = Annotated[str, typer.Option("--mono-role", help="Role of one-channel recordings: agent, customer, unknown.")]
Raw = Annotated[str | None, typer.Option("--raw", help="CODEC:RATE[:CHANNELS] of headerless files, as in alaw:8000.")]
MaxHours = Annotated[float, typer.Option("--max-hours", help="Longer recordings are refused.")]
Batch = Annotated[int, typer.Option("--batch", min=0, max=512, help="Windows of speech at once; 0: as many as the memory takes.")]
Rules = Annotated[
    list[Path],
    typer.Option("--rules", "-r", help="Folder of a rule pack, or a sealed pack (*.qcpack); repeat it for several."),
]
TrustList = Annotated[Path | None, typer.Option("--trust", help="List of trusted keys; without it your own.")]
Allow = Annotated[list[str] | None, typer.Option("--allow", help="Pass over this check of a sealed pack; may be given again.")]
FailOn = Annotated[
    str,
    typer.Option("--fail-on", help="Exit with 1 when there are hits of this severity or above: low, medium, high, critical."),
]
Lang = Annotated[str, typer.Option("--lang", help="Language of the pages: zh, en or both.")]
Redact = Annotated[bool, typer.Option("--redact", help="Mask personal data: numbers, addresses, names.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def sources(given: list[str]) -> tuple[Path | str, ...]:
    """Folders and files as paths, addresses as they are."""
    from qc.audio.remote import is_address

    return tuple(text if is_address(text) else Path(text.removeprefix("file://")) for text in given)


def existing_store(folder: Path) -> Store:
    """The store in a folder that is there. Raises StoreError."""
    from qc.store import Store

    if not folder.is_dir():
        hint = "give its folder with --store; qc run and qc transcribe make one"
        raise StoreError("there is no store here", where=str(folder), hint=hint)
    return Store(folder)


def severity(text: str) -> str:
    """A severity, or empty for none. Raises UsageError."""
    if text and text not in SEVERITIES:
        from qc.packs.reader import suggestion

        raise UsageError(f"there is no severity {text!r}", where="--fail-on", hint=suggestion(text, SEVERITIES))
    return text


def langs(text: str) -> tuple[str, ...]:
    """Languages of the pages. Raises UsageError."""
    if text not in ("zh", "en", "both"):
        raise UsageError(f"no such language: {text}", where="--lang", hint="zh, en or both")
    return ("zh", "en") if text == "both" else (text,)


def mapping(pairs: list[str] | None) -> dict[str, str]:
    """`FIELD=COLUMN` pairs as a mapping. Raises UsageError."""
    found = {}
    for pair in pairs or []:
        name, equals, column = pair.partition("=")
        if not equals or not name.strip() or not column.strip():
            raise UsageError(
                f"{pair!r} is not FIELD=COLUMN", where="--map", hint="for example --map agent_id=坐席工号", code="map"
            )
        found[name.strip()] = column.strip()
    return found


def packing(text: str) -> str:
    """`auto`, `on` or `off`. Raises UsageError."""
    if text not in ("auto", "on", "off"):
        raise UsageError(f"{text!r} is not auto, on or off", where="--pack", code="pack")
    return text


def prompt(path: Path | None) -> str:
    """The words of a prompt file, a line a line, spaces made one. Raises UsageError for a file that cannot be read or is no text."""
    if path is None:
        return ""
    try:
        with open(path, "rb") as file:
            raw = file.read(_MAX_PROMPT + 1)
        if len(raw) > _MAX_PROMPT:
            raise UsageError(
                "the file is too long for words to expect", where=str(path), hint="a few hundred words", code="prompt"
            )
        lines = raw.decode("utf-8-sig").replace("\0", " ").splitlines()
        return "\n".join(filter(None, (" ".join(line.split()) for line in lines)))
    except OSError as error:
        raise UsageError(f"cannot read the words to expect: {error.strerror}", where=str(path), code="prompt") from error
    except UnicodeDecodeError as error:
        raise UsageError("the words to expect are not UTF-8 text", where=str(path), code="prompt") from error


def channel(text: str) -> int:
    """`left`, `right` or a number from 0 as a channel. Raises UsageError."""
    sides = {"left": 0, "right": 1}
    if text.lower() in sides:
        return sides[text.lower()]
    if text.isascii() and text.isdigit() and int(text) < 64:
        return int(text)
    raise UsageError(f"{text!r} is no channel", where="--agent-channel", hint="left, right, 0 or 1", code="channel")


def mono_role(text: str) -> str:
    """A role for one-channel recordings. Raises UsageError."""
    if text not in ("agent", "customer", "unknown"):
        raise UsageError(f"{text!r} is no role", where="--mono-role", hint="agent, customer or unknown", code="role")
    return text


def hearing(raw: str | None, max_hours: float, **typed: Any) -> TranscribeOptions:
    """The options of transcription by their names on the command line, read and checked. Raises UsageError."""
    from qc.transcribe.options import TranscribeOptions

    readers: dict[str, tuple[str, Callable[[Any], Any]]] = {
        "packing": ("pack", packing),
        "prompt_file": ("prompt", prompt),
        "agent_channel": ("agent_channel", channel),
        "mono_role": ("mono_role", mono_role),
    }
    fields = {}
    for name, value in typed.items():
        field, read = readers.get(name, (name, None))
        fields[field] = value if read is None else read(value)
    return TranscribeOptions(decode=decode(raw, max_hours), **fields)


def decode(raw: str | None, max_hours: float) -> DecodeOptions:
    """How to decode. Raises UsageError."""
    from qc.audio.decode import DecodeOptions, parse_raw

    if not 0 < max_hours <= 48:
        raise UsageError(f"{max_hours:g} hours is not between 0 and 48", where="--max-hours", code="max_hours")
    try:
        if raw is not None:
            parse_raw(raw)
    except ValueError as error:
        raise UsageError(str(error), where="--raw", code="raw") from error
    return DecodeOptions(raw=raw, max_hours=max_hours)
