"""Published checkpoints: taken from a folder where they are, else downloaded into it; never used before their digest is right."""

from __future__ import annotations

import hashlib
import os
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any

from qc.errors import ModelError
from qc.progress import Progress

_BLOCK = 1 << 20
_TIMEOUT_S = 60


def default_folder() -> Path:
    """Where openai-whisper keeps its models, so that one that is there is not downloaded again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "whisper"


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes. Raises ModelError when it cannot be read."""
    found = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(_BLOCK):
                found.update(block)
    except OSError as error:
        raise ModelError(f"cannot read the model: {error.strerror}", where=str(path), code="no_model") from error
    return found.hexdigest()


def fetch(name: str, url: str, folder: Path, progress: Progress | None) -> Path:
    """The file of a published model in `folder`. The last folder of `url` is its SHA-256.

    Raises ModelError when the file there is another one, or cannot be downloaded; half a file never takes its place.
    """
    path, wanted = folder / url.split("/")[-1], url.split("/")[-2]
    if path.is_file():
        found = digest(path)
        if found == wanted:
            return path
        raise ModelError(
            f"the file is not the published model {name}: its SHA-256 is {found[:12]}…, not {wanted[:12]}…",
            where=str(path),
            hint="remove it to have it downloaded, or give its path as --model to use it all the same",
            code="wrong_digest",
        )
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = _download(name, url, part, progress)
        if found != wanted:
            raise ModelError(
                f"what was downloaded is not the model {name}: its SHA-256 is wrong",
                where=url,
                hint="try again",
                code="wrong_digest",
            )
        os.replace(part, path)
    except (OSError, HTTPException) as error:
        raise ModelError(
            f"cannot download the model {name}: {error}",
            where=url,
            hint=f"copy the file {path.name} to {folder} (--model-dir says where else) or give its path as --model",
            code="no_download",
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return path


def _download(name: str, url: str, part: Path, progress: Progress | None) -> str:
    """The file's bytes into `part`; their SHA-256. Progress counts MiB."""
    found = hashlib.sha256()
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer, open(part, "wb") as file:
        size = _length(answer)
        if progress is not None:
            progress.note(f"Downloading the model {name}" + (f" ({size >> 20:,} MiB)." if size else "."))
            progress.start("MiB", None if size is None else -(-size // _BLOCK))
        try:
            while block := answer.read(_BLOCK):
                file.write(block)
                found.update(block)
                if progress is not None:
                    progress.advance()
        finally:
            if progress is not None:
                progress.finish()
    return found.hexdigest()


def _length(answer: Any) -> int | None:
    text = answer.headers.get("Content-Length") or ""
    return int(text) if text.isdigit() else None
