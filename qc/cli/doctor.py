"""`qc doctor`: what this machine can do, what is missing, and how to get it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from qc.cli import console
from qc.errors import Exit, QcError

_CODECS = (
    "pcm_s16le",
    "pcm_alaw",
    "pcm_mulaw",
    "gsm",
    "gsm_ms",
    "amrnb",
    "amrwb",
    "mp3",
    "aac",
    "opus",
    "flac",
    "vorbis",
    "g729",
    "g722",
    "speex",
    "wmav2",
)
_CORE = (
    "torch",
    "openai-whisper",
    "silero-vad",
    "av",
    "numpy",
    "pyarrow",
    "polars",
    "google-re2",
    "ahocorasick-rs",
    "opencc",
    "rapidfuzz",
    "pyyaml",
    "ruamel.yaml",
    "jinja2",
    "xlsxwriter",
    "openpyxl",
    "typer",
    "rich",
)


@dataclass(frozen=True)
class _Check:
    what: str
    state: str  # "ok", "slow" (works, could be better) or "missing"
    found: str
    advice: str = ""


def doctor(
    store: Annotated[Path, typer.Option("--store", help="Check that this store's folder can be written.")] = Path("qc-store"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what this machine can do: device, number formats, codecs, models, versions, disk; and what to do about gaps.

    Exits 2 when something that qc needs is missing.

    Example:  qc doctor
    """
    checks = [_python(), *_packages(), *_device(), _codecs(), _embedded(), _model_cache(), _writable(store)]
    if not console.result({"checks": [asdict(c) for c in checks]}, as_json):
        console.table("qc doctor", ["", "what", "found", "what to do"], [(c.state, c.what, c.found, c.advice) for c in checks])
    if any(c.state == "missing" for c in checks):
        raise typer.Exit(int(Exit.USAGE))


def _python() -> _Check:
    import platform

    from qc.version import VERSION

    return _Check(
        "qc, Python", "ok", f"qc {VERSION}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    )


def _packages() -> list[_Check]:
    from importlib.metadata import PackageNotFoundError, version

    found, missing = [], []
    for name in _CORE:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return [_Check("packages", "missing", ", ".join(missing), f"pip install {' '.join(missing)}")]
    return [_Check("packages", "ok", ", ".join(found))]


def _device() -> list[_Check]:
    import os

    try:
        import torch
    except ImportError:
        return [_Check("device", "missing", "torch cannot be imported", "pip install torch")]
    checks = []
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            card = torch.cuda.get_device_properties(index)
            bf16 = "bf16" if torch.cuda.is_bf16_supported() else "no bf16"
            checks.append(_Check(f"GPU {index}", "ok", f"{card.name}, {card.total_memory / 2**30:.0f} GiB, {bf16}"))
    elif getattr(torch.backends, "mps", None) is not None and torch.backends.mps.is_available():
        checks.append(_Check("GPU", "ok", "Apple MPS"))
    else:
        advice = "a large model on long recordings wants a GPU; for NVIDIA: pip install torch without the CPU constraint"
        checks.append(_Check("GPU", "slow", "none", advice))
    flags = _cpu_flags()
    fast = [name for name in ("amx_bf16", "avx512_bf16", "avx512f", "avx2") if name in flags]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    checks.append(_Check("processor", "ok", f"{cores} cores, {', '.join(fast) or 'no vector extensions found'}"))
    return checks


def _cpu_flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    return next((set(line.split(":", 1)[1].split()) for line in text.splitlines() if line.startswith("flags")), set())


def _codecs() -> _Check:
    try:
        import av
    except ImportError:
        return _Check("codecs", "missing", "PyAV cannot be imported", "pip install av")
    have = [c for c in _CODECS if c in av.codecs_available]
    lack = [c for c in _CODECS if c not in av.codecs_available]
    advice = f"not in this PyAV: {', '.join(lack)}; recordings in them will be failed rows" if lack else ""
    return _Check("codecs", "slow" if lack else "ok", ", ".join(have), advice)


def _embedded() -> _Check:
    try:
        from qc.transcribe.embedded import EMBEDDED_NAME, expanded_model_path

        path = expanded_model_path()
    except (ImportError, OSError, QcError) as error:
        return _Check("embedded model", "missing", str(error), "install qc again; the model is part of the package")
    return _Check("embedded model", "ok", f"{EMBEDDED_NAME} ({path})", "for the demo and tests only: it cannot hear human speech")


def _model_cache() -> _Check:
    import os

    root = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "whisper"
    models = sorted(p.name for p in root.glob("*.pt")) if root.is_dir() else []
    if models:
        return _Check("Whisper models", "ok", f"{', '.join(models)} in {root}")
    advice = "give --model large-v3-turbo to download one, or --model FILE.pt for a copied one"
    return _Check("Whisper models", "slow", f"none in {root}", advice)


def _writable(store: Path) -> _Check:
    import os
    import shutil

    folder = store.resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if not os.access(folder, os.W_OK):
        return _Check("store", "missing", f"{folder} cannot be written", "choose another folder with --store")
    return _Check(
        "store",
        "ok" if free > 2**30 else "slow",
        f"{store}: {free / 2**30:,.0f} GiB free",
        "" if free > 2**30 else "free some disk",
    )
